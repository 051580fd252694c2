#pragma once

#include <future>
#include <optional>
#include <string_view>

#include "tokenizer/json_reader.h"
#include "tokenizer/merge_texts.h"

namespace punie::tokenizer {

/// Reads the array of merges of a tokenizer.json; in the older form a merge is one text, with a space between the two.
/// Throws `Unserved`.
MergeTexts read_merges(JsonReader& json);

/// Reads a large tokenizer.json's merges on a thread beside while what comes before them is read. It begins where they
/// seem to be; whether they are there is for the reader of the whole file to say.
class MergesAhead {
 public:
  /// The text must outlive this.
  explicit MergesAhead(std::string_view tokenizer_json);

  /// The merges that are next in `json`, which is past them then. Throws `Unserved`.
  MergeTexts read(JsonReader& json);

 private:
  struct Found {
    const char* begin;
    const char* end;
    MergeTexts texts;
  };

  static std::optional<Found> find(std::string_view tokenizer_json);

  std::future<std::optional<Found>> found_;
};

}  // namespace punie::tokenizer
