#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <string>

#include "check.h"
#include "tokenizer/find_merges.h"
#include "tokenizer/json_reader.h"
#include "tokenizer/unserved.h"
#include "tokenizer/word_merger.h"

namespace punie::tests {
namespace {

using namespace tokenizer;

const std::atomic<bool> kGoOn = false;

/// Byte `byte` in GPT-2's alphabet, as JSON.
std::string alphabet(int byte, int& next) {
  const bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  char text[16];
  std::snprintf(text, sizeof(text), "\\u%04x", printable ? byte : next++);
  return text;
}

/// A whole tokenizer.json: all bytes, a few merges, and every member that is read.
std::string small_file() {
  std::string vocabulary;
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary += '"' + alphabet(byte, next) + "\": " + std::to_string(byte) + ", ";
  }
  return R"({"version": "1.0", "truncation": null, "odd": [1, -2.5e+3, true, {"a": "\ud83d\ude00"}],
"added_tokens": [{"id": 300, "content": "<|end|>", "special": true, "lstrip": false, "normalized": false}],
"normalizer": {"type": "NFC"}, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|end|>"}},
{"Sequence": {"id": "A"}}]}, "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "dropout": null, "vocab": {)" +
         vocabulary +
         R"("ab": 256, "abab": 257, "aa": 258, "aaaa": 259, "文": 299}, "merges": ["a b", "ab ab", "a a", )" +
         R"("aa aa"], "ignore_merges": false}})";
}

/// True if the file is served; whatever it holds, nothing else than `Unserved` may come of it.
bool is_served(const std::string& json) {
  try {
    // A copy of the right size, so that a sanitizer sees a read past its end.
    const std::vector<char> bytes(json.begin(), json.end());
    TokenTable table;
    const Tokenizer tokenizer({bytes.data(), bytes.size()}, std::nullopt, table);
    tokenizer.encode("a<|end|>ab \xff\xe6\x96", {true, true}, kGoOn);
    return true;
  } catch (const Unserved&) {
    return false;
  }
}

const Test whole("a small tokenizer.json is served", [] {
  TokenTable table;
  const Tokenizer tokenizer(small_file(), R"({"added_tokens_decoder": {"301": {"content": "<x>", "special": true}}})",
                            table);
  const auto ids = tokenizer.encode("abab<|end|>a<x>", {true, true}, kGoOn);
  check(ids == std::vector<std::uint32_t>{300, 257, 300, 'a', 301}, "ids");
  check(tokenizer.special_ids() == std::vector<std::uint32_t>{300, 301}, "special ids");
  check(table.flags.size() == 302 && table.flags[298] == 0 && table.flags[299] == TokenTable::kPresent, "flags");
  const auto bytes = [&](std::uint32_t id) {
    return table.bytes.substr(table.offsets[id], table.offsets[id + 1] - table.offsets[id]);
  };
  check(bytes(257) == "abab" && bytes(10) == "\n" && bytes(299) == "文" && bytes(301) == "<x>", "bytes");
});

const Test cut("a tokenizer.json cut short anywhere is refused", [] {
  const auto file = small_file();
  for (std::size_t length = 0; length < file.size(); ++length) check(!is_served(file.substr(0, length)), "served");
  check(is_served(file), "the whole file");
});

const Test mutated("a tokenizer.json with random damage is served or refused, and nothing else", [] {
  const auto file = small_file();
  Random random(5);
  int served = 0;
  constexpr int kTries = 20'000;
  for (int i = 0; i < kTries; ++i) {
    auto damaged = file;
    for (auto left = 1 + random.bits() % 3; left > 0; --left) {
      const auto at = random.bits() % damaged.size();
      const auto length = std::min<std::size_t>(1 + random.bits() % 12, damaged.size() - at);
      switch (random.bits() % 4) {
        case 0:
          damaged[at] = static_cast<char>(random.bits());
          break;
        case 1:
          damaged[at] = "{}[]\",:\\0-e.tfn"[random.bits() % 15];
          break;
        case 2:
          damaged.erase(at, length);
          break;
        default:
          damaged.insert(at, damaged.substr(random.bits() % damaged.size(), length));
      }
    }
    served += is_served(damaged) ? 1 : 0;
  }
  check(served > 0 && served < kTries, std::to_string(served) + " of the files were served");
});

/// Large enough for its merges to be read by a thread beside.
std::string large(std::string file) { return file.insert(1, std::string(std::size_t{1} << 20, ' ')); }

