#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/hash.h"
#include "tokenizer/large_memory.h"

namespace punie::tokenizer {

/// Tokens by id and ids by token. Tokens written in the byte alphabet are their bytes; the others, which no text can
/// reach, are their UTF-8.
class Vocabulary {
 public:
  /// Ids lie below this: real vocabularies have up to 300,000 tokens.
  static constexpr std::uint32_t kMostTokens = 1u << 21;
  static constexpr std::uint32_t kNone = ~0u;
  /// Room for most: growing means writing everything again, and memory that is not written to costs nothing.
  static constexpr std::size_t kUsualTokens = 200'000;
  static constexpr std::size_t kUsualBytes = 8 * kUsualTokens;

  Vocabulary();

  /// Adds a token as it is written in tokenizer.json. Throws `Unserved` for an id that is taken and an empty token.
  void add(std::string_view written, std::uint32_t id);
  /// Makes `find` and `find_written` work; to be called again after further tokens. Throws `Unserved` for a token that
  /// is there twice.
  void index();

  /// Id of the token with these bytes, or `kNone`.
  std::uint32_t find(std::string_view bytes) const { return find(bytes, kBytes, hash_bytes(bytes, kBytes)); }
  /// The same in two steps, between which others may be begun: a search waits for memory most of its time.
  std::uint64_t begin_find(std::string_view bytes) const {
    const auto hash = hash_bytes(bytes, kBytes);
    if (!slots_.empty()) prefetch(&slots_[home(hash)]);
    return hash;
  }
  std::uint32_t end_find(std::string_view bytes, std::uint64_t hash) const { return find(bytes, kBytes, hash); }
  /// Id of the token that is written like this, or `kNone`.
  std::uint32_t find_written(std::string_view written) const;

  /// The largest id and one.
  std::uint32_t size() const { return static_cast<std::uint32_t>(entries_.size()); }
  bool has(std::uint32_t id) const { return id < size() && entries_[id].length != 0; }
  /// The token's bytes, none for an id without a token. Valid until a token is added.
  std::string_view token(std::uint32_t id) const { return {bytes_.data() + entries_[id].offset, entries_[id].length}; }
  /// True if a token is its bytes: one that text can reach.
  bool is_bytes(std::uint32_t id) const { return entries_[id].form == kBytes; }

 private:
  enum Form : std::uint32_t { kBytes = 0, kText = 1 };

  struct Entry {
    std::uint32_t offset = 0;
    std::uint32_t length : 31 = 0;
    std::uint32_t form : 1 = kBytes;
  };

  /// A token's first eight bytes, zeros after fewer, and what else there is to know of it: most are told by that alone,
  /// without a look at the entry and the bytes, which lie elsewhere.
  struct Slot {
    std::uint64_t first_bytes = 0;
    std::uint32_t length : 31 = 0;
    std::uint32_t form : 1 = kBytes;
    std::uint32_t id = kNone;
  };

  std::size_t home(std::uint64_t hash) const { return hash >> 32 & (slots_.size() - 1); }
  std::size_t next(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }
  bool holds(const Slot& slot, std::string_view bytes, Form form) const;
  std::uint32_t find(std::string_view bytes, Form form, std::uint64_t hash) const;
  void insert(std::uint32_t id, std::uint64_t hash);

  /// All tokens' bytes, one after another.
  std::string bytes_;
  /// By id.
  std::vector<Entry, LargeMemory<Entry>> entries_;
  std::uint32_t count_ = 0;
  /// At most two thirds full.
  std::vector<Slot, LargeMemory<Slot>> slots_;
};

}  // namespace punie::tokenizer
