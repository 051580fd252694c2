#include "float_load_avx2.h"
#include "matmul_avx2.h"

namespace punie::kernels {
namespace {

/// Values that are unpacked together: 4 * bits bytes, at every width.
constexpr int64_t unpacked = 32;

/// For each of eight consecutive values of a bit stream: the bytes to gather into a 32-bit lane and how far to shift.
/// The stream begins at byte `first` of sixteen loaded ones.
struct Gather {
  alignas(32) uint8_t bytes[32];
  alignas(32) int32_t shifts[8];
};

constexpr Gather make_gather(int bits, int first) {
  Gather gather{};
  for (int lane = 0; lane < 8; ++lane) {
    const int byte = first + bits * lane / 8;
    for (int i = 0; i < 4; ++i)
      gather.bytes[lane * 4 + i] = i < 2 && byte + i < 16 ? static_cast<uint8_t>(byte + i) : 0x80;  // 0x80: zero
    gather.shifts[lane] = bits * lane % 8;
  }
  return gather;
}

inline __m256i gather_values(const uint8_t* sixteen, const Gather& gather) {
  const __m256i bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(sixteen)));
  const __m256i lanes = _mm256_shuffle_epi8(bytes, _mm256_load_si256(reinterpret_cast<const __m256i*>(gather.bytes)));
  return _mm256_srlv_epi32(lanes, _mm256_load_si256(reinterpret_cast<const __m256i*>(gather.shifts)));
}

/// Eight values of a 32-bit word, `bits` apart from bit `first` on.
template <int bits>
__m256i spread_word(const uint8_t* word, int first) {
  const __m256i shifts = _mm256_add_epi32(
      _mm256_setr_epi32(0, bits, 2 * bits, 3 * bits, 4 * bits, 5 * bits, 6 * bits, 7 * bits), _mm256_set1_epi32(first));
  return _mm256_srlv_epi32(_mm256_set1_epi32(load_unaligned<int32_t>(word)), shifts);
}

/// Values 8 * part to 8 * part + 7 of 32 packed at `from`, as floats; reads no byte past the 32.
template <int bits, int part>
__m256 unpack_eight(const uint8_t* from) {
  __m256i values;
  if constexpr (bits == 8) {
    values = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + 8 * part)));
  } else {
    if constexpr (bits == 2) {
      values = spread_word<2>(from + part / 2 * 4, part % 2 * 16);
    } else if constexpr (bits == 3) {
      values = part < 3 ? spread_word<3>(from + 3 * part, 0) : spread_word<3>(from + 8, 8);
    } else if constexpr (bits == 4) {
      values = spread_word<4>(from + 4 * part, 0);
    } else {
      constexpr int start = part < 2 ? 0 : 4 * bits - 16;
      static constexpr Gather gather = make_gather(bits, bits * part - start);
      values = gather_values(from + start, gather);
    }
    values = _mm256_and_si256(values, _mm256_set1_epi32((1 << bits) - 1));
  }
  return _mm256_cvtepi32_ps(values);
}

template <int bits, FloatType type>
struct QuantizedWeights {
  const uint8_t* packed;
  const char* scales;
  const char* biases;
  int64_t rows;
  int64_t cols;
  int64_t group_size;
  int group_shift;  // log2 of group_size: no division in the loops

  const uint8_t* weights_at(int64_t row, int64_t column) const { return packed + (row * cols + column) / 8 * bits; }
  int64_t group_at(int64_t row, int64_t column) const {
    return (row * cols + column) >> group_shift << (type == FloatType::f32 ? 2 : 1);
  }

