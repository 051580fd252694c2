#include "quantized_kernel.h"
#include "vectors_avx512.h"

namespace punie::kernels {

using Product = QuantizedProduct<Avx512>;

const QuantizedKernel quantized_kernel_avx512{Product::shape, Product::scratch_floats, Product::multiply};

}  // namespace punie::kernels
