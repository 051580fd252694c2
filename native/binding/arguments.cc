#include "binding/arguments.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "error.h"

namespace punie::binding {

namespace {

constexpr std::int64_t kMostSafe = (std::int64_t{1} << 53) - 1;
constexpr std::int64_t kMostDimension = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kMostThreads = 1024;
constexpr std::int64_t kMostLogprobs = 1024;

[[noreturn]] void invalid(const std::string& name, const std::string& expected) {
  throw Error("INVALID_OPTION", name + " must be " + expected + ".");
}

double to_number(const Napi::Value& value, const char* name) {
  if (!value.IsNumber()) invalid(name, "a number");
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!std::isfinite(number)) invalid(name, "finite");
  return number;
}

std::int64_t integer(const Napi::Object& object, const char* name, std::int64_t least, std::int64_t most) {
  return to_integer(object.Get(name), name, least, most);
}

/// A double beyond float's range has no defined conversion: the nearest float stands for it.
float to_float(double value) {
  constexpr double kMost = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(value, -kMost, kMost));
}

float number(const Napi::Object& object, const char* name) { return to_float(to_number(object.Get(name), name)); }

float number_or(const Napi::Object& object, const char* name, float otherwise) {
  return object.Get(name).IsUndefined() ? otherwise : number(object, name);
}

bool boolean_or(const Napi::Object& object, const char* name, bool otherwise) {
  const auto value = object.Get(name);
  if (value.IsUndefined()) return otherwise;
  if (!value.IsBoolean()) invalid(name, "true or false");
  return value.As<Napi::Boolean>().Value();
}

std::string text(const Napi::Object& object, const char* name) {
  const auto value = object.Get(name);
  if (!value.IsString()) invalid(name, "a string");
  return value.As<Napi::String>().Utf8Value();
}

Napi::Object object_of(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) invalid(name, "an object");
  return value.As<Napi::Object>();
}

Napi::Array array_of(const Napi::Object& object, const char* name) {
  const auto value = object.Get(name);
  if (!value.IsArray()) invalid(name, "an array");
  return value.As<Napi::Array>();
}

nn::RopeConfig read_rope(const Napi::Object& config) {
  using Type = nn::RopeScaling::Type;
  const std::map<std::string, Type> types{
      {"linear", Type::linear}, {"dynamic", Type::dynamic}, {"llama3", Type::llama3}, {"yarn", Type::yarn}};
  nn::RopeConfig rope;
  rope.dimensions = static_cast<int>(integer(config, "ropeDimensions", 1, kMostDimension));
  rope.theta = number(config, "ropeTheta");
  rope.traditional = boolean_or(config, "ropeTraditional", false);
  rope.max_position_embeddings = integer(config, "maxPositionEmbeddings", 1, kMostDimension);
  const auto value = config.Get("ropeScaling");
  if (value.IsUndefined()) return rope;
  const auto scaling = object_of(value, "ropeScaling");
  const auto type = types.find(text(scaling, "type"));
  if (type == types.end()) invalid("ropeScaling.type", "'linear', 'dynamic', 'llama3' or 'yarn'");
  nn::RopeScaling read;
  read.type = type->second;
  read.factor = number(scaling, "factor");
  const auto field = [&](const char* name, float& target) { target = number_or(scaling, name, target); };
  field("lowFreqFactor", read.low_freq_factor);
  field("highFreqFactor", read.high_freq_factor);
  field("originalMaxPositionEmbeddings", read.original_max_position_embeddings);
  field("betaFast", read.beta_fast);
  field("betaSlow", read.beta_slow);
  field("mscale", read.mscale);
  field("mscaleAllDim", read.mscale_all_dim);
  rope.scaling = read;
  return rope;
}

std::vector<models::LayerType> read_layer_types(const Napi::Array& array) {
  std::vector<models::LayerType> types;
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const auto value = array.Get(i);
    const auto name = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
    if (name == "full_attention") {
      types.push_back(models::LayerType::full_attention);
    } else if (name == "sliding_attention") {
      types.push_back(models::LayerType::sliding_attention);
    } else if (name == "linear_attention") {
      types.push_back(models::LayerType::linear_attention);
    } else {
      invalid("layerTypes", "a list of names of layer types");
    }
  }
  return types;
}

