#include "nn/row_arrays.h"

#include <algorithm>
#include <cstdint>

#include "error.h"

namespace punie::nn {

namespace {

namespace mx = mlx::core;

/// True if an exponent has every bit set: what is not finite. `Word` holds one value.
template <typename Word>
bool all_finite(const mx::array& values, Word exponent) {
  const auto* words = values.data<Word>();
  return std::none_of(words, words + values.size(), [exponent](Word word) { return (word & exponent) == exponent; });
}

}  // namespace

std::vector<std::byte> copy_out(mx::array array) {
  array = mx::contiguous(array);
  array.eval();
  const auto* data = array.data<std::byte>();
  return {data, data + array.nbytes()};
}

void require_finite(const mx::array& values) {
  const bool finite = values.dtype() == mx::float32    ? all_finite<std::uint32_t>(values, 0x7f800000)
                      : values.dtype() == mx::bfloat16 ? all_finite<std::uint16_t>(values, 0x7f80)
                                                       : all_finite<std::uint16_t>(values, 0x7c00);
  if (!finite) throw Error("MODEL_CORRUPT", "it has values that are not finite numbers.");
}

}  // namespace punie::nn
