#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "tokenizer/unserved.h"

namespace punie::tokenizer {

namespace {

/// Gemma has 6,500.
constexpr std::size_t kMostTokens = 1u << 16;
/// Bounds what a search takes for each byte of text.
constexpr std::size_t kMostBytes = 256;

}  // namespace

AddedTokenFinder::AddedTokenFinder(const std::vector<AddedToken>& tokens) {
  if (tokens.size() > kMostTokens) throw Unserved("too many added tokens");
  for (const auto& token : tokens) {
    if (token.content.empty() || token.content.size() > kMostBytes) throw Unserved("an added token's length");
    tokens_.push_back({token.content, token.id});
    begins_[static_cast<unsigned char>(token.content[0])] = true;
  }
  std::ranges::sort(tokens_, {}, &Token::content);
  if (std::ranges::adjacent_find(tokens_, {}, &Token::content) != tokens_.end()) {
    throw Unserved("an added token is there twice");
  }
}

const AddedTokenFinder::Token* AddedTokenFinder::longest_at_start(std::string_view text) const {
  const Token* longest = nullptr;
  auto low = tokens_.begin();
  auto high = tokens_.end();
  // Those in [low, high) agree with the text in the first `length` bytes; the shortest of them stands first.
  for (std::size_t length = 0; low != high; ++length) {
    if (low->content.size() == length) {
      if (length > 0) longest = &*low;
      ++low;
    }
    if (length == text.size()) break;
    const auto byte = [length](const Token& token) { return static_cast<unsigned char>(token.content[length]); };
    // Not equal_range: its std::ranges::subrange is more than clang 14 makes of libstdc++ 12.
    const auto wanted = static_cast<unsigned char>(text[length]);
    low = std::ranges::lower_bound(low, high, wanted, {}, byte);
    high = std::ranges::upper_bound(low, high, wanted, {}, byte);
  }
  return longest;
}

std::optional<AddedTokenFinder::Found> AddedTokenFinder::first(std::string_view text) const {
  for (std::size_t begin = 0; begin < text.size(); ++begin) {
    if (!begins_[static_cast<unsigned char>(text[begin])]) continue;
    if (const auto* token = longest_at_start(text.substr(begin))) {
      return Found{begin, token->content.size(), token->id};
    }
  }
  return std::nullopt;
}

std::optional<std::uint32_t> AddedTokenFinder::whole(std::string_view text) const {
  const auto* token = longest_at_start(text);
  if (token == nullptr || token->content.size() != text.size()) return std::nullopt;
  return token->id;
}

}  // namespace punie::tokenizer
