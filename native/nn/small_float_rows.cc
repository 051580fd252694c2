#include "nn/small_float_rows.h"

#include "kernels/float_quantize.h"
#include "nn/row_arrays.h"

namespace punie::nn {

namespace {

namespace mx = mlx::core;

kernels::FloatType float_type_of(mx::Dtype dtype) {
  if (dtype == mx::float32) return kernels::FloatType::f32;
  return dtype == mx::float16 ? kernels::FloatType::f16 : kernels::FloatType::bf16;
}

struct Scales {
  /// As they are stored.
  mx::array bytes;
  /// What values are divided by, in their own type.
  mx::array divisors;
};

/// nvfp4's scales are E4M3: of the largest value as 6, the largest that E2M1 has.
Scales e4m3_scales(const mx::array& largest) {
  const auto bytes = mx::to_fp8(mx::divide(largest, mx::array(6.0f, largest.dtype())));
  return {bytes, mx::from_fp8(bytes, largest.dtype())};
}

/// The others' are powers of two, by their exponent: the least that leaves no value above the largest of the codes.
/// The byte is what the exponent with its bias of 127 has below 256, also where it is negative.
Scales e8m0_scales(const mx::array& largest, float largest_code) {
  const auto quotients = mx::divide(largest, mx::array(largest_code, largest.dtype()));
  const auto logarithms = mx::ceil(mx::log2(mx::astype(quotients, mx::float32)));
  const auto zero = mx::equal(quotients, mx::array(0.0f, largest.dtype()));
  const auto exponents = mx::where(zero, mx::array(0), mx::astype(logarithms, mx::int32));
  return {mx::astype(mx::add(exponents, mx::array(127)), mx::uint8),
          mx::power(mx::array(2.0f, largest.dtype()), exponents)};
}

}  // namespace

bool is_small_float(const QuantizationMode& mode) {
  const auto is = [&mode](const char* name, int bits, int group_size) {
    return mode.mode == name && mode.bits == bits && mode.group_size == group_size;
  };
  return is("mxfp4", 4, 32) || is("mxfp8", 8, 32) || is("nvfp4", 4, 16);
}

ConvertedRows small_float_rows(const mx::array& values, const QuantizationMode& mode) {
  const auto count = static_cast<std::int64_t>(values.size());
  const kernels::FloatGroups groups{values.data<std::byte>(), float_type_of(values.dtype()), count / mode.group_size,
                                    mode.group_size};
  const mx::Shape per_group{static_cast<int>(groups.groups)};
  auto buffer = mx::allocator::malloc(static_cast<std::size_t>(groups.groups) * values.dtype().size());
  kernels::group_magnitudes(groups, buffer.buffer().raw_ptr());
  const mx::array largest(std::move(buffer), per_group, values.dtype());
  require_finite(largest);
  const auto scales =
      mode.mode == "nvfp4" ? e4m3_scales(largest) : e8m0_scales(largest, mode.bits == 4 ? 6.0f : 448.0f);
  auto divisors = mx::astype(scales.divisors, mx::float32);
  divisors.eval();
  ConvertedRows rows{
      std::vector<std::byte>(static_cast<std::size_t>(count * mode.bits / 8)), copy_out(scales.bytes), {}};
  auto* codes = reinterpret_cast<std::uint8_t*>(rows.data.data());
  const auto write = mode.bits == 4 ? kernels::e2m1_codes : kernels::e4m3_codes;
  write(groups, divisors.data<float>(), codes);
  return rows;
}

}  // namespace punie::nn
