#include <cmath>

#include "float_load_avx2.h"
#include "int16_matmul.h"

namespace punie::kernels {
namespace {

/// How far ahead of its use a weight is asked of memory: what the CPU's own prefetcher does not reach across rows.
constexpr int64_t prefetch_bytes = 4096;

/// The 64 weights of a block as four vectors of 16-bit values. `source` says where a block's column goes in them, so
/// that the inputs are laid out to match.
template <int bits>
struct Unpack;

template <>
struct Unpack<4> {
  static constexpr int64_t bytes = 32;
  /// Lane j of vector k: nibble k of the j-th 16 bits.
  static constexpr int source(int k, int j) { return 4 * j + k; }

  static void run(const char* at, __m256i (&w)[4]) {
    const __m256i mask = _mm256_set1_epi16(15);
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
    w[0] = _mm256_and_si256(v, mask);
    w[1] = _mm256_and_si256(_mm256_srli_epi16(v, 4), mask);
    w[2] = _mm256_and_si256(_mm256_srli_epi16(v, 8), mask);
    w[3] = _mm256_srli_epi16(v, 12);
  }
};

template <>
struct Unpack<8> {
  static constexpr int64_t bytes = 64;
  /// Vectors 0 and 1: the even and odd bytes of the first 32; 2 and 3 of the second.
  static constexpr int source(int k, int j) { return k / 2 * 32 + 2 * j + k % 2; }

  static void run(const char* at, __m256i (&w)[4]) {
    const __m256i mask = _mm256_set1_epi16(255);
    for (int half = 0; half < 2; ++half) {
      const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 32 * half));
      w[2 * half] = _mm256_and_si256(v, mask);
      w[2 * half + 1] = _mm256_srli_epi16(v, 8);
    }
  }
};

/// Adds one block's products to `total`: the sums of pairs are exact, below 2^28, and only then become floats.
/// `scales`: of this block on, weight's times input's; two a block if `halves`, which are groups of 32.
template <int bits, bool halves>
__m256 add_block(__m256 total, const __m256i (&w)[4], const __m256i* x, const float* scales) {
  const __m256i first = _mm256_add_epi32(_mm256_madd_epi16(w[0], x[0]), _mm256_madd_epi16(w[1], x[1]));
  const __m256i second = _mm256_add_epi32(_mm256_madd_epi16(w[2], x[2]), _mm256_madd_epi16(w[3], x[3]));
  if constexpr (halves && bits == 8) {
    total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(first), _mm256_broadcast_ss(scales), total);
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(second), _mm256_broadcast_ss(scales + 1), total);
  } else {
    const __m256 sum = _mm256_cvtepi32_ps(_mm256_add_epi32(first, second));
    if constexpr (!halves) return _mm256_fmadd_ps(sum, _mm256_broadcast_ss(scales), total);
    const __m256 pair = _mm256_castpd_ps(_mm256_broadcast_sd(reinterpret_cast<const double*>(scales)));
    return _mm256_fmadd_ps(sum, _mm256_permutevar8x32_ps(pair, _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1)), total);
  }
}

/// A row of the weights with what has been made of its scales and biases.
struct Row {
  const char* weights;
  float* scales;  // of each unit
  float* biases;  // of each group
};

/// The first `count` of eight lanes set.
__m256 first_lanes(int64_t count) {
  alignas(32) static constexpr int32_t ones_then_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_castsi256_ps(
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(ones_then_zeros + 8 - static_cast<int>(count))));
}

/// `count` floats and zeros up to a whole vector. `available`: how many may be read, `count` or more.
template <FloatType type>
void load_floats(const char* from, int64_t count, int64_t available, float* to) {
  constexpr int64_t bytes = type == FloatType::f32 ? 4 : 2;
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) _mm256_store_ps(to + i, load_eight<type>(from + i * bytes));
  if (i == count) return;
  // Into the next row and masked where there is one: a copy of odd length costs more than the rest of this function.
  const __m256 last = i + 8 <= available ? _mm256_and_ps(load_eight<type>(from + i * bytes), first_lanes(count - i))
                                         : load_some<type>(from + i * bytes, count - i);
  _mm256_store_ps(to + i, last);
}

