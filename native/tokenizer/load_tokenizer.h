#pragma once

#include <memory>
#include <string>

#include "tokenizer/tokenizer.h"

namespace punie::tokenizer {

/// Reads a model directory's tokenizer.json, and tokenizer_config.json if there is one. `table` is filled. Throws
/// `Unserved` for files that can't be read, are larger than any real one, or are none of the served forms.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& directory, TokenTable& table);

}  // namespace punie::tokenizer
