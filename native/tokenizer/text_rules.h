#pragma once

#include <string>
#include <vector>

#include "tokenizer/json_reader.h"
#include "tokenizer/word_splitter.h"

namespace punie::tokenizer {

/// Readers of tokenizer.json's small parts, which say how text is prepared. Each throws `Unserved` for what is not one
/// of the served forms.

/// `normalizer`: true for NFC, false for none.
bool read_normalizer(JsonReader& json);
/// `pre_tokenizer`.
SplitRule read_pre_tokenizer(JsonReader& json);
/// `decoder`: ByteLevel alone is served.
void read_decoder(JsonReader& json);
/// `post_processor`: what it puts before and after a text is appended.
void read_post_processor(JsonReader& json, std::vector<std::string>& first, std::vector<std::string>& last);

}  // namespace punie::tokenizer
