#include "float_load_avx2.h"
#include "four_bit_matmul.h"

namespace punie::kernels {
namespace {

constexpr int nibbles = 8;  // of a word
constexpr int micro_inputs = 3;

/// Eight vectors as a matrix of 8 x 8, turned.
void transpose(__m256 (&v)[8]) {
  __m256 pairs[8], quads[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int k = 0; k < 2; ++k) {
      quads[i + 2 * k] = _mm256_shuffle_ps(pairs[i + k], pairs[i + k + 2], 0x44);
      quads[i + 2 * k + 1] = _mm256_shuffle_ps(pairs[i + k], pairs[i + k + 2], 0xee);
    }
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x20);
    v[i + 4] = _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x31);
  }
}

/// `cols` columns from a block's first on, as one packed block.
void pack_block(const float* x, int64_t cols, int group_size, float* packed) {
  float* sums = packed + block_cols;
  for (int64_t i = 0; i < block_groups; ++i) sums[i] = 0;
  for (int64_t c = 0; c < cols; c += word_cols) {
    __m256 v[8];
    for (int i = 0; i < 8; ++i) v[i] = _mm256_loadu_ps(x + c + 8 * i);
    const auto sum = [&](int i) {
      return sum_lanes(_mm256_add_ps(_mm256_add_ps(v[i], v[i + 1]), _mm256_add_ps(v[i + 2], v[i + 3])));
    };
    sums[c / group_size] += sum(0);
    sums[(c + word_cols / 2) / group_size] += sum(4);
    transpose(v);
    float unit = 1;
    for (int j = 0; j < nibbles - 1; ++j, unit /= 16)
      _mm256_store_ps(packed + c + 8 * j, _mm256_mul_ps(v[j], _mm256_set1_ps(unit)));
    _mm256_store_ps(packed + c + 8 * (nibbles - 1), v[nibbles - 1]);
  }
}

/// Nibble j of each word, times 16^j; the last one shifted down, because its top bit is a word's sign.
template <int j>
__m256 nibble(__m256i words) {
  if constexpr (j == nibbles - 1) return _mm256_cvtepi32_ps(_mm256_srli_epi32(words, 4 * j));
  return _mm256_cvtepi32_ps(_mm256_and_si256(words, _mm256_set1_epi32(static_cast<int>(15u << 4 * j))));
}

template <FloatType type, int group_size>
struct FourBitWeights {
  static constexpr int64_t scale_bytes = type == FloatType::f32 ? 4 : 2;

  const char* words;
  const char* scales;
  const char* biases;
  int64_t rows;
  int64_t cols;

  __m256i words_at(int64_t row, int64_t column) const {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words + row * (cols >> 1) + (column >> 1)));
  }

  int64_t group_at(int64_t row, int64_t column) const {
    return row * (groups_of(cols) * scale_bytes) + groups_of(column) * scale_bytes;
  }

  /// The scales of 64 columns, in the lanes of their words.
  __m256 scale_at(int64_t row, int64_t column) const {
    const char* at = scales + group_at(row, column);
    if constexpr (group_size < word_cols) return broadcast_pair<type>(at);
    return broadcast<type>(at);
  }

  /// Eight biases from that of group `first` of the block at `column` on; zeros beyond the block's `count`.
  __m256 biases_at(int64_t row, int64_t column, int64_t first, int64_t count) const {
    const char* at = biases + group_at(row, column) + first * scale_bytes;
    return count - first >= 8 ? load_eight<type>(at) : load_some<type>(at, count - first);
  }

  static int64_t groups_of(int64_t columns) { return columns >> __builtin_ctz(group_size); }
};

/// `wide` rows against one input. The order of its sums is that of the tiles below: per 64 columns one chain over the
/// nibbles, scaled and added to the total; behind each block the biases.
template <int wide, class Weights>
void multiply_one(const Weights& w, const float* packed, const float* bias, float* y, int64_t row) {
  __m256 totals[wide];
  for (int r = 0; r < wide; ++r) totals[r] = _mm256_setzero_ps();
  for (int64_t column = 0; column < w.cols; column += block_cols, packed += packed_block_floats) {
    const int64_t cols = column + block_cols < w.cols ? block_cols : w.cols - column;
    for (int64_t c = 0; c < cols; c += word_cols) {
      __m256i words[wide];
      __m256 sums[wide];
      for (int r = 0; r < wide; ++r) words[r] = w.words_at(row + r, column + c);
      for (int r = 0; r < wide; ++r) sums[r] = _mm256_mul_ps(nibble<0>(words[r]), _mm256_load_ps(packed + c));
      const auto add = [&]<int j>() {
        const __m256 input = _mm256_load_ps(packed + c + 8 * j);
        for (int r = 0; r < wide; ++r) sums[r] = _mm256_fmadd_ps(nibble<j>(words[r]), input, sums[r]);
      };
      add.template operator()<1>();
      add.template operator()<2>();
      add.template operator()<3>();
      add.template operator()<4>();
      add.template operator()<5>();
      add.template operator()<6>();
      add.template operator()<7>();
      for (int r = 0; r < wide; ++r) totals[r] = _mm256_fmadd_ps(w.scale_at(row + r, column + c), sums[r], totals[r]);
    }
    const int64_t groups = w.groups_of(cols);
    for (int64_t g = 0; g < groups; g += 8)
      for (int r = 0; r < wide; ++r)
        totals[r] = _mm256_fmadd_ps(w.biases_at(row + r, column, g, groups), _mm256_load_ps(packed + block_cols + g),
                                    totals[r]);
  }
  for (int r = 0; r < wide; ++r) {
    const float sum = sum_lanes(totals[r]);
    y[row + r] = bias ? sum + bias[row + r] : sum;
  }
}

