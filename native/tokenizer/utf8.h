#pragma once

#include <cstdint>
#include <string_view>

namespace punie::tokenizer {

/// A character of UTF-8 text. `length` is 0 where the bytes are none.
struct Character {
  char32_t code_point = 0;
  std::uint32_t length = 0;
};

/// The character at the start of `text`, which is not empty. Overlong forms, surrogates and what lies past U+10FFFF are
/// none.
inline Character decode_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xe0) {
    if (lead < 0xc2 || text.size() < 2 || !continues(1)) return {};
    return {(lead & 0x1f) << 6 | (byte(1) & 0x3fu), 2};
  }
  if (lead < 0xf0) {
    if (text.size() < 3 || !continues(1) || !continues(2)) return {};
    const char32_t code = (lead & 0xf) << 12 | (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3fu);
    if (code < 0x800 || (code >= 0xd800 && code < 0xe000)) return {};
    return {code, 3};
  }
  if (lead > 0xf4 || text.size() < 4 || !continues(1) || !continues(2) || !continues(3)) return {};
  const char32_t code = (lead & 7) << 18 | (byte(1) & 0x3fu) << 12 | (byte(2) & 0x3fu) << 6 | (byte(3) & 0x3fu);
  if (code < 0x10000 || code > 0x10ffff) return {};
  return {code, 4};
}

}  // namespace punie::tokenizer
