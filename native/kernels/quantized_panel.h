#pragma once
// What the quantized products of one and of many inputs share: the panel of weight rows that is at work.

#include <cstdint>

#include "quantized_matmul.h"
#include "rounded_inputs.h"

namespace punie::kernels {
namespace {

/// Asks memory for all lines of [at, at + bytes): files align nothing.
template <class V>
void prefetch_lines(const char* at, int64_t bytes) {
  const auto before = static_cast<int64_t>(reinterpret_cast<uintptr_t>(at) % line_bytes);
  for (int64_t byte = -before; byte < bytes; byte += line_bytes) V::prefetch(at + byte);
}

/// As many rows of a matrix as a vector has lanes, a row to a lane, with their scales and biases.
template <class V>
class QuantizedPanel {
  using Ints = typename V::Ints;
  using Floats = typename V::Floats;
  static constexpr int lanes = V::lanes;

 public:
  static int64_t scratch_floats(const InputLayout& layout) { return 2 * lanes * layout.groups; }

  QuantizedPanel(const QuantizedMatrix& w, const InputLayout& layout, const float* bias, float* y, float* scratch)
      : w_(w),
        layout_(layout),
        bias_(bias),
        y_(y),
        row_bytes_(w.cols * w.bits / 8),
        unit_bits_(layout.units > layout.groups ? 1 : 0),
        scales_(scratch),
        biases_(scratch + lanes * layout.groups) {}

  /// Goes to the rows [first, end), or as many as there are lanes.
  template <class Codes>
  void move_to(int64_t first, int64_t end) {
    first_row_ = first;
    rows_ = end - first < lanes ? end - first : lanes;
    load_scales<Codes>();
  }

  const QuantizedMatrix& matrix() const { return w_; }
  int64_t first_row() const { return first_row_; }
  int64_t row_bytes() const { return row_bytes_; }
  /// The weights of a row; beyond the matrix's end its last one again, whose results are not stored.
  const char* weights(int r) const {
    return static_cast<const char*>(w_.weight) + (first_row_ + (r < rows_ ? r : rows_ - 1)) * row_bytes_;
  }
  /// Where all weights end.
  const char* weights_end() const { return static_cast<const char*>(w_.weight) + w_.rows * row_bytes_; }

  /// The words of the panel's rows from `column` on: a row to a lane.
  template <class Codes>
  void transpose_words(int64_t column, int64_t words, uint32_t* to) const {
    constexpr int bits = Codes::bits;
    constexpr int64_t vector_bytes = int64_t{lanes} * (2 * Codes::pairs_of_word) * bits / 8;
    const char* end = weights_end();
    transpose_rows(weights(0) + column * bits / 8, row_bytes_, vector_bytes, words, to,
                   [&](const char* at, int64_t count) { return V::template load_words<bits>(at, count, end); });
  }

  /// Adds a unit to the total of one input.
  template <bool affine>
  void add_unit(Floats& total, Floats dot, int64_t unit, const float* scales, const float* sums, int64_t stride) const {
    total = V::fma(dot, V::multiply(scale(unit), V::set(scales[unit * stride])), total);
    if (ends_group<affine>(unit)) total = V::fma(bias(unit), V::set(sums[group_of(unit) * stride]), total);
  }
  int64_t group_of(int64_t unit) const { return unit >> unit_bits_; }
  Floats scale(int64_t unit) const { return V::load(scales_ + group_of(unit) * lanes); }
  Floats bias(int64_t unit) const { return V::load(biases_ + group_of(unit) * lanes); }
  /// After such a unit comes the bias times the group's inputs.
  template <bool affine>
  bool ends_group(int64_t unit) const {
    return affine && (unit_bits_ == 0 || unit % 2 == 1);
  }

  void store(Floats total, int64_t input) const {
    if (bias_ != nullptr) total = V::add(total, V::load_some(bias_ + first_row_, rows_));
    V::store_some(y_ + input * w_.rows + first_row_, total, rows_);
  }

 private:
  /// The panel's scales and biases: [groups][lanes].
  template <class Codes>
  void load_scales() {
    if constexpr (Codes::affine) {
      if (w_.scale_type == FloatType::bf16) load_affine<FloatType::bf16>();
      if (w_.scale_type == FloatType::f16) load_affine<FloatType::f16>();
      if (w_.scale_type == FloatType::f32) load_affine<FloatType::f32>();
    } else {
      const Floats factor = V::set(w_.scale_factor * Codes::step);
      const bool e4m3 = w_.mode == QuantizationMode::nvfp4;
      load_floats(w_.scales, 1, scales_, [&](const char* at, int64_t count, const char* end) {
        return V::multiply(e4m3 ? V::load_e4m3(at, count, end) : V::load_e8m0(at, count, end), factor);
      });
    }
  }
  template <FloatType type>
  void load_affine() {
    const auto load = [](const char* at, int64_t count, const char* end) {
      return V::template load_stored<type>(at, count, end);
    };
    load_floats(w_.scales, float_bytes(type), scales_, load);
    load_floats(w_.biases, float_bytes(type), biases_, load);
  }
  template <class Load>
  void load_floats(const void* array, int64_t bytes, float* to, Load load) {
    const int64_t row_size = layout_.groups * bytes;
    const char* begin = static_cast<const char*>(array);
    const char* end = begin + w_.rows * row_size;
    transpose_rows(begin + first_row_ * row_size, row_size, lanes * bytes, layout_.groups,
                   reinterpret_cast<uint32_t*>(to),
                   [&](const char* at, int64_t count) { return V::as_ints(load(at, count, end)); });
  }

  /// `count` words of each of the panel's rows, which begin at `first`, a row to a lane. `load` is given where a vector
  /// begins and how many words of it count: nearly always all, which compilers are shown.
  template <class Load>
  void transpose_rows(const char* first, int64_t row_bytes, int64_t vector_bytes, int64_t count, uint32_t* to,
                      Load load) const {
    const char* at[lanes];
#pragma GCC unroll 16
    for (int r = 0; r < lanes; ++r) at[r] = first + (r < rows_ ? r : rows_ - 1) * row_bytes;
    const auto transpose = [&](int64_t words) {
      Ints v[lanes];
#pragma GCC unroll 16
      for (int r = 0; r < lanes; ++r) {
        v[r] = load(at[r], words);
        at[r] += vector_bytes;
      }
      V::transpose(v, words, to);
      to += words * lanes;
    };
    for (; count >= lanes; count -= lanes) transpose(lanes);
    if (count > 0) transpose(count);
  }

  const QuantizedMatrix& w_;
  const InputLayout& layout_;
  const float* bias_;
  float* y_;
  int64_t row_bytes_;
  int unit_bits_;  // 1 where a group is two units, else 0
  float* scales_;  // [groups][lanes]
  float* biases_;  // [groups][lanes]

  int64_t first_row_ = 0;
  int64_t rows_ = 0;
};

}  // namespace
}  // namespace punie::kernels
