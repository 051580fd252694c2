#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <utility>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/tokenizer_file.h"
#include "tokenizer/unserved.h"

namespace punie::tokenizer {

namespace {

TokenizerFile read_files(std::string_view tokenizer_json, std::optional<std::string_view> config_json) {
  auto file = read_tokenizer_file(tokenizer_json);
  if (config_json) add_configured_tokens(*config_json, file.added, file.nfc);
  return file;
}

ByteTokens find_byte_tokens(const Vocabulary& vocabulary) {
  ByteTokens tokens{};
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    tokens[static_cast<std::size_t>(byte)] = vocabulary.find({&c, 1});
  }
  if (std::ranges::find(tokens, Vocabulary::kNone) != tokens.end()) throw Unserved("a byte without a token");
  return tokens;
}

/// An added token that the vocabulary has under another id would be two things at once.
void check_added(const Vocabulary& vocabulary, const std::vector<AddedToken>& added) {
  for (const auto& token : added) {
    const auto id = vocabulary.find_written(token.content);
    if (id != Vocabulary::kNone && id != token.id) throw Unserved("an added token with another id in the vocabulary");
  }
}

/// Where words are looked up whole, added tokens are found too, as text.
void add_whole_words(Vocabulary& vocabulary, const std::vector<AddedToken>& added) {
  for (const auto& token : added) {
    if (vocabulary.find_written(token.content) == Vocabulary::kNone) vocabulary.add(token.content, token.id);
  }
  vocabulary.index();
}

/// Ids of the post-processor's tokens.
std::vector<std::uint32_t> ids_of(const std::vector<std::string>& contents, const TokenizerFile& file) {
  std::vector<std::uint32_t> ids;
  for (const auto& content : contents) {
    const auto added = std::ranges::find(file.added, content, &AddedToken::content);
    const auto id = added != file.added.end() ? added->id : file.vocabulary.find_written(content);
    if (id == Vocabulary::kNone) throw Unserved("post_processor: an unknown token");
    ids.push_back(id);
  }
  return ids;
}

TokenTable lay_out(const Vocabulary& vocabulary, const std::vector<AddedToken>& added) {
  std::uint32_t size = vocabulary.size();
  for (const auto& token : added) size = std::max(size, token.id + 1);
  TokenTable table;
  table.offsets.resize(size + 1);
  table.flags.resize(size);
  // Of two added tokens with one id the later counts, and the id is special if either is.
  std::vector<const AddedToken*> in_place(size);
  for (const auto& token : added) {
    in_place[token.id] = &token;
    if (token.special) table.flags[token.id] = TokenTable::kSpecial;
  }
  for (std::uint32_t id = 0; id < size; ++id) {
    if (const auto* token = in_place[id]) {
      if (!append_bytes_of(token->content, table.bytes)) table.bytes += token->content;
      table.flags[id] |= TokenTable::kPresent;
    } else if (vocabulary.has(id)) {
      table.bytes += vocabulary.token(id);
      table.flags[id] |= TokenTable::kPresent;
    }
    table.offsets[id + 1] = static_cast<std::uint32_t>(table.bytes.size());
  }
  return table;
}

}  // namespace

Tokenizer::Tokenizer(std::string_view tokenizer_json, std::optional<std::string_view> config_json, TokenTable& table)
    : Tokenizer(read_files(tokenizer_json, config_json), table) {}

Tokenizer::Tokenizer(TokenizerFile file, TokenTable& table)
    : nfc_(file.nfc), added_(file.added), first_(ids_of(file.first, file)), last_(ids_of(file.last, file)) {
  check_added(file.vocabulary, file.added);
  table = lay_out(file.vocabulary, file.added);
  for (const auto& token : file.added) {
    if (token.special) special_ids_.push_back(token.id);
  }
  rules_.split = file.split;
  rules_.byte_tokens = find_byte_tokens(file.vocabulary);
  rules_.merges = std::move(file.merges);
  if (file.ignore_merges) {
    add_whole_words(file.vocabulary, file.added);
    rules_.whole_words = std::move(file.vocabulary);
  }
}

std::vector<Piece> Tokenizer::split(std::string_view text) const {
  std::vector<Piece> pieces;
  while (!text.empty()) {
    const auto found = added_.first(text);
    const auto before = found ? found->begin : text.size();
    if (before > 0) pieces.emplace_back(std::string(text.substr(0, before)));
    if (!found) break;
    pieces.emplace_back(found->id);
    text.remove_prefix(before + found->length);
  }
  return pieces;
}

std::vector<std::uint32_t> Tokenizer::encode(const Text& text, const Options& options,
                                             const std::atomic<bool>& stop) const {
  std::vector<std::uint32_t> ids;
  if (options.add_special_tokens) ids = first_;
  if (const auto* whole = std::get_if<std::string>(&text)) {
    TextEncoder encoder(rules_, whole->size(), stop);
    encode_text(*whole, options.parse_special, encoder, ids);
  } else {
    encode_pieces(std::get<std::vector<Piece>>(text), options.parse_special, stop, ids);
  }
  if (options.add_special_tokens) ids.insert(ids.end(), last_.begin(), last_.end());
  return ids;
}

void Tokenizer::encode_text(std::string_view text, bool parse_special, TextEncoder& encoder,
                            std::vector<std::uint32_t>& ids) const {
  while (!text.empty()) {
    const auto found = parse_special ? added_.first(text) : std::nullopt;
    encoder.append(text.substr(0, found ? found->begin : text.size()), ids);
    if (!found) break;
    ids.push_back(found->id);
    text.remove_prefix(found->begin + found->length);
  }
}

void Tokenizer::encode_pieces(const std::vector<Piece>& pieces, bool parse_special, const std::atomic<bool>& stop,
                              std::vector<std::uint32_t>& ids) const {
  std::size_t bytes = 0;
  for (const auto& piece : pieces) {
    if (const auto* text = std::get_if<std::string>(&piece)) bytes += text->size();
  }
  TextEncoder encoder(rules_, bytes, stop);
  for (const auto& piece : pieces) {
    if (const auto* id = std::get_if<std::uint32_t>(&piece)) {
      ids.push_back(*id);
      continue;
    }
    // The text may have become an added token by normalization; only as a whole, as the library has it.
    const auto& text = std::get<std::string>(piece);
    const auto added = parse_special ? added_.whole(text) : std::nullopt;
    if (added) {
      ids.push_back(*added);
    } else {
      encoder.append(text, ids);
    }
  }
}

}  // namespace punie::tokenizer
