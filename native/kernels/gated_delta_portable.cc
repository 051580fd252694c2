#include "gated_delta_block.h"

namespace punie::kernels {

void gated_delta_portable(const GatedDelta& shape, const GatedDeltaInputs& inputs, int64_t head, int64_t block,
                          const float* state, float* next, float* y) {
  gated_delta_block(shape, inputs, head, block, state, next, y);
}

}  // namespace punie::kernels