/// Row `index`'s scales or biases.
void load_floats(const QuantizedMatrix& w, const Int16Input& input, const void* array, int64_t index, float* to) {
  const int64_t first = index * input.groups;
  const int64_t available = (w.rows - index) * input.groups;
  const char* from = static_cast<const char*>(array) + first * float_bytes(w.scale_type);
  if (w.scale_type == FloatType::f32) return load_floats<FloatType::f32>(from, input.groups, available, to);
  if (w.scale_type == FloatType::f16) return load_floats<FloatType::f16>(from, input.groups, available, to);
  load_floats<FloatType::bf16>(from, input.groups, available, to);
}

void load_row(const QuantizedMatrix& w, const Int16Input& input, int64_t index, Row& row) {
  row.weights = static_cast<const char*>(w.weight) + index * (w.cols * w.bits / 8);
  load_floats(w, input, w.scales, index, row.scales);
  load_floats(w, input, w.biases, index, row.biases);
  if (input.units == input.groups) return;
  // A group of 128 is two units of 64: from behind, so that no value is overwritten before it is read.
  for (int64_t unit = input.units - 1; unit >= 0; --unit) row.scales[unit] = row.scales[unit / 2];
}

/// The biases' share: the sum over groups of bias times sum of inputs, in eight lanes.
__m256 bias_total(const Row& row, const float* sums, int64_t groups) {
  __m256 total = _mm256_setzero_ps();
  for (int64_t g = 0; g < groups; g += 8) {
    total = _mm256_fmadd_ps(_mm256_load_ps(row.biases + g), _mm256_load_ps(sums + g), total);
  }
  return total;
}

/// `rows` x `inputs` elements of y. Each is one chain of additions over the blocks, so it does not depend on which
/// others are computed beside it.
template <int bits, bool halves, int rows, int inputs>
void multiply_tile(const QuantizedMatrix& w, const Int16Input& input, const Row* tile, const float* rounded,
                   float* products, const float* bias, float* y, int64_t first_row) {
  const int64_t stride = Int16Input::padded(input.units);
  const __m256i* x[inputs];
  __m256 totals[rows][inputs];
  for (int i = 0; i < inputs; ++i) {
    const float* at = rounded + i * input.floats;
    x[i] = reinterpret_cast<const __m256i*>(at);
    for (int r = 0; r < rows; ++r) {
      float* product = products + (r * inputs + i) * stride;
      for (int64_t u = 0; u < input.units; u += 8) {
        _mm256_store_ps(product + u,
                        _mm256_mul_ps(_mm256_load_ps(tile[r].scales + u), _mm256_load_ps(at + input.scales + u)));
      }
      totals[r][i] = bias_total(tile[r], at + input.sums, input.groups);
    }
  }
  constexpr int scales_of_block = halves ? 2 : 1;
  const int64_t blocks = w.cols / int16_block;
  for (int64_t b = 0; b < blocks; ++b) {
    __m256i weights[rows][4];
    for (int r = 0; r < rows; ++r) {
      const char* at = tile[r].weights + b * Unpack<bits>::bytes;
      _mm_prefetch(at + prefetch_bytes, _MM_HINT_T0);
      Unpack<bits>::run(at, weights[r]);
    }
    for (int i = 0; i < inputs; ++i) {
      for (int r = 0; r < rows; ++r) {
        totals[r][i] = add_block<bits, halves>(totals[r][i], weights[r], x[i] + 4 * b,
                                               products + (r * inputs + i) * stride + b * scales_of_block);
      }
    }
  }
  for (int i = 0; i < inputs; ++i) {
    for (int r = 0; r < rows; ++r) {
      const float sum = sum_lanes(totals[r][i]);
      const int64_t row = first_row + r;
      y[i * w.rows + row] = bias ? sum + bias[row] : sum;
    }
  }
}

/// A tile's rows against all inputs of a block.
template <int bits, bool halves, int rows>
void multiply_rows(const QuantizedMatrix& w, const Int16Input& input, const Row* tile, const float* rounded, int64_t n,
                   float* products, const float* bias, float* y, int64_t first_row) {
  int64_t i = 0;
  for (; i + int16_tile_inputs <= n; i += int16_tile_inputs) {
    multiply_tile<bits, halves, rows, int16_tile_inputs>(w, input, tile, rounded + i * input.floats, products, bias,
                                                         y + i * w.rows, first_row);
  }
  if (i < n) {
    multiply_tile<bits, halves, rows, 1>(w, input, tile, rounded + i * input.floats, products, bias, y + i * w.rows,
                                         first_row);
  }
}

