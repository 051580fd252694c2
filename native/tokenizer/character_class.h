#pragma once

#include <array>
#include <cstdint>

namespace punie::tokenizer {

/// What the patterns that split text tell apart: `\p{L}`, `\p{N}`, `\s` (White_Space) and the rest.
enum class CharacterClass : std::uint8_t { other, letter, number, space };

/// Of any code point. The tables are those of the Unicode version that character_classes.inc names.
CharacterClass find_class(char32_t code_point);

inline constexpr auto kAsciiClasses = [] {
  std::array<CharacterClass, 128> classes{};
  for (char32_t c = 0; c < 128; ++c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) classes[c] = CharacterClass::letter;
    if (c >= '0' && c <= '9') classes[c] = CharacterClass::number;
    if (c == ' ' || (c >= '\t' && c <= '\r')) classes[c] = CharacterClass::space;
  }
  return classes;
}();

inline CharacterClass class_of(char32_t code_point) {
  return code_point < 128 ? kAsciiClasses[code_point] : find_class(code_point);
}

}  // namespace punie::tokenizer
