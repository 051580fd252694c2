#include "tokenizer/tokenizer_file.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "tokenizer/find_merges.h"
#include "tokenizer/json_reader.h"
#include "tokenizer/merge_reader.h"
#include "tokenizer/text_rules.h"
#include "tokenizer/unserved.h"

namespace punie::tokenizer {

namespace {

constexpr std::uint32_t kMostId = Vocabulary::kMostTokens - 1;

void once(bool& seen, std::string_view key) {
  if (seen) throw Unserved(std::string(key) + " is there twice");
  seen = true;
}

void read_vocabulary(JsonReader& json, Vocabulary& vocabulary) {
  json.object([&](std::string_view token) { vocabulary.add(token, json.integer(kMostId)); });
  vocabulary.index();
}

/// `null`, or an empty text.
void read_nothing(JsonReader& json) {
  if (json.peek() == JsonReader::Kind::null) return json.null();
  require(json.string().empty(), "model: an affix");
}

void read_model(JsonReader& json, MergesAhead& ahead, TokenizerFile& file) {
  bool has_vocabulary = false;
  bool has_ignore = false;
  bool has_type = false;
  std::optional<MergeTexts> merges;
  json.object([&](std::string_view key) {
    if (key == "vocab") {
      once(has_vocabulary, key);
      read_vocabulary(json, file.vocabulary);
    } else if (key == "merges") {
      require(!merges, "merges is there twice");
      merges = ahead.read(json);
    } else if (key == "type") {
      once(has_type, key);
      require(json.string() == "BPE", "model: not BPE");
    } else if (key == "ignore_merges") {
      once(has_ignore, key);
      file.ignore_merges = json.boolean();
    } else if (key == "fuse_unk" || key == "byte_fallback") {
      require(!json.boolean(), "model: unknown tokens");
    } else if (key == "continuing_subword_prefix" || key == "end_of_word_suffix") {
      read_nothing(json);
    } else if (key == "unk_token") {
      // Every byte has a token: none is unknown.
      if (json.peek() == JsonReader::Kind::null) {
        json.null();
      } else {
        json.string();
      }
    } else {
      require(key == "dropout", "model: an unknown member");
      json.null();
    }
  });
  require(has_vocabulary && merges, "model: no vocabulary or no merges");
  file.merges = find_merges(*merges, file.vocabulary);
}

struct ReadToken {
  AddedToken token;
  std::optional<std::uint32_t> id;
  /// Whether it is looked for in normalized text. The default of the library.
  bool normalized = false;
};

/// An object that describes an added token.
ReadToken read_added_token(JsonReader& json) {
  ReadToken read;
  std::optional<bool> special;
  std::optional<bool> normalized;
  bool has_content = false;
  json.object([&](std::string_view key) {
    if (key == "content") {
      once(has_content, key);
      read.token.content = json.string();
    } else if (key == "id") {
      require(!read.id, "id is there twice");
      read.id = json.integer(kMostId);
    } else if (key == "special") {
      require(!special, "special is there twice");
      special = json.boolean();
    } else if (key == "normalized") {
      require(!normalized, "normalized is there twice");
      normalized = json.boolean();
    } else if (key == "lstrip" || key == "rstrip" || key == "single_word") {
      require(!json.boolean(), "an added token that takes the text around it into account");
    } else {
      json.skip();
    }
  });
  require(!read.token.content.empty(), "an added token without text");
  read.token.special = special.value_or(false);
  read.normalized = normalized.value_or(!read.token.special);
  return read;
}

}  // namespace

TokenizerFile read_tokenizer_file(std::string_view text) {
  TokenizerFile file;
  MergesAhead merges_ahead(text);
  JsonReader json(text);
  bool has_model = false;
  bool has_added = false;
  bool has_normalizer = false;
  bool has_pre_tokenizer = false;
  bool has_post_processor = false;
  bool has_decoder = false;
  bool any_normalized = false;
  json.object([&](std::string_view key) {
    if (key == "model") {
      once(has_model, key);
      read_model(json, merges_ahead, file);
    } else if (key == "added_tokens") {
      once(has_added, key);
      if (json.peek() == JsonReader::Kind::null) return json.null();
      json.array([&] {
        auto read = read_added_token(json);
        require(read.id.has_value(), "an added token without an id");
        read.token.id = *read.id;
        any_normalized = any_normalized || read.normalized;
        file.added.push_back(std::move(read.token));
      });
    } else if (key == "normalizer") {
      once(has_normalizer, key);
      file.nfc = read_normalizer(json);
    } else if (key == "pre_tokenizer") {
      once(has_pre_tokenizer, key);
      file.split = read_pre_tokenizer(json);
    } else if (key == "post_processor") {
      once(has_post_processor, key);
      read_post_processor(json, file.first, file.last);
    } else if (key == "decoder") {
      once(has_decoder, key);
      read_decoder(json);
    } else {
      json.skip();
    }
  });
  json.end();
  require(has_model && has_pre_tokenizer && has_decoder, "no model, pre_tokenizer or decoder");
  require(!(file.nfc && any_normalized), "an added token that is looked for in normalized text");
  return file;
}

void add_configured_tokens(std::string_view text, std::vector<AddedToken>& added, bool nfc) {
  std::unordered_set<std::string> known;
  for (const auto& token : added) known.insert(token.content);
  std::vector<AddedToken> configured;
  JsonReader json(text);
  bool has_tokens = false;
  json.object([&](std::string_view key) {
    if (key != "added_tokens_decoder") return json.skip();
    once(has_tokens, key);
    json.object([&](std::string_view written_id) {
      // The same reader, for the same rules: digits alone, no leading zero.
      const std::string digits(written_id);
      JsonReader key_reader(digits);
      const auto id = key_reader.integer(kMostId);
      key_reader.end();
      auto read = read_added_token(json);
      require(!read.id.has_value(), "a configured token with an id in it");
      if (known.contains(read.token.content)) return;
      require(!(nfc && read.normalized), "an added token that is looked for in normalized text");
      read.token.id = id;
      configured.push_back(std::move(read.token));
    });
  });
  json.end();
  std::ranges::sort(configured, {}, &AddedToken::id);
  require(std::ranges::adjacent_find(configured, {}, &AddedToken::id) == configured.end(), "two tokens of one id");
  std::ranges::move(configured, std::back_inserter(added));
}

}  // namespace punie::tokenizer
