#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_splitter.h"

namespace punie::tokenizer {

/// What tokenizer.json says, where it is one of the served forms.
struct TokenizerFile {
  Vocabulary vocabulary;
  MergeTable merges;
  std::vector<AddedToken> added;
  SplitRule split = SplitRule::gpt2;
  /// Text is brought to Unicode's NFC before it is split into words, and after added tokens are found in it.
  bool nfc = false;
  /// A word that is a token as a whole is that token, whatever the merges say.
  bool ignore_merges = false;
  /// Tokens that the post-processor puts around a text, as they are written.
  std::vector<std::string> first;
  std::vector<std::string> last;
};

/// Reads tokenizer.json's text. Throws `Unserved` when it is none of the served forms: a byte-level BPE with the text
/// rules of GPT-2, SmolLM, Qwen 2 or Llama 3, and nothing unusual about it.
TokenizerFile read_tokenizer_file(std::string_view json);

/// Adds the tokens that only tokenizer_config.json's `added_tokens_decoder` names, in the order of their ids.
void add_configured_tokens(std::string_view config_json, std::vector<AddedToken>& added, bool nfc);

}  // namespace punie::tokenizer
