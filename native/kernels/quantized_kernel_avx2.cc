#include "quantized_kernel.h"
#include "vectors_avx2.h"

namespace punie::kernels {

using Product = QuantizedProduct<Avx2>;

const QuantizedKernel quantized_kernel_avx2{Product::shape, Product::scratch_floats, Product::multiply};

}  // namespace punie::kernels