const Test ahead("the merges of a large tokenizer.json are those of its model", [] {
  const auto file = small_file();
  const auto change = [&](const std::string& old, const std::string& now) {
    auto changed = file;
    return large(changed.replace(changed.find(old), old.size(), now));
  };
  const std::pair<std::string, std::string> cases[] = {
      {"as it is", large(file)},
      {"others before", change(R"("odd": [)", R"("odder": {"merges": ["a ab"]}, "odd": [)")},
      {"none before", change(R"("odd": [)", R"("odder": {"merges": [1]}, "odd": [)")},
      {"a token of that name", change(R"("ab": 256)", R"("ab": 256, "merges": 260)")},
      {"before the vocabulary",
       change(R"("dropout": null,)", R"("dropout": null, "merges" : ["a b", "ab ab", "a a", "aa aa"],)")},
  };
  for (const auto& [name, json] : cases) {
    auto text = json;
    if (name == "before the vocabulary") {
      const auto second = text.rfind(R"(, "merges":)");
      text.erase(second, text.find(']', second) + 1 - second);
    }
    TokenTable table;
    const Tokenizer tokenizer(text, std::nullopt, table);
    check(tokenizer.encode("ababaaaab", {}, kGoOn) == std::vector<std::uint32_t>{257, 258, 'a', 256}, name);
  }
  const auto whole = large(file);
  for (std::size_t cut = 1; cut < 80; cut += 6) {
    check(!is_served(whole.substr(0, whole.size() - cut)), "cut by " + std::to_string(cut));
  }
  check(!is_served(change("aa aa", "aa ac")), "a merge of no token");
  check(!is_served(change("aa aa", "aa\", \"aa")), "a merge of one");
});

const Test many_merges("many merges are found by two threads as by one", [] {
  Vocabulary vocabulary;
  MergeTexts texts;
  std::string letters;
  for (char c = '#'; c <= '~'; ++c) letters += c;
  std::uint32_t id = 0;
  for (const char c : letters) vocabulary.add({&c, 1}, id++);
  // Pairs, and longer tokens of several lengths, of which the last differ in their last byte alone.
  std::vector<std::pair<std::string, std::string>> merges;
  for (const char a : letters)
    for (const char b : letters) merges.emplace_back(std::string(1, a), std::string(1, b));
  for (const std::string head : {"ab", "abab", "abababab", "abababababababab"}) {
    if (head.size() > 2) merges.emplace_back(head.substr(head.size() / 2), head.substr(head.size() / 2));
    for (const char c : letters) merges.emplace_back(head, std::string(1, c));
  }
  for (const auto& [left, right] : merges) {
    vocabulary.add(left + right, id++);
    texts.add(left, right);
  }
  vocabulary.index();
  check(merges.size() > 8192, "too few for two threads");
  const auto table = find_merges(texts, vocabulary);
  for (std::uint32_t rank = 0; rank < merges.size(); ++rank) {
    const auto found = table.find(vocabulary.find(merges[rank].first), vocabulary.find(merges[rank].second));
    check(found.rank == rank && found.token == letters.size() + rank, "merge " + std::to_string(rank));
  }
  check(vocabulary.find("abababababababa") == Vocabulary::kNone && vocabulary.find("") == Vocabulary::kNone, "none");

  for (const std::size_t missing : {merges.size() / 4, merges.size() - 1}) {
    MergeTexts broken;
    for (std::size_t i = 0; i < merges.size(); ++i) broken.add(merges[i].first, i < missing ? merges[i].second : "!");
    try {
      find_merges(broken, vocabulary);
      check(false, "a merge of no token was found");
    } catch (const Unserved& unserved) {
      check(unserved.what() == "merge " + std::to_string(missing) + " names no token", unserved.what());
    }
  }
});

const Test nested("JSON nested without end is refused", [] {
  for (const std::string open : {"[", "{\"a\":"}) {
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += open;
    try {
      JsonReader(text).skip();
    } catch (const Unserved&) {
      continue;
    }
    check(false, "read");
  }
});

/// By the definition: the best pair of all, again and again.
std::vector<std::uint32_t> merge_slowly(const std::string& word, const MergeTable& merges) {
  std::vector<std::uint32_t> ids;
  for (const char c : word) ids.push_back(static_cast<unsigned char>(c));
  while (true) {
    std::size_t best = 0;
    MergeTable::Merge merge;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found = merges.find(ids[i], ids[i + 1]);
      if (found.rank < merge.rank) {
        merge = found;
        best = i;
      }
    }
    if (merge.rank == MergeTable::kNone) return ids;
    ids[best] = merge.token;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

const Test merging("words of any length are merged by rank, leftmost first", [] {
  Random random(9);
  for (int table = 0; table < 20; ++table) {
    // Pairs in no order that a trainer would give: a merge may make a pair that goes before it.
    std::vector<MergeTable::Pair> pairs;
    for (std::uint32_t token = 256; token < 286; ++token) {
      const auto any = [&] { return random.bits() % 2 == 0 ? 'a' + random.bits() % 3 : 256 + random.bits() % 30; };
      const MergeTable::Pair pair{any(), any(), token};
      const auto same = [&](const auto& other) { return other.left == pair.left && other.right == pair.right; };
      if (std::ranges::none_of(pairs, same)) pairs.push_back(pair);
    }
    const MergeTable merges(pairs);
    ByteTokens bytes;
    for (std::uint32_t i = 0; i < 256; ++i) bytes[i] = i;
    WordMerger merger(bytes, merges, kGoOn);
    for (const std::size_t length : {1, 2, 3, 7, 47, 48, 49, 50, 200, 1000}) {
      std::string word;
      while (word.size() < length) word += static_cast<char>('a' + random.bits() % 3);
      std::vector<std::uint32_t> ids;
      merger.append_ids(word, ids);
      check(ids == merge_slowly(word, merges), "length " + std::to_string(length));
    }
  }
});

}  // namespace
}  // namespace punie::tests
