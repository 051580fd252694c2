#include "tokenizer/character_class.h"

#include <algorithm>
#include <iterator>

namespace punie::tokenizer {

namespace {

constexpr std::uint32_t kRanges[] = {
#include "tokenizer/character_classes.inc"
};

/// Chinese fills most of some texts: not worth a search.
constexpr char32_t kFirstIdeograph = 0x4e00;
constexpr char32_t kLastIdeograph = 0x9fff;

}  // namespace

CharacterClass find_class(char32_t code_point) {
  if (code_point >= kFirstIdeograph && code_point <= kLastIdeograph) return CharacterClass::letter;
  const auto past = std::upper_bound(std::begin(kRanges), std::end(kRanges), code_point << 2 | 3);
  return static_cast<CharacterClass>(*(past - 1) & 3);
}

}  // namespace punie::tokenizer
