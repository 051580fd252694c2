#include "tokenizer/merge_reader.h"

#include <cstring>
#include <string>
#include <utility>

#include "tokenizer/beside.h"
#include "tokenizer/unserved.h"

namespace punie::tokenizer {

namespace {

/// A smaller file is read before another thread begins.
constexpr std::size_t kLarge = std::size_t{1} << 19;

/// Where the value of a member "merges" that is an array begins, after the colon; null where there is none. A token may
/// have that name too, but is no array.
const char* find_array(std::string_view text) {
  constexpr std::string_view key = "\"merges\"";
  const char* end = text.data() + text.size();
  for (const char* at = text.data();;) {
    at = static_cast<const char*>(::memmem(at, static_cast<std::size_t>(end - at), key.data(), key.size()));
    if (at == nullptr) return nullptr;
    at += key.size();
    JsonReader json({at, static_cast<std::size_t>(end - at)});
    if (!json.accept(':')) continue;
    const char* value = json.at();
    if (json.accept('[')) return value;
  }
}

}  // namespace

MergeTexts read_merges(JsonReader& json) {
  MergeTexts merges;
  bool any = false;
  bool in_pairs = false;
  std::string left;
  json.array([&] {
    const bool pair = json.peek() == JsonReader::Kind::array;
    require(!any || pair == in_pairs, "merges in two forms");
    any = true;
    in_pairs = pair;
    if (!pair) {
      const auto both = json.string();
      const auto space = both.find(' ');
      require(space != std::string_view::npos && both.find(' ', space + 1) == std::string_view::npos, "a merge of two");
      merges.add(both.substr(0, space), both.substr(space + 1));
      return;
    }
    int count = 0;
    json.array([&] {
      const auto token = json.string();
      if (++count == 1) left = token;
      if (count == 2) merges.add(left, token);
    });
    require(count == 2, "a merge of two");
  });
  return merges;
}

MergesAhead::MergesAhead(std::string_view tokenizer_json) {
  if (tokenizer_json.size() >= kLarge) found_ = beside([tokenizer_json] { return find(tokenizer_json); });
}

std::optional<MergesAhead::Found> MergesAhead::find(std::string_view tokenizer_json) {
  const char* begin = find_array(tokenizer_json);
  if (begin == nullptr) return std::nullopt;
  JsonReader json({begin, static_cast<std::size_t>(tokenizer_json.data() + tokenizer_json.size() - begin)});
  try {
    auto texts = read_merges(json);
    return Found{begin, json.at(), std::move(texts)};
  } catch (const Unserved&) {
    return std::nullopt;  // they are read again in place, if they count
  }
}

MergeTexts MergesAhead::read(JsonReader& json) {
  if (found_.valid()) {
    auto found = found_.get();
    if (found && found->begin == json.at()) {
      json.go_to(found->end);
      return std::move(found->texts);
    }
  }
  return read_merges(json);
}

}  // namespace punie::tokenizer
