#pragma once

#include "tokenizer/merge_table.h"
#include "tokenizer/merge_texts.h"
#include "tokenizer/vocabulary.h"

namespace punie::tokenizer {

/// The merges in ids; the vocabulary must be indexed. Many are looked up by two threads. Throws `Unserved` when a part,
/// or what the two make, is not in the vocabulary, in bytes, and for a pair that is there twice.
MergeTable find_merges(const MergeTexts& texts, const Vocabulary& vocabulary);

}  // namespace punie::tokenizer
