// Fuzzes the addon's tokenizer: an input is tokenizer.json, tokenizer_config.json and a text, with 0xff between them.
// A file is served or refused with tokenizer::Unserved; a text has ids that the vocabulary has.

#include "tokenizer/tokenizer.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include "error.h"
#include "tokenizer/unserved.h"

namespace {

using namespace punie::tokenizer;

/// The input up to the next 0xff, which no JSON text has; in memory of its own, so that a sanitizer sees a step over
/// its end.
std::vector<char> next_part(std::string_view& rest) {
  const auto end = rest.find('\xff');
  const auto part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return {part.begin(), part.end()};
}

void require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

void check_table(const TokenTable& table) {
  require(table.offsets.size() == table.flags.size() + 1, "one offset more than flags");
  for (std::size_t id = 0; id < table.flags.size(); ++id) {
    require(table.offsets[id] <= table.offsets[id + 1], "offsets that rise");
  }
  require(table.offsets.back() == table.bytes.size(), "offsets that end with the bytes");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::atomic<bool> go_on{false};
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto json = next_part(rest);
  const auto config = next_part(rest);
  const auto text = next_part(rest);
  try {
    TokenTable table;
    const auto config_view =
        config.empty() ? std::nullopt : std::optional(std::string_view(config.data(), config.size()));
    const Tokenizer tokenizer({json.data(), json.size()}, config_view, table);
    check_table(table);
    for (const bool special : {false, true}) {
      for (const auto id : tokenizer.encode(std::string(text.begin(), text.end()), {special, special}, go_on)) {
        require(id < table.flags.size() && (table.flags[id] & TokenTable::kPresent) != 0, "ids that have a token");
      }
    }
    tokenizer.split({text.data(), text.size()});
  } catch (const Unserved&) {
  } catch (const punie::Error& error) {
    require(error.code() == "INVALID_OPTION", "no code but INVALID_OPTION");
  }
  return 0;
}