template <int bits, bool halves>
void multiply(const QuantizedMatrix& w, const Int16Input& input, const float* rounded, int64_t n, const float* bias,
              float* y, int64_t begin, int64_t end, float* scratch) {
  Row tile[int16_tile_rows];
  for (Row& row : tile) {
    row.scales = scratch;
    row.biases = row.scales + Int16Input::padded(input.units);
    scratch = row.biases + Int16Input::padded(input.groups);
  }
  for (int64_t first = 0; first < n; first += int16_block_inputs) {
    const int64_t inputs = std::min(int16_block_inputs, n - first);
    const float* x = rounded + first * input.floats;
    float* out = y + first * w.rows;
    int64_t row = begin;
    for (; row + int16_tile_rows <= end; row += int16_tile_rows) {
      for (int r = 0; r < int16_tile_rows; ++r) load_row(w, input, row + r, tile[r]);
      multiply_rows<bits, halves, int16_tile_rows>(w, input, tile, x, inputs, scratch, bias, out, row);
    }
    if (row < end) {
      load_row(w, input, row, tile[0]);
      multiply_rows<bits, halves, 1>(w, input, tile, x, inputs, scratch, bias, out, row);
    }
  }
}

/// Rounds `unit` values to integers of at most 32767 in magnitude; returns their scale. What is not finite gives a
/// scale that is not, and so a result that is not, which the engine notices.
float round_unit(const float* x, int64_t unit, int16_t* q) {
  constexpr float most = 32767;
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 largest = _mm256_setzero_ps();
  __m256 checks = _mm256_setzero_ps();
  for (int64_t i = 0; i < unit; i += 8) {
    const __m256 v = _mm256_andnot_ps(sign, _mm256_loadu_ps(x + i));
    largest = _mm256_max_ps(largest, v);
    checks = _mm256_add_ps(checks, _mm256_sub_ps(v, v));  // zero, or NaN where v is not finite
  }
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, largest);
  const float magnitude = *std::max_element(lanes, lanes + 8);
  const float check = sum_lanes(checks);
  const __m256 factor = _mm256_set1_ps(magnitude > 0 && check == 0 ? most / magnitude : 0);
  for (int64_t i = 0; i < unit; i += 16) {
    const __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), factor));
    const __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8), factor));
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q + i), packed);
  }
  return magnitude / most + check;
}

template <int bits>
void lay_out(const int16_t (&q)[int16_block], int16_t* values) {
  for (int k = 0; k < 4; ++k) {
    for (int j = 0; j < 16; ++j) values[16 * k + j] = q[Unpack<bits>::source(k, j)];
  }
}

}  // namespace

void round_input_avx2(const QuantizedMatrix& w, const Int16Input& input, const float* x, float* rounded) {
  auto* values = reinterpret_cast<int16_t*>(rounded);
  float* scales = rounded + input.scales;
  float* sums = rounded + input.sums;
  std::fill(scales, rounded + input.floats, 0.0f);
  for (int64_t column = 0; column < w.cols; column += int16_block) {
    int16_t q[int16_block];
    for (int64_t c = 0; c < int16_block; c += input.unit) {
      const float scale = round_unit(x + column + c, input.unit, q + c);
      int32_t sum = 0;
      for (int64_t i = 0; i < input.unit; ++i) sum += q[c + i];
      scales[(column + c) / input.unit] = scale;
      sums[(column + c) / w.group_size] += scale * static_cast<float>(sum);
    }
    w.bits == 4 ? lay_out<4>(q, values + column) : lay_out<8>(q, values + column);
  }
}

void int16_matmul_avx2(const QuantizedMatrix& w, const Int16Input& input, const float* rounded, int64_t n,
                       const float* bias, float* y, int64_t begin, int64_t end, float* scratch) {
  const bool halves = w.group_size < int16_block;
  const auto run = w.bits == 4 ? (halves ? multiply<4, true> : multiply<4, false>)
                               : (halves ? multiply<8, true> : multiply<8, false>);
  run(w, input, rounded, n, bias, y, begin, end, scratch);
}

}  // namespace punie::kernels
