#include "tokenizer/word_splitter.h"

#include <algorithm>

#include "tokenizer/character_class.h"
#include "tokenizer/utf8.h"

namespace punie::tokenizer {

namespace {

struct Seen {
  char32_t code_point = 0;
  std::size_t length = 0;
  CharacterClass kind = CharacterClass::other;
};

Seen look(std::string_view text, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) return {byte, 1, kAsciiClasses[byte]};
  const auto character = decode_utf8(text.substr(at));
  if (character.length == 0) return {0xfffd, 1, CharacterClass::other};
  return {character.code_point, character.length, find_class(character.code_point)};
}

/// Where the run of characters of this class ends that begins at `at`.
std::size_t run_end(std::string_view text, std::size_t at, CharacterClass kind) {
  while (at < text.size()) {
    const auto seen = look(text, at);
    if (seen.kind != kind) break;
    at += seen.length;
  }
  return at;
}

bool is_newline(char c) { return c == '\r' || c == '\n'; }

/// `'s|'t|'re|'ve|'m|'ll|'d` at the start of the text: its length, or 0. With `fold`, in either case of ASCII.
std::size_t contraction(std::string_view text, bool fold) {
  const auto letter = [&](std::size_t i) -> char {
    if (i >= text.size()) return 0;
    const char c = text[i];
    return fold && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  };
  if (text[0] != '\'') return 0;
  const char first = letter(1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  const char second = letter(2);
  const bool two =
      (first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l');
  return two ? 3 : 0;
}

/// `\s+(?!\S)|\s+` on a run of spaces: all of it at the end of the text, else all but the last, which goes to the next
/// word; a single one stays.
std::size_t spaces(std::string_view text) {
  std::size_t end = 0;
  std::size_t last = 0;
  while (end < text.size()) {
    const auto seen = look(text, end);
    if (seen.kind != CharacterClass::space) return last > 0 ? last : end;
    last = end;
    end += seen.length;
  }
  return end;
}

/// `'s|…| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
std::size_t first_word_gpt2(std::string_view text) {
  if (const auto length = contraction(text, false); length > 0) return length;
  const std::size_t start = text[0] == ' ' && text.size() > 1 ? 1 : 0;
  const auto seen = look(text, start);
  if (seen.kind == CharacterClass::space) return spaces(text);
  return run_end(text, start + seen.length, seen.kind);
}

/// `(?i:'s|…)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
std::size_t first_word_qwen2(std::string_view text, int most_digits) {
  if (const auto length = contraction(text, true); length > 0) return length;
  const auto first = look(text, 0);
  if (first.kind == CharacterClass::letter) return run_end(text, first.length, CharacterClass::letter);
  if (first.kind == CharacterClass::number) {
    std::size_t end = first.length;
    for (int digits = 1; digits < most_digits && end < text.size(); ++digits) {
      const auto seen = look(text, end);
      if (seen.kind != CharacterClass::number) break;
      end += seen.length;
    }
    return end;
  }
  const bool has_second = first.length < text.size();
  const auto second = has_second ? look(text, first.length) : Seen{};
  if (has_second && second.kind == CharacterClass::letter && !is_newline(text[0])) {
    return run_end(text, first.length + second.length, CharacterClass::letter);
  }
  const bool led_by_space = text[0] == ' ' && has_second && second.kind == CharacterClass::other;
  if (first.kind == CharacterClass::other || led_by_space) {
    auto end = run_end(text, first.length, CharacterClass::other);
    while (end < text.size() && is_newline(text[end])) ++end;
    return end;
  }
  const auto run = text.substr(0, run_end(text, first.length, CharacterClass::space));
  if (const auto newline = run.find_last_of("\r\n"); newline != std::string_view::npos) return newline + 1;
  return spaces(text);
}

}  // namespace

std::size_t first_word(std::string_view text, SplitRule rule) {
  switch (rule) {
    case SplitRule::gpt2:
    case SplitRule::smollm:
      return first_word_gpt2(text);
    case SplitRule::qwen2:
      return first_word_qwen2(text, 1);
    case SplitRule::llama3:
      return first_word_qwen2(text, 3);
  }
  return text.size();
}

std::size_t first_part(std::string_view text, SplitRule rule) {
  if (rule != SplitRule::smollm) return text.size();
  const auto first = look(text, 0);
  if (first.kind == CharacterClass::number) return first.length;
  std::size_t end = first.length;
  while (end < text.size()) {
    const auto seen = look(text, end);
    if (seen.kind == CharacterClass::number) break;
    end += seen.length;
  }
  return end;
}

}  // namespace punie::tokenizer
