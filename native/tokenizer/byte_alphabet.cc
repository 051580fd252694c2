#include "tokenizer/byte_alphabet.h"

#include <array>
#include <cstdint>

namespace punie::tokenizer {

namespace {

/// One past the alphabet's last character.
constexpr std::uint32_t kEnd = 0x144;
constexpr std::int16_t kNone = -1;

constexpr std::array<std::int16_t, kEnd> make_byte_of() {
  std::array<std::int16_t, kEnd> byte_of{};
  byte_of.fill(kNone);
  std::uint32_t next = 0x100;
  for (std::int16_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    byte_of[printable ? static_cast<std::uint32_t>(byte) : next++] = byte;
  }
  return byte_of;
}

constexpr auto kByteOf = make_byte_of();

}  // namespace

bool append_bytes_of(std::string_view text, std::string& bytes) {
  const auto before = bytes.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::uint32_t code = static_cast<unsigned char>(text[i]);
    if (code >= 0x80) {
      // Two bytes of UTF-8 reach past the alphabet's end.
      const bool two = code >= 0xc2 && code < 0xe0 && i + 1 < text.size();
      code = two ? (code & 0x1f) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3fu) : kEnd;
    }
    if (code >= kEnd || kByteOf[code] == kNone) {
      bytes.resize(before);
      return false;
    }
    bytes.push_back(static_cast<char>(kByteOf[code]));
  }
  return true;
}

}  // namespace punie::tokenizer
