#include "tokenizer/text_rules.h"

#include <optional>
#include <string_view>

namespace punie::tokenizer {

namespace {

constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// A pre-tokenizer as it is written, with all its parts.
struct Step {
  std::optional<std::string> type;
  std::optional<std::string> pattern;
  std::optional<std::string> behavior;
  std::optional<bool> invert;
  std::optional<bool> individual_digits;
  std::optional<bool> add_prefix_space;
  std::optional<bool> use_regex;
  std::vector<Step> parts;
};

template <typename T>
void set_once(std::optional<T>& field, T value) {
  if (field) throw Unserved("a member is there twice");
  field = std::move(value);
}

Step read_step(JsonReader& json) {
  Step step;
  bool has_parts = false;
  json.object([&](std::string_view key) {
    if (key == "type") {
      set_once(step.type, std::string(json.string()));
    } else if (key == "behavior") {
      set_once(step.behavior, std::string(json.string()));
    } else if (key == "pattern") {
      json.object([&](std::string_view kind) {
        if (kind != "Regex") throw Unserved("a pattern that is no regular expression");
        set_once(step.pattern, std::string(json.string()));
      });
    } else if (key == "invert") {
      set_once(step.invert, json.boolean());
    } else if (key == "individual_digits") {
      set_once(step.individual_digits, json.boolean());
    } else if (key == "add_prefix_space") {
      set_once(step.add_prefix_space, json.boolean());
    } else if (key == "use_regex") {
      set_once(step.use_regex, json.boolean());
    } else if (key == "trim_offsets") {
      json.boolean();
    } else if (key == "pretokenizers" && !has_parts) {
      has_parts = true;
      json.array([&] { step.parts.push_back(read_step(json)); });
    } else {
      throw Unserved("pre_tokenizer: unknown member " + std::string(key));
    }
  });
  return step;
}

bool is_byte_level(const Step& step, bool use_regex) {
  return step.type == "ByteLevel" && !step.add_prefix_space.value_or(false) &&
         step.use_regex.value_or(true) == use_regex;
}

}  // namespace

bool read_normalizer(JsonReader& json) {
  if (json.peek() == JsonReader::Kind::null) {
    json.null();
    return false;
  }
  bool nfc = false;
  json.object([&](std::string_view key) {
    if (key != "type" || json.string() != "NFC") throw Unserved("normalizer: not NFC");
    nfc = true;
  });
  if (!nfc) throw Unserved("normalizer: no type");
  return true;
}

SplitRule read_pre_tokenizer(JsonReader& json) {
  const Step step = read_step(json);
  if (is_byte_level(step, true)) return SplitRule::gpt2;
  if (step.type == "Sequence" && step.parts.size() == 2) {
    const Step& first = step.parts[0];
    const Step& second = step.parts[1];
    if (first.type == "Digits" && first.individual_digits == true && is_byte_level(second, true)) {
      return SplitRule::smollm;
    }
    if (first.type == "Split" && first.behavior == "Isolated" && first.invert == false &&
        is_byte_level(second, false)) {
      if (first.pattern == kQwen2Pattern) return SplitRule::qwen2;
      if (first.pattern == kLlama3Pattern) return SplitRule::llama3;
    }
  }
  throw Unserved("pre_tokenizer: none of the known ones");
}

void read_decoder(JsonReader& json) {
  std::optional<std::string> type;
  json.object([&](std::string_view key) {
    if (key == "type") {
      set_once(type, std::string(json.string()));
    } else {
      json.skip();
    }
  });
  if (type != "ByteLevel") throw Unserved("decoder: not ByteLevel");
}

namespace {

/// A post-processor as it is written.
struct Processor {
  std::optional<std::string> type;
  bool has_single = false;
  bool has_parts = false;
  /// `single` of a template: special tokens before and after the text.
  std::vector<std::string> first;
  std::vector<std::string> last;
  bool has_text = false;
  std::vector<Processor> parts;
};

void read_piece(JsonReader& json, Processor& processor) {
  bool read = false;
  json.object([&](std::string_view key) {
    const bool token = key == "SpecialToken";
    if (read || (!token && key != "Sequence")) throw Unserved("post_processor: a piece of a template");
    read = true;
    std::optional<std::string> id;
    json.object([&](std::string_view name) {
      if (name == "id") {
        set_once(id, std::string(json.string()));
      } else {
        json.skip();
      }
    });
    if (token && id) {
      (processor.has_text ? processor.last : processor.first).push_back(*id);
    } else if (!token && id == "A" && !processor.has_text) {
      processor.has_text = true;
    } else {
      throw Unserved("post_processor: a piece of a template");
    }
  });
  if (!read) throw Unserved("post_processor: an empty piece of a template");
}

Processor read_processor(JsonReader& json) {
  Processor processor;
  json.object([&](std::string_view key) {
    if (key == "type") {
      set_once(processor.type, std::string(json.string()));
    } else if (key == "single" && !processor.has_single) {
      processor.has_single = true;
      json.array([&] { read_piece(json, processor); });
    } else if (key == "processors" && !processor.has_parts) {
      processor.has_parts = true;
      json.array([&] { processor.parts.push_back(read_processor(json)); });
    } else if (key == "single" || key == "processors") {
      throw Unserved("post_processor: a member is there twice");
    } else {
      json.skip();
    }
  });
  return processor;
}

void take_processor(const Processor& processor, std::vector<std::string>& first, std::vector<std::string>& last) {
  if (processor.type == "ByteLevel") return;
  if (processor.type == "TemplateProcessing" && processor.has_text && first.empty() && last.empty()) {
    first = processor.first;
    last = processor.last;
  } else if (processor.type == "Sequence") {
    for (const auto& part : processor.parts) take_processor(part, first, last);
  } else {
    throw Unserved("post_processor: none of the known ones");
  }
}

}  // namespace

void read_post_processor(JsonReader& json, std::vector<std::string>& first, std::vector<std::string>& last) {
  if (json.peek() == JsonReader::Kind::null) return json.null();
  take_processor(read_processor(json), first, last);
}

}  // namespace punie::tokenizer
