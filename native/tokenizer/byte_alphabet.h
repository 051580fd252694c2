#pragma once

#include <string>
#include <string_view>

namespace punie::tokenizer {

/// Byte-level vocabularies write a byte as a character, in GPT-2's alphabet: printable characters of Latin-1 stand for
/// themselves, the other bytes for U+0100 and up, in order. Appends the bytes that `text`, which is UTF-8, stands for;
/// false, and `bytes` as it was, when a character is outside the alphabet.
bool append_bytes_of(std::string_view text, std::string& bytes);

}  // namespace punie::tokenizer
