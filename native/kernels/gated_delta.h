#pragma once

#include <cstdint>

namespace punie::kernels {

/// The gated delta rule (Yang et al., 2024) over consecutive tokens of one sequence, for one value head.
///
/// With a head's state S [key_dim, value_dim], a token's key k, value v, query q, decay g and strength b:
///   S = g S;  S = S + k ((v - Sᵀk) b)ᵀ;  y = Sᵀq
struct GatedDelta {
  int64_t key_heads;
  int64_t value_heads;  // a multiple of key_heads; value head h uses key head h / (value_heads / key_heads)
  int64_t key_dim;
  int64_t value_dim;

  /// Columns of the state that are worked on together: a state lies in blocks of them, [key_dim][block_values].
  static constexpr int64_t block_values = 16;
  int64_t blocks() const { return (value_dim + block_values - 1) / block_values; }
  /// Floats of the states of all heads.
  int64_t state_floats() const { return value_heads * blocks() * key_dim * block_values; }
};

/// The inputs of consecutive tokens, a row each.
struct GatedDeltaInputs {
  const float* q;  // [rows][stride]: key_heads * key_dim in use
  const float* k;
  const float* v;      // [rows][stride]: value_heads * value_dim in use
  int64_t stride;      // of q, k and v
  const float* decay;  // [rows][value_heads]
  const float* strength;
  int64_t rows;
};

/// Runs a block of columns of one head: from `state` to `next`, all heads' states, and into y[rows][value_heads *
/// value_dim]. `next` may be `state`.
void gated_delta(const GatedDelta& shape, const GatedDeltaInputs& inputs, int64_t head, int64_t block,
                 const float* state, float* next, float* y);

/// exp(-exp(a_log) softplus(a + dt_bias)), a head's decay.
float gated_delta_decay(float a_log, float a, float dt_bias);

/// y[channels] = silu(sum over taps of weight[tap][channels] * inputs[tap][channels]): a token of a causal convolution
/// of each channel by itself, given the rows of the last `taps` tokens.
void causal_convolution(const float* const* inputs, const float* weight, int64_t taps, int64_t channels, float* y);

}  // namespace punie::kernels
