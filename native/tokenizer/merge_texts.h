#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace punie::tokenizer {

/// Merges as they are written, in the order of their rank: the bytes of two tokens each.
class MergeTexts {
 public:
  MergeTexts();

  /// Throws `Unserved` for a part that is empty or not written in the byte alphabet.
  void add(std::string_view left, std::string_view right);

  std::size_t size() const { return merges_.size(); }
  std::string_view left(std::size_t i) const { return between(merges_[i].begin, merges_[i].middle); }
  std::string_view right(std::size_t i) const { return between(merges_[i].middle, end(i)); }
  std::string_view both(std::size_t i) const { return between(merges_[i].begin, end(i)); }

 private:
  struct Merge {
    std::uint32_t begin;
    std::uint32_t middle;
  };

  std::size_t end(std::size_t i) const { return i + 1 < size() ? merges_[i + 1].begin : bytes_.size(); }
  std::string_view between(std::size_t begin, std::size_t end) const { return {bytes_.data() + begin, end - begin}; }

  /// Of all merges, one after another.
  std::string bytes_;
  std::vector<Merge> merges_;
};

}  // namespace punie::tokenizer
