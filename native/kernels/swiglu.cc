#include "swiglu.h"

#include <cmath>

#include "cpu_features.h"
#include "swiglu_range.h"

namespace punie::kernels {

void swiglu(const float* gate, const float* up, int64_t count, float* y, const Parallel& parallel) {
  // A multiple of eight: where a piece begins does not change the bits.
  constexpr int64_t grain = 16384;
  [[maybe_unused]] const bool avx2 = use_avx2();
  parallel_for(parallel, count, grain, [=](int64_t begin, int64_t end) {
#if defined(__x86_64__)
    if (avx2) return swiglu_avx2(gate + begin, up + begin, end - begin, y + begin);
#endif
    for (int64_t i = begin; i < end; ++i) y[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
  });
}

}  // namespace punie::kernels
