#include "quantized_kernel.h"
#include "vectors_portable.h"

namespace punie::kernels {

using Product = QuantizedProduct<Portable>;

const QuantizedKernel quantized_kernel_portable{Product::shape, Product::scratch_floats, Product::multiply};

}  // namespace punie::kernels
