#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/text_encoder.h"

namespace punie::tokenizer {

/// Every token's bytes, by id: what decoding needs.
struct TokenTable {
  /// Bits of `flags`.
  static constexpr std::uint8_t kPresent = 1;
  static constexpr std::uint8_t kSpecial = 2;

  /// All tokens' bytes, one after another.
  std::string bytes;
  /// Where a token begins; it ends where the next begins. One longer than `flags`.
  std::vector<std::uint32_t> offsets;
  std::vector<std::uint8_t> flags;
};

/// A text, or a token that stands between texts.
using Piece = std::variant<std::string, std::uint32_t>;
/// A text, or what `Tokenizer::split` made of it.
using Text = std::variant<std::string, std::vector<Piece>>;

struct TokenizerFile;

/// Byte-level BPE. Nothing changes after it is made, so any number of threads may encode with it.
class Tokenizer {
 public:
  /// From the texts of tokenizer.json and tokenizer_config.json, the latter if there is one. `table` is filled.
  /// Throws `Unserved` when they are none of the served forms.
  Tokenizer(std::string_view tokenizer_json, std::optional<std::string_view> config_json, TokenTable& table);

  /// Text must be in NFC, apart from added tokens in it.
  bool nfc() const { return nfc_; }
  /// Ids of special tokens, in the order of the files.
  const std::vector<std::uint32_t>& special_ids() const { return special_ids_; }

  /// The text without its added tokens, and they between.
  std::vector<Piece> split(std::string_view text) const;

  struct Options {
    /// Add what the post-processor adds.
    bool add_special_tokens = false;
    /// Added tokens in the text are found.
    bool parse_special = true;
  };

  /// The text's ids, or those of what `split` gave, in whose texts added tokens are not looked for again. They are
  /// worthless if `stop` was set meanwhile, which ends the work soon. Throws `Error` with INVALID_OPTION for a word of
  /// more than 8 MiB.
  std::vector<std::uint32_t> encode(const Text& text, const Options& options, const std::atomic<bool>& stop) const;

 private:
  Tokenizer(TokenizerFile file, TokenTable& table);

  void encode_text(std::string_view text, bool parse_special, TextEncoder& encoder,
                   std::vector<std::uint32_t>& ids) const;
  void encode_pieces(const std::vector<Piece>& pieces, bool parse_special, const std::atomic<bool>& stop,
                     std::vector<std::uint32_t>& ids) const;

  bool nfc_;
  AddedTokenFinder added_;
  std::vector<std::uint32_t> special_ids_;
  /// What the post-processor puts before and after a text.
  std::vector<std::uint32_t> first_;
  std::vector<std::uint32_t> last_;
  EncodingRules rules_;
};

}  // namespace punie::tokenizer