  void unpack(int64_t row, int64_t column, int64_t count, float* out) const {
    const uint8_t* from = weights_at(row, column);
    for (int64_t c = 0; c < count;) {
      const int64_t group = group_at(row, column + c);
      const __m256 scale = broadcast<type>(scales + group);
      const __m256 bias = broadcast<type>(biases + group);
      for (const int64_t end = c + group_size; c < end; c += unpacked, from += 4 * bits) {
        _mm256_store_ps(out + c, _mm256_fmadd_ps(scale, unpack_eight<bits, 0>(from), bias));
        _mm256_store_ps(out + c + 8, _mm256_fmadd_ps(scale, unpack_eight<bits, 1>(from), bias));
        _mm256_store_ps(out + c + 16, _mm256_fmadd_ps(scale, unpack_eight<bits, 2>(from), bias));
        _mm256_store_ps(out + c + 24, _mm256_fmadd_ps(scale, unpack_eight<bits, 3>(from), bias));
      }
    }
  }

  // The rows take turns at every eight columns: a row's sum is one chain of additions, four run side by side.
  template <int wide>
  void accumulate(int64_t row, int64_t column, int64_t count, const float* x, __m256 (&sums)[wide]) const {
    const int64_t row_bytes = cols / 8 * bits;
    const uint8_t* from = weights_at(row, column);
    for (int64_t c = 0; c < count;) {
      __m256 scale[wide], bias[wide];
      for (int r = 0; r < wide; ++r) {
        const int64_t group = group_at(row + r, column + c);
        scale[r] = broadcast<type>(scales + group);
        bias[r] = broadcast<type>(biases + group);
      }
      for (const int64_t end = c + group_size; c < end; c += unpacked, from += 4 * bits) {
        const auto add = [&]<int part>() {
          const __m256 input = _mm256_loadu_ps(x + c + 8 * part);
          for (int r = 0; r < wide; ++r) {
            const __m256 q = unpack_eight<bits, part>(from + r * row_bytes);
            sums[r] = _mm256_fmadd_ps(_mm256_fmadd_ps(scale[r], q, bias[r]), input, sums[r]);
          }
        };
        add.template operator()<0>();
        add.template operator()<1>();
        add.template operator()<2>();
        add.template operator()<3>();
      }
    }
  }
};

template <int bits, FloatType type>
void multiply_as(const QuantizedMatrix& w, const float* x, int64_t n, const float* bias, float* y, int64_t begin,
                 int64_t end, float* scratch) {
  const QuantizedWeights<bits, type> weights{static_cast<const uint8_t*>(w.weight),
                                             static_cast<const char*>(w.scales),
                                             static_cast<const char*>(w.biases),
                                             w.rows,
                                             w.cols,
                                             w.group_size,
                                             __builtin_ctz(static_cast<unsigned>(w.group_size))};
  multiply_rows(weights, x, n, bias, y, begin, end, scratch);
}

template <int bits>
void multiply(const QuantizedMatrix& w, const float* x, int64_t n, const float* bias, float* y, int64_t begin,
              int64_t end, float* scratch) {
  switch (w.scale_type) {
    case FloatType::f32:
      return multiply_as<bits, FloatType::f32>(w, x, n, bias, y, begin, end, scratch);
    case FloatType::f16:
      return multiply_as<bits, FloatType::f16>(w, x, n, bias, y, begin, end, scratch);
    case FloatType::bf16:
      return multiply_as<bits, FloatType::bf16>(w, x, n, bias, y, begin, end, scratch);
  }
}

}  // namespace

void quantized_matmul_avx2(const QuantizedMatrix& w, const float* x, int64_t n, const float* bias, float* y,
                           int64_t begin, int64_t end, float* scratch) {
  switch (w.bits) {
    case 2:
      return multiply<2>(w, x, n, bias, y, begin, end, scratch);
    case 3:
      return multiply<3>(w, x, n, bias, y, begin, end, scratch);
    case 4:
      return multiply<4>(w, x, n, bias, y, begin, end, scratch);
    case 5:
      return multiply<5>(w, x, n, bias, y, begin, end, scratch);
    case 6:
      return multiply<6>(w, x, n, bias, y, begin, end, scratch);
    default:
      return multiply<8>(w, x, n, bias, y, begin, end, scratch);
  }
}

}  // namespace punie::kernels
