#include "quantized_kernel.h"
#include "vectors_neon.h"

namespace punie::kernels {

using Product = QuantizedProduct<Neon>;

const QuantizedKernel quantized_kernel_neon{Product::shape, Product::scratch_floats, Product::multiply};

}  // namespace punie::kernels