models::ExpertsConfig read_experts(const Napi::Object& object) {
  models::ExpertsConfig experts;
  experts.num_experts = integer(object, "count", 1, kMostDimension);
  experts.num_experts_per_tok = integer(object, "perToken", 1, kMostDimension);
  experts.moe_intermediate_size = integer(object, "intermediateSize", 1, kMostDimension);
  experts.shared_expert_intermediate_size = integer(object, "sharedIntermediateSize", 0, kMostDimension);
  experts.norm_topk_prob = boolean_or(object, "normalizeShares", false);
  const auto layers = array_of(object, "layers");
  for (std::uint32_t i = 0; i < layers.Length(); ++i) {
    const auto value = layers.Get(i);
    if (!value.IsBoolean()) invalid("experts.layers", "a list of true and false");
    experts.layers.push_back(value.As<Napi::Boolean>().Value());
  }
  return experts;
}

models::ModelConfig read_config(const Napi::Object& object) {
  models::ModelConfig config;
  const auto size = [&](const char* name) { return integer(object, name, 1, kMostDimension); };
  config.model_type = text(object, "modelType");
  config.hidden_size = size("hiddenSize");
  config.num_hidden_layers = size("hiddenLayers");
  config.intermediate_size = size("intermediateSize");
  config.num_attention_heads = size("attentionHeads");
  config.num_key_value_heads = size("keyValueHeads");
  config.head_dim = size("headDim");
  config.vocab_size = size("vocabSize");
  config.max_position_embeddings = size("maxPositionEmbeddings");
  config.rms_norm_eps = number(object, "rmsNormEps");
  config.tie_word_embeddings = boolean_or(object, "tieWordEmbeddings", false);
  config.attention_bias = boolean_or(object, "attentionBias", false);
  config.mlp_bias = boolean_or(object, "mlpBias", false);
  config.headless = boolean_or(object, "headless", false);
  config.layer_types.assign(static_cast<std::size_t>(config.num_hidden_layers), models::LayerType::full_attention);
  if (const auto value = object.Get("layerTypes"); !value.IsUndefined()) {
    config.layer_types = read_layer_types(array_of(object, "layerTypes"));
  }
  if (const auto value = object.Get("slidingWindow"); !value.IsUndefined())
    config.sliding_window = size("slidingWindow");
  config.rope = read_rope(object);
  if (const auto value = object.Get("linearAttention"); !value.IsUndefined()) {
    const auto linear = object_of(value, "linearAttention");
    const auto linear_size = [&](const char* name) { return integer(linear, name, 1, kMostDimension); };
    config.linear_attention = {linear_size("keyHeads"), linear_size("valueHeads"), linear_size("keyHeadDim"),
                               linear_size("valueHeadDim"), linear_size("convKernelSize")};
  }
  if (const auto value = object.Get("experts"); !value.IsUndefined()) {
    config.experts = read_experts(object_of(value, "experts"));
  }
  return config;
}

kernels::QuantizationMode read_mode(const std::string& name) {
  using Mode = kernels::QuantizationMode;
  for (const auto mode : {Mode::affine, Mode::mxfp4, Mode::mxfp8, Mode::nvfp4}) {
    if (name == nn::name_of(mode)) return mode;
  }
  invalid("quantization mode", "'affine', 'mxfp4', 'mxfp8' or 'nvfp4'");
}

nn::QuantizationTable read_quantization(const Napi::Object& object) {
  nn::QuantizationTable table;
  const auto layers = object_of(object.Get("layers"), "quantization.layers");
  // A name for each of their elements would be made first.
  if (layers.IsArray() || layers.IsTypedArray()) invalid("quantization.layers", "an object of names");
  const auto names = layers.GetPropertyNames();
  for (std::uint32_t i = 0; i < names.Length(); ++i) {
    const auto name = names.Get(i).As<Napi::String>().Utf8Value();
    const auto value = layers.Get(name);
    if (value.IsBoolean()) {
      table.layers[name] = std::nullopt;
      continue;
    }
    const auto row = object_of(value, "quantization.layers[...]");
    table.layers[name] =
        nn::Quantization{static_cast<int>(integer(row, "bits", 1, 32)),
                         static_cast<int>(integer(row, "groupSize", 1, kMostDimension)), read_mode(text(row, "mode"))};
  }
  return table;
}

