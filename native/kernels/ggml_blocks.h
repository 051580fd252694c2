#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace punie::kernels {

/// Quantized types of GGUF files. The layouts are those of GGML's public format: blocks of 32 values with one or two
/// float16 scales, and the K types' blocks of 256 with scales of their own for every 16 or 32 values.
enum class GgmlType { q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k };

/// By the name that GGUF tools print, such as "Q4_K".
std::optional<GgmlType> parse_ggml_type(std::string_view name);

struct GgmlBlock {
  std::int64_t values;
  std::int64_t bytes;
};
GgmlBlock block_of(GgmlType type);

/// The values of `blocks` blocks as float32.
void ggml_values(GgmlType type, const void* from, std::int64_t blocks, float* values);

/// Bits of the affine groups of 32 that a type's values are carried over into.
int carried_bits(GgmlType type);

/// What carrying over came to.
struct CarryOutcome {
  enum class Fault { none, not_finite, overflow };
  Fault fault = Fault::none;
  /// Sums over all values of the squared change, and of the squared value. 0 and 0 for a type that is carried exactly.
  double error_squares = 0;
  double value_squares = 0;
};

/// Blocks as MLX's affine groups of 32: `scale * q + bias`, q packed from the lowest bits up, scales and biases in
/// float16. Types of one scale in 32 values keep their q: exactly where the scales are float16 (Q4_0, Q4_1, Q5_0, Q5_1,
/// Q8_0), else with scales rounded to it (Q4_K, Q5_K). Of those with a scale in 16 the values are rounded anew.
/// `weight` gets 4 bytes for each bit of each group, `scales` and `biases` one number for each group.
CarryOutcome carry_over(GgmlType type, const void* from, std::int64_t blocks, void* weight, std::uint16_t* scales,
                        std::uint16_t* biases);

}  // namespace punie::kernels
