#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace punie::tokenizer {

struct AddedToken {
  std::uint32_t id = 0;
  std::string content;
  bool special = false;
};

/// Finds the tokens that stand in text as they are, such as `<|im_end|>`: the first, and of those that begin there the
/// longest.
class AddedTokenFinder {
 public:
  /// Throws `Unserved` for a content that is there twice, and for more or longer ones than any vocabulary has.
  explicit AddedTokenFinder(const std::vector<AddedToken>& tokens);

  struct Found {
    std::size_t begin = 0;
    std::size_t length = 0;
    std::uint32_t id = 0;
  };

  std::optional<Found> first(std::string_view text) const;
  /// The token that the whole text is.
  std::optional<std::uint32_t> whole(std::string_view text) const;

 private:
  struct Token {
    std::string content;
    std::uint32_t id;
  };

  /// The longest at the start of the text.
  const Token* longest_at_start(std::string_view text) const;

  /// By content, in the order of bytes.
  std::vector<Token> tokens_;
  /// Whether a content begins with the byte.
  std::array<bool, 256> begins_{};
};

}  // namespace punie::tokenizer
