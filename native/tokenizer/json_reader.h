#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tokenizer/unserved.h"

namespace punie::tokenizer {

/// Reads JSON text front to back, by the letter of RFC 8259, and keeps nothing of it. Whatever is not as asked for
/// throws `Unserved`: text that is no JSON, another kind of value, values nested more than 64 deep, strings that are
/// not Unicode text.
class JsonReader {
 public:
  enum class Kind { object, array, string, number, boolean, null };

  /// The text must outlive the reader.
  explicit JsonReader(std::string_view text) : begin_(text.data()), at_(begin_), end_(begin_ + text.size()) {}

  /// What the next value is.
  Kind peek();
  /// Calls `member(key)` for each member, which must read its value. The key is gone once it reads a string.
  template <typename Member>
  void object(Member&& member);
  /// Calls `element()` for each element, which must read it.
  template <typename Element>
  void array(Element&& element);
  /// Valid until the next string is read.
  std::string_view string();
  /// A number written in digits alone, from 0 to `most`.
  std::uint32_t integer(std::uint32_t most);
  bool boolean();
  void null();
  /// Any value, read to its end.
  void skip();
  /// Nothing but white space may follow.
  void end();

  /// True, and past it, if `wanted` is next but for white space.
  bool accept(char wanted) {
    skip_space();
    if (at_ == end_ || *at_ != wanted) return false;
    ++at_;
    return true;
  }
  /// Where it is in the text.
  const char* at() const { return at_; }
  /// Goes on there, what is between having been read by another.
  void go_to(const char* place) { at_ = place; }

 private:
  void skip_space() {
    while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }
  void expect(char wanted) {
    if (!accept(wanted)) fail(std::string("expected ") + wanted);
  }
  void enter() {
    if (++depth_ > kMostDepth) fail("nested too deep");
  }
  bool accept_word(std::string_view word);
  void skip_number();
  std::string_view escaped_string(const char* start);
  void append_escape();
  std::uint32_t hex4();
  [[noreturn]] void fail(const std::string& what) const;

  static constexpr int kMostDepth = 64;

  const char* begin_;
  const char* at_;
  const char* end_;
  int depth_ = 0;
  /// The last string that had escapes.
  std::string unescaped_;
};

template <typename Member>
void JsonReader::object(Member&& member) {
  enter();
  expect('{');
  if (!accept('}')) {
    do {
      skip_space();
      const auto key = string();
      expect(':');
      member(key);
    } while (accept(','));
    expect('}');
  }
  --depth_;
}

template <typename Element>
void JsonReader::array(Element&& element) {
  enter();
  expect('[');
  if (!accept(']')) {
    do {
      element();
    } while (accept(','));
    expect(']');
  }
  --depth_;
}

}  // namespace punie::tokenizer
