#include "tokenizer/json_reader.h"

#include <bit>
#include <cstring>

#include "tokenizer/utf8.h"

namespace punie::tokenizer {

namespace {

static_assert(std::endian::native == std::endian::little, "find_special counts bytes from the low end");

constexpr std::uint64_t kOnes = 0x0101010101010101u;
constexpr std::uint64_t kHighBits = kOnes * 0x80;

/// The first byte that is a quote, a backslash, a control character or not ASCII; `end` if there is none.
const char* find_special(const char* at, const char* end) {
  for (; end - at >= 8; at += 8) {
    std::uint64_t bytes;
    std::memcpy(&bytes, at, 8);
    // A borrow may mark a byte above one that is marked rightly: only the lowest is looked at.
    const std::uint64_t quote = (bytes ^ kOnes * '"') - kOnes;
    const std::uint64_t backslash = (bytes ^ kOnes * '\\') - kOnes;
    const std::uint64_t control = bytes - kOnes * 0x20;
    const std::uint64_t found = ((quote | backslash | control) & ~bytes & kHighBits) | (bytes & kHighBits);
    if (found != 0) return at + std::countr_zero(found) / 8;
  }
  for (; at < end; ++at) {
    const auto byte = static_cast<unsigned char>(*at);
    if (byte == '"' || byte == '\\' || byte < 0x20 || byte >= 0x80) return at;
  }
  return end;
}

void append_utf8(std::string& text, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

JsonReader::Kind JsonReader::peek() {
  skip_space();
  if (at_ == end_) fail("the text ends");
  switch (*at_) {
    case '{':
      return Kind::object;
    case '[':
      return Kind::array;
    case '"':
      return Kind::string;
    case 't':
    case 'f':
      return Kind::boolean;
    case 'n':
      return Kind::null;
    default:
      return Kind::number;
  }
}

std::string_view JsonReader::string() {
  expect('"');
  const char* start = at_;
  while (true) {
    at_ = find_special(at_, end_);
    if (at_ == end_) fail("a string without an end");
    if (*at_ == '"') return {start, static_cast<std::size_t>(at_++ - start)};
    if (*at_ == '\\') return escaped_string(start);
    const auto length = decode_utf8({at_, static_cast<std::size_t>(end_ - at_)}).length;
    if (length < 2) fail("a control character, or no UTF-8, in a string");
    at_ += length;
  }
}

/// The rest of a string that has an escape, at `at_`.
std::string_view JsonReader::escaped_string(const char* start) {
  unescaped_.assign(start, at_);
  while (true) {
    if (at_ == end_) fail("a string without an end");
    if (*at_ == '"') {
      ++at_;
      return unescaped_;
    }
    if (*at_ == '\\') {
      append_escape();
      continue;
    }
    const auto length = decode_utf8({at_, static_cast<std::size_t>(end_ - at_)}).length;
    if (length == 0 || static_cast<unsigned char>(*at_) < 0x20) fail("a control character, or no UTF-8, in a string");
    unescaped_.append(at_, length);
    at_ += length;
  }
}

void JsonReader::append_escape() {
  if (end_ - at_ < 2) fail("a string without an end");
  const char kind = at_[1];
  at_ += 2;
  switch (kind) {
    case '"':
    case '\\':
    case '/':
      return unescaped_.push_back(kind);
    case 'b':
      return unescaped_.push_back('\b');
    case 'f':
      return unescaped_.push_back('\f');
    case 'n':
      return unescaped_.push_back('\n');
    case 'r':
      return unescaped_.push_back('\r');
    case 't':
      return unescaped_.push_back('\t');
    case 'u':
      break;
    default:
      fail("an unknown escape in a string");
  }
  std::uint32_t code = hex4();
  if (code >= 0xd800 && code < 0xe000) {
    const bool pair = code < 0xdc00 && end_ - at_ >= 2 && at_[0] == '\\' && at_[1] == 'u';
    if (!pair) fail("half of a surrogate pair in a string");
    at_ += 2;
    const std::uint32_t low = hex4();
    if (low < 0xdc00 || low >= 0xe000) fail("half of a surrogate pair in a string");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  append_utf8(unescaped_, code);
}

std::uint32_t JsonReader::hex4() {
  if (end_ - at_ < 4) fail("a string without an end");
  std::uint32_t code = 0;
  for (const char* stop = at_ + 4; at_ < stop; ++at_) {
    const char c = *at_;
    if (is_digit(c)) {
      code = code * 16 + static_cast<std::uint32_t>(c - '0');
    } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
      code = code * 16 + static_cast<std::uint32_t>((c | 0x20) - 'a' + 10);
    } else {
      fail("an escape without four digits");
    }
  }
  return code;
}

std::uint32_t JsonReader::integer(std::uint32_t most) {
  skip_space();
  const char* start = at_;
  std::uint64_t value = 0;
  while (at_ < end_ && is_digit(*at_)) {
    value = value * 10 + static_cast<std::uint64_t>(*at_++ - '0');
    if (value > most) fail("a number too large");
  }
  const bool led_by_zero = at_ - start > 1 && *start == '0';
  const bool goes_on = at_ < end_ && (*at_ == '.' || *at_ == 'e' || *at_ == 'E');
  if (at_ == start || led_by_zero || goes_on) fail("expected a whole number");
  return static_cast<std::uint32_t>(value);
}

bool JsonReader::accept_word(std::string_view word) {
  skip_space();
  if (!std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(word)) return false;
  at_ += word.size();
  return true;
}

bool JsonReader::boolean() {
  if (accept_word("true")) return true;
  if (!accept_word("false")) fail("expected true or false");
  return false;
}

void JsonReader::null() {
  if (!accept_word("null")) fail("expected null");
}

void JsonReader::skip_number() {
  const auto digits = [&] {
    const char* start = at_;
    while (at_ < end_ && is_digit(*at_)) ++at_;
    if (at_ == start) fail("expected a digit");
  };
  if (*at_ == '-') ++at_;
  if (at_ < end_ && *at_ == '0') {
    ++at_;
  } else {
    digits();
  }
  if (at_ < end_ && *at_ == '.') {
    ++at_;
    digits();
  }
  if (at_ < end_ && (*at_ == 'e' || *at_ == 'E')) {
    ++at_;
    if (at_ < end_ && (*at_ == '+' || *at_ == '-')) ++at_;
    digits();
  }
}

void JsonReader::skip() {
  switch (peek()) {
    case Kind::object:
      return object([&](std::string_view) { skip(); });
    case Kind::array:
      return array([&] { skip(); });
    case Kind::string:
      string();
      return;
    case Kind::number:
      return skip_number();
    case Kind::boolean:
      boolean();
      return;
    case Kind::null:
      return null();
  }
}

void JsonReader::end() {
  skip_space();
  if (at_ != end_) fail("text after the value");
}

void JsonReader::fail(const std::string& what) const {
  throw Unserved(what + ", at byte " + std::to_string(at_ - begin_));
}

}  // namespace punie::tokenizer
