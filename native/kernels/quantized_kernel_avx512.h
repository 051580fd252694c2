#pragma once
// What the kernels over AVX-512's vectors have in common.

#include "quantized_kernel.h"
#include "vectors_avx512.h"

namespace punie::kernels {
namespace {

using Avx512Product = QuantizedProduct<Avx512>;

constexpr KernelShape avx512_shape(bool crosses) {
  KernelShape shape = Avx512Product::shape;
  if (!crosses) shape.least_crossed = 0;
  return shape;
}

}  // namespace
}  // namespace punie::kernels
