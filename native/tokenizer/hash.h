#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace punie::tokenizer {

/// How many slots an entry may lie past its own. Open tables that are half full stay far below; a file made to collide
/// is refused by this instead of taking quadratic time.
inline constexpr std::uint32_t kMostProbes = 512;

/// Begins to fetch what will be looked at a little later: tables are larger than the nearest cache.
inline void prefetch(const void* address) { __builtin_prefetch(address); }

/// Odd, with bits of the golden ratio.
inline constexpr std::uint64_t kHashFactor = 0x9e3779b97f4a7c15u;

inline std::uint64_t mix(std::uint64_t state, std::uint64_t value) {
  state = (state ^ value) * kHashFactor;
  return state ^ state >> 32;
}

/// The first eight bytes, the first of them lowest; zeros after fewer. Depends on the byte order.
inline std::uint64_t load_bytes(std::string_view bytes) {
  const char* at = bytes.data();
  const auto load = [at]<typename Word>(std::size_t offset) {
    Word word;
    std::memcpy(&word, at + offset, sizeof word);
    return std::uint64_t{word};
  };
  const std::size_t size = bytes.size();
  if (size >= 8) return load.template operator()<std::uint64_t>(0);
  // Two words that may overlap; a copy of any size would be a call.
  if (size >= 4) {
    return load.template operator()<std::uint32_t>(0) | load.template operator()<std::uint32_t>(size - 4)
                                                            << 8 * (size - 4);
  }
  if (size >= 2) {
    return load.template operator()<std::uint16_t>(0) | load.template operator()<std::uint16_t>(size - 2)
                                                            << 8 * (size - 2);
  }
  return size == 1 ? load.template operator()<std::uint8_t>(0) : 0;
}

/// For tables in memory only: it depends on the byte order.
inline std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed = 0) {
  std::uint64_t state = mix(seed, bytes.size());
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) state = mix(state, load_bytes(bytes));
  if (!bytes.empty()) state = mix(state, load_bytes(bytes));
  return mix(state, 0);
}

}  // namespace punie::tokenizer
