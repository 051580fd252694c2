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

/// For tables in memory only: it depends on the byte order.
inline std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed = 0) {
  std::uint64_t state = mix(seed, bytes.size());
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    state = mix(state, word);
  }
  if (left > 0) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, left);
    state = mix(state, word);
  }
  return mix(state, 0);
}

}  // namespace punie::tokenizer