/// One row's block as a tile row.
template <class Weights>
void unpack_row(const Weights& w, int64_t row, int64_t column, int64_t cols, float* tile) {
  float* scales = tile + block_cols;
  float* biases = scales + block_cols / word_cols * 8;
  for (int64_t c = 0; c < cols; c += word_cols) {
    const __m256i words = w.words_at(row, column + c);
    _mm256_store_ps(tile + c, nibble<0>(words));
    _mm256_store_ps(tile + c + 8, nibble<1>(words));
    _mm256_store_ps(tile + c + 16, nibble<2>(words));
    _mm256_store_ps(tile + c + 24, nibble<3>(words));
    _mm256_store_ps(tile + c + 32, nibble<4>(words));
    _mm256_store_ps(tile + c + 40, nibble<5>(words));
    _mm256_store_ps(tile + c + 48, nibble<6>(words));
    _mm256_store_ps(tile + c + 56, nibble<7>(words));
    _mm256_store_ps(scales + c / word_cols * 8, w.scale_at(row, column + c));
  }
  const int64_t groups = w.groups_of(cols);
  for (int64_t g = 0; g < groups; g += 8) _mm256_store_ps(biases + g, w.biases_at(row, column, g, groups));
}

/// Adds to totals[r * n + i] the products of tile row r and packed input i, `stride` floats apart, over `cols` columns
/// in `groups` groups.
template <int rows, int inputs>
void multiply_tile(const float* tile, const float* packed, int64_t cols, int64_t groups, int64_t stride, int64_t n,
                   float* totals) {
  const auto weight_at = [&](int r, int64_t c) { return _mm256_load_ps(tile + r * packed_row_floats + c); };
  const auto input_at = [&](int i, int64_t c) { return _mm256_load_ps(packed + i * stride + c); };
  const auto add_to_total = [&](int r, int i, __m256 weight, __m256 value) {
    float* total = totals + (r * n + i) * 8;
    _mm256_store_ps(total, _mm256_fmadd_ps(weight, value, _mm256_load_ps(total)));
  };
  for (int64_t c = 0; c < cols; c += word_cols) {
    __m256 sums[rows][inputs];
    for (int r = 0; r < rows; ++r)
      for (int i = 0; i < inputs; ++i) sums[r][i] = _mm256_mul_ps(weight_at(r, c), input_at(i, c));
    for (int j = 1; j < nibbles; ++j) {
      __m256 input[inputs];
      for (int i = 0; i < inputs; ++i) input[i] = input_at(i, c + 8 * j);
      for (int r = 0; r < rows; ++r) {
        const __m256 weight = weight_at(r, c + 8 * j);
        for (int i = 0; i < inputs; ++i) sums[r][i] = _mm256_fmadd_ps(weight, input[i], sums[r][i]);
      }
    }
    for (int r = 0; r < rows; ++r) {
      const __m256 scale = weight_at(r, block_cols + c / word_cols * 8);
      for (int i = 0; i < inputs; ++i) add_to_total(r, i, scale, sums[r][i]);
    }
  }
  for (int64_t g = 0; g < groups; g += 8)
    for (int r = 0; r < rows; ++r)
      for (int i = 0; i < inputs; ++i)
        add_to_total(r, i, weight_at(r, block_cols + block_cols / word_cols * 8 + g), input_at(i, block_cols + g));
}

