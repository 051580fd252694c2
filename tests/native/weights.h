#pragma once
// Random stored matrices beside what they mean in doubles.

#include <algorithm>
#include <bit>
#include <cstring>

#include "check.h"
#include "kernels/float_matmul.h"
#include "kernels/quantized_matmul.h"

namespace punie::tests {

inline const char* type_name(kernels::FloatType type) {
  return type == kernels::FloatType::f32 ? "f32" : type == kernels::FloatType::f16 ? "f16" : "bf16";
}

/// `value` in `type`, cut towards zero; normal numbers of f16 only. Appends its bytes and returns what they mean.
inline double append_float(float value, kernels::FloatType type, std::vector<uint8_t>& bytes) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if (type == kernels::FloatType::f32) {
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<uint8_t>(bits >> (8 * i)));
    return value;
  }
  uint32_t stored = bits >> 16;
  if (type == kernels::FloatType::bf16) {
    bits = stored << 16;
  } else {
    const uint32_t exponent = bits >> 23 & 0xff;
    if (exponent < 113) {  // below f16's normal numbers
      stored = bits >> 16 & 0x8000;
      bits &= 0x80000000u;
    } else {
      bits &= 0xffffe000u;
      stored = (bits >> 16 & 0x8000) | (exponent - 112) << 10 | (bits >> 13 & 0x3ff);
    }
  }
  bytes.push_back(static_cast<uint8_t>(stored));
  bytes.push_back(static_cast<uint8_t>(stored >> 8));
  return std::bit_cast<float>(bits);
}

struct StoredMatrix {
  std::vector<uint8_t> weight, scales, biases;
  std::vector<double> values;  // [rows, cols]
};

inline StoredMatrix random_quantized(int64_t rows, int64_t cols, int bits, int group_size, kernels::FloatType type,
                                     uint64_t seed) {
  Random random(seed);
  StoredMatrix stored;
  uint64_t pending = 0;
  int pending_bits = 0;
  double scale = 0, bias = 0;
  for (int64_t i = 0; i < rows * cols; ++i) {
    if (i % group_size == 0) {
      const float step = random.uniform(0.01f, 0.02f);
      scale = append_float(step, type, stored.scales);
      bias = append_float(-step * static_cast<float>(1 << (bits - 1)), type, stored.biases);
    }
    const uint32_t q = random.bits() & ((1u << bits) - 1);
    stored.values.push_back(scale * q + bias);
    pending |= uint64_t{q} << pending_bits;
    for (pending_bits += bits; pending_bits >= 8; pending_bits -= 8, pending >>= 8)
      stored.weight.push_back(static_cast<uint8_t>(pending));
  }
  return stored;
}

/// What the standards say of each code, by the definition of its fields.
inline double e2m1_value(uint32_t code) {
  const uint32_t exponent = code >> 1 & 3, fraction = code & 1;
  const double size = exponent == 0 ? fraction * 0.5 : (1 + fraction * 0.5) * std::exp2(static_cast<int>(exponent) - 1);
  return code & 8 ? -size : size;
}
inline double e4m3_value(uint32_t code) {
  const uint32_t exponent = code >> 3 & 15, fraction = code & 7;
  if (exponent == 15 && fraction == 7) return NAN;
  const double size =
      exponent == 0 ? fraction / 8.0 * std::exp2(-6) : (1 + fraction / 8.0) * std::exp2(static_cast<int>(exponent) - 7);
  return code & 0x80 ? -size : size;
}
inline double e8m0_value(uint32_t code) { return code == 255 ? INFINITY : std::exp2(static_cast<int>(code) - 127); }

inline const char* mode_name(kernels::QuantizationMode mode) {
  using Mode = kernels::QuantizationMode;
  return mode == Mode::mxfp4 ? "mxfp4" : mode == Mode::mxfp8 ? "mxfp8" : mode == Mode::nvfp4 ? "nvfp4" : "affine";
}