io::TensorInfo read_tensor(const Napi::Object& object) {
  io::TensorInfo tensor;
  tensor.name = text(object, "name");
  tensor.file = static_cast<std::size_t>(integer(object, "file", 0, kMostDimension));
  tensor.dtype = io::parse_dtype(text(object, "dtype"));
  tensor.offset = static_cast<std::size_t>(integer(object, "offset", 0, kMostSafe));
  tensor.bytes = static_cast<std::size_t>(integer(object, "bytes", 0, kMostSafe));
  const auto shape = array_of(object, "shape");
  for (std::uint32_t i = 0; i < shape.Length(); ++i) {
    tensor.shape.push_back(to_integer(shape.Get(i), "shape", 0, kMostDimension));
  }
  return tensor;
}

std::vector<std::int32_t> read_ids(const Napi::Array& array, const char* name, std::int64_t vocabulary) {
  std::vector<std::int32_t> ids;
  ids.reserve(room_for(array));
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    ids.push_back(static_cast<std::int32_t>(to_integer(array.Get(i), name, 0, vocabulary - 1)));
  }
  return ids;
}

engine::Sampling read_sampling(const Napi::Object& object, std::int64_t vocabulary) {
  engine::Sampling sampling;
  sampling.temperature = number(object, "temperature");
  sampling.top_p = number(object, "topP");
  sampling.top_k = integer(object, "topK", 0, kMostSafe);
  sampling.min_p = number(object, "minP");
  sampling.repetition_penalty = number(object, "repetitionPenalty");
  sampling.repetition_context = integer(object, "repetitionContext", 0, kMostSafe);
  sampling.presence_penalty = number(object, "presencePenalty");
  sampling.frequency_penalty = number(object, "frequencyPenalty");
  sampling.seed = static_cast<std::uint64_t>(integer(object, "seed", 0, kMostSafe));
  if (sampling.temperature < 0) invalid("temperature", "0 or more");
  if (sampling.top_p <= 0 || sampling.top_p > 1) invalid("topP", "above 0 and at most 1");
  if (sampling.min_p < 0 || sampling.min_p > 1) invalid("minP", "from 0 to 1");
  if (sampling.repetition_penalty <= 0) invalid("repetitionPenalty", "above 0");
  const auto bias = array_of(object, "logitBias");
  for (std::uint32_t i = 0; i < bias.Length(); ++i) {
    const auto pair = object_of(bias.Get(i), "logitBias");
    sampling.logit_bias.emplace_back(
        static_cast<std::int32_t>(to_integer(pair.Get(0u), "logitBias id", 0, vocabulary - 1)),
        to_float(to_number(pair.Get(1u), "logitBias value")));
  }
  return sampling;
}

/// What is asked of the prompt besides an answer, and with which adapter.
void read_tasks(const Napi::Object& object, std::int64_t vocabulary, engine::Request& request) {
  if (!object.Get("promptLogprobs").IsUndefined()) {
    request.prompt_logprobs = integer(object, "promptLogprobs", -1, kMostLogprobs);
  }
  if (!object.Get("pooling").IsUndefined()) {
    const auto pooling = text(object, "pooling");
    if (pooling != "last" && pooling != "mean") invalid("pooling", "'last' or 'mean'");
    request.pooling = pooling == "last" ? engine::Pooling::last : engine::Pooling::mean;
  }
  if (!object.Get("adapter").IsUndefined()) request.adapter = integer(object, "adapter", 1, kMostSafe);
  if (!object.Get("scoreIds").IsUndefined()) {
    request.score_ids = read_ids(array_of(object, "scoreIds"), "scoreIds", vocabulary);
  }
}

}  // namespace