template <int rows>
void multiply_tile_by_all(const float* tile, const float* packed, int64_t cols, int64_t groups, int64_t stride,
                          int64_t n, float* totals) {
  int64_t i = 0;
  for (; i + micro_inputs <= n; i += micro_inputs)
    multiply_tile<rows, micro_inputs>(tile, packed + i * stride, cols, groups, stride, n, totals + i * 8);
  if (n - i == 2) multiply_tile<rows, 2>(tile, packed + i * stride, cols, groups, stride, n, totals + i * 8);
  if (n - i == 1) multiply_tile<rows, 1>(tile, packed + i * stride, cols, groups, stride, n, totals + i * 8);
}

/// For at most block_inputs inputs.
template <class Weights>
void multiply_inputs(const Weights& w, const float* packed, int64_t n, const float* bias, float* y, int64_t begin,
                     int64_t end, float* scratch) {
  float* tile = scratch;
  float* totals = tile + tile_rows * packed_row_floats;
  const int64_t stride = packed_input_floats(w.cols);
  for (int64_t i = 0; i < (end - begin) * n; ++i) _mm256_store_ps(totals + i * 8, _mm256_setzero_ps());

  for (int64_t column = 0; column < w.cols; column += block_cols) {
    const int64_t cols = column + block_cols < w.cols ? block_cols : w.cols - column;
    const int64_t groups = w.groups_of(cols);
    const float* inputs = packed + column / block_cols * packed_block_floats;
    for (int64_t row = begin; row < end; row += tile_rows) {
      const int64_t rows = row + tile_rows < end ? tile_rows : end - row;
      for (int64_t r = 0; r < rows; ++r) unpack_row(w, row + r, column, cols, tile + r * packed_row_floats);
      float* row_totals = totals + (row - begin) * n * 8;
      switch (rows) {
        case 4:
          multiply_tile_by_all<4>(tile, inputs, cols, groups, stride, n, row_totals);
          break;
        case 3:
          multiply_tile_by_all<3>(tile, inputs, cols, groups, stride, n, row_totals);
          break;
        case 2:
          multiply_tile_by_all<2>(tile, inputs, cols, groups, stride, n, row_totals);
          break;
        default:
          multiply_tile_by_all<1>(tile, inputs, cols, groups, stride, n, row_totals);
      }
    }
  }
  for (int64_t i = 0; i < n; ++i)
    for (int64_t row = begin; row < end; ++row) {
      const float sum = sum_lanes(_mm256_load_ps(totals + ((row - begin) * n + i) * 8));
      y[i * w.rows + row] = bias ? sum + bias[row] : sum;
    }
}

template <FloatType type, class Use>
void with_group(const QuantizedMatrix& w, Use use) {
  const char* const words = static_cast<const char*>(w.weight);
  const char* const scales = static_cast<const char*>(w.scales);
  const char* const biases = static_cast<const char*>(w.biases);
  switch (w.group_size) {
    case 32:
      return use(FourBitWeights<type, 32>{words, scales, biases, w.rows, w.cols});
    case 64:
      return use(FourBitWeights<type, 64>{words, scales, biases, w.rows, w.cols});
    default:
      return use(FourBitWeights<type, 128>{words, scales, biases, w.rows, w.cols});
  }
}

/// Calls `use` with the weights in their type of scale and size of group.
template <class Use>
void with_weights(const QuantizedMatrix& w, Use use) {
  switch (w.scale_type) {
    case FloatType::f32:
      return with_group<FloatType::f32>(w, use);
    case FloatType::f16:
      return with_group<FloatType::f16>(w, use);
    case FloatType::bf16:
      return with_group<FloatType::bf16>(w, use);
  }
}

}  // namespace

void pack_input_avx2(const QuantizedMatrix& w, const float* x, float* packed) {
  for (int64_t column = 0; column < w.cols; column += block_cols, packed += packed_block_floats)
    pack_block(x + column, column + block_cols < w.cols ? block_cols : w.cols - column, w.group_size, packed);
}

void four_bit_product_avx2(const QuantizedMatrix& w, const float* packed, const float* bias, float* y, int64_t begin,
                           int64_t end) {
  with_weights(w, [&](const auto& weights) {
    int64_t row = begin;
    for (; row + tile_rows <= end; row += tile_rows) multiply_one<tile_rows>(weights, packed, bias, y, row);
    for (; row < end; ++row) multiply_one<1>(weights, packed, bias, y, row);
  });
}

void four_bit_matmul_avx2(const QuantizedMatrix& w, const float* packed, int64_t n, const float* bias, float* y,
                          int64_t begin, int64_t end, float* scratch) {
  with_weights(w, [&](const auto& weights) {
    for (int64_t i = 0; i < n; i += block_inputs)
      multiply_inputs(weights, packed + i * packed_input_floats(w.cols), i + block_inputs < n ? block_inputs : n - i,
                      bias, y + i * w.rows, begin, end, scratch);
  });
}

}  // namespace punie::kernels