/// Every code may occur but E4M3's NaN; scales of E8M0 lie around 2^-7, those of E4M3 are of either sign.
inline StoredMatrix random_codes(int64_t rows, int64_t cols, kernels::QuantizationMode mode, float factor,
                                 uint64_t seed) {
  const bool nvfp4 = mode == kernels::QuantizationMode::nvfp4, mxfp8 = mode == kernels::QuantizationMode::mxfp8;
  Random random(seed);
  StoredMatrix stored;
  double scale = 0;
  uint8_t nibble = 0;
  for (int64_t i = 0; i < rows * cols; ++i) {
    if (i % (nvfp4 ? 16 : 32) == 0) {
      const uint32_t code = nvfp4 ? random.bits() % 0x7f | (random.bits() & 0x80) : 116 + random.bits() % 9;
      stored.scales.push_back(static_cast<uint8_t>(code));
      scale = nvfp4 ? e4m3_value(code) * factor : e8m0_value(code);
    }
    if (mxfp8) {
      const uint32_t code = random.bits() % 0x7f | (random.bits() & 0x80);
      stored.weight.push_back(static_cast<uint8_t>(code));
      stored.values.push_back(scale * e4m3_value(code));
      continue;
    }
    const uint32_t code = random.bits() & 15;
    if (i % 2 == 1) stored.weight.push_back(static_cast<uint8_t>(nibble | code << 4));
    nibble = static_cast<uint8_t>(code);
    stored.values.push_back(scale * e2m1_value(code));
  }
  return stored;
}

inline StoredMatrix random_floats(int64_t rows, int64_t cols, kernels::FloatType type, uint64_t seed) {
  Random random(seed);
  StoredMatrix stored;
  for (int64_t i = 0; i < rows * cols; ++i)
    stored.values.push_back(append_float(random.uniform(-1, 1), type, stored.weight));
  return stored;
}

/// Checks y = x · valuesᵀ + bias to float32's precision: an error of 1e-6 of the sum of the terms' magnitudes.
/// `rounded_unit`: columns whose inputs the kernel rounds to 16 bits with one scale, half a step at most; 0: none.
inline void check_product(const std::vector<double>& values, int64_t rows, int64_t cols, const std::vector<float>& x,
                          int64_t n, const float* bias, const std::vector<float>& y, const std::string& what,
                          int64_t rounded_unit = 0) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t row = 0; row < rows; ++row) {
      double sum = bias ? bias[row] : 0;
      double magnitude = std::abs(sum);
      double rounding = 0;
      double half_step = 0;
      for (int64_t c = 0; c < cols; ++c) {
        const double weight = values[static_cast<size_t>(row * cols + c)];
        const double term = weight * x[static_cast<size_t>(i * cols + c)];
        sum += term;
        magnitude += std::abs(term);
        if (rounded_unit == 0) continue;
        if (c % rounded_unit == 0) {
          double largest = 0;
          for (int64_t k = c; k < c + rounded_unit; ++k) {
            largest = std::max(largest, std::abs(static_cast<double>(x[static_cast<size_t>(i * cols + k)])));
          }
          half_step = largest / kernels::largest_rounded / 2;
        }
        rounding += std::abs(weight) * half_step;
      }
      const double error = std::abs(y[static_cast<size_t>(i * rows + row)] - sum);
      check(error <= 1e-6 * magnitude + rounding, what + ": row " + std::to_string(row) + " of input " +
                                                      std::to_string(i) + " is off by " +
                                                      std::to_string(error / magnitude) + " of its magnitude");
    }
}

/// Checks that each row of x alone, on one thread, gives the bits that `y` has for all of them.
template <class Multiply>
void check_rows_alone(const std::vector<float>& x, int64_t n, int64_t rows, int64_t cols, const std::vector<float>& y,
                      Multiply multiply, const std::string& what) {
  std::vector<float> alone(static_cast<size_t>(rows));
  for (int64_t i = 0; i < n; ++i) {
    multiply(x.data() + i * cols, 1, alone.data());
    check(std::memcmp(alone.data(), y.data() + i * rows, static_cast<size_t>(rows) * 4) == 0,
          what + ": input " + std::to_string(i) + " of " + std::to_string(n) + " has other bits when alone");
  }
}

}  // namespace punie::tests