std::int64_t to_integer(const Napi::Value& value, const char* name, std::int64_t least, std::int64_t most) {
  const double number = to_number(value, name);
  if (number != std::floor(number) || number < static_cast<double>(least) || number > static_cast<double>(most)) {
    invalid(name, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return static_cast<std::int64_t>(number);
}

Napi::Function read_function(const Napi::Object& object, const char* name) {
  const auto value = object.Get(name);
  if (!value.IsFunction()) invalid(name, "a function");
  return value.As<Napi::Function>();
}

engine::ModelSpec read_model_spec(const Napi::Object& spec) {
  engine::ModelSpec read;
  read.config = read_config(object_of(spec.Get("config"), "config"));
  const auto files = array_of(spec, "files");
  for (std::uint32_t i = 0; i < files.Length(); ++i) {
    const auto file = object_of(files.Get(i), "files");
    read.files.push_back({text(file, "path"), static_cast<std::size_t>(integer(file, "bytes", 0, kMostSafe))});
  }
  const auto tensors = array_of(spec, "tensors");
  read.tensors.reserve(room_for(tensors));
  for (std::uint32_t i = 0; i < tensors.Length(); ++i) {
    read.tensors.push_back(read_tensor(object_of(tensors.Get(i), "tensors")));
  }
  if (const auto value = spec.Get("quantization"); !value.IsUndefined()) {
    read.quantization = read_quantization(object_of(value, "quantization"));
  }
  return read;
}

engine::EngineOptions read_engine_options(const Napi::Object& options) {
  engine::EngineOptions read;
  const auto device = text(options, "device");
  if (device != "cpu" && device != "metal" && device != "cuda") invalid("device", "'cpu', 'metal' or 'cuda'");
  read.device = device == "cpu" ? engine::Device::cpu : engine::Device::gpu;
  read.threads = static_cast<int>(integer(options, "threads", 1, kMostThreads));
  read.context_length = integer(options, "contextLength", 1, kMostDimension);
  read.prefill_chunk = integer(options, "prefillChunk", 1, kMostDimension);
  read.stock_ops = boolean_or(options, "stockOps", false);
  if (!options.Get("cacheBytes").IsUndefined()) {
    read.most_cache_bytes = static_cast<std::size_t>(integer(options, "cacheBytes", 0, kMostSafe));
  }
  return read;
}

engine::AdapterSpec read_adapter_spec(const Napi::Object& spec) {
  engine::AdapterSpec read;
  read.id = integer(spec, "id", 1, kMostSafe);
  const auto file = object_of(spec.Get("file"), "file");
  read.file = {text(file, "path"), static_cast<std::size_t>(integer(file, "bytes", 0, kMostSafe))};
  const auto tensors = array_of(spec, "tensors");
  for (std::uint32_t i = 0; i < tensors.Length(); ++i) {
    read.tensors.push_back(read_tensor(object_of(tensors.Get(i), "tensors")));
  }
  const auto layers = array_of(spec, "layers");
  for (std::uint32_t i = 0; i < layers.Length(); ++i) {
    const auto layer = object_of(layers.Get(i), "layers");
    const auto magnitude = layer.Get("magnitude").IsUndefined() ? std::string() : text(layer, "magnitude");
    read.layers.push_back({text(layer, "path"), number(layer, "scale"), text(layer, "a"), text(layer, "b"), magnitude,
                           boolean_or(layer, "transposed", false)});
  }
  return read;
}

engine::Request read_request(const Napi::Object& request, std::int64_t vocabulary, std::int64_t context_length) {
  engine::Request read;
  read.id = integer(request, "id", 0, kMostSafe);
  const auto prompt = request.Get("prompt");
  if (!prompt.IsTypedArray() || prompt.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) {
    invalid("prompt", "a Uint32Array");
  }
  const auto ids = prompt.As<Napi::Uint32Array>();
  if (ids.ElementLength() == 0) invalid("prompt", "at least one token");
  if (static_cast<std::int64_t>(ids.ElementLength()) > context_length) {
    throw Error("CONTEXT_TOO_LONG", "The prompt has " + std::to_string(ids.ElementLength()) +
                                        " tokens, and the context takes " + std::to_string(context_length) + ".");
  }
  for (std::size_t i = 0; i < ids.ElementLength(); ++i) {
    // Read once: in shared memory another thread may write meanwhile.
    const std::int64_t id = ids[i];
    if (id >= vocabulary) invalid("prompt", "token ids below " + std::to_string(vocabulary));
    read.prompt.push_back(static_cast<std::int32_t>(id));
  }
  read.max_tokens = integer(request, "maxTokens", 0, kMostSafe);
  read.stop_ids = read_ids(array_of(request, "stopIds"), "stopIds", kMostDimension + 1);
  read.logprobs = integer(request, "logprobs", -1, kMostLogprobs);
  read_tasks(request, vocabulary, read);
  read.sampling = read_sampling(object_of(request.Get("sampling"), "sampling"), vocabulary);
  return read;
}

}  // namespace punie::binding
