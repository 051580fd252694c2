#include "swiglu_range.h"
#include "vectors_neon.h"

namespace punie::kernels {
namespace {

using Floats = Neon::Floats;

/// 1 + exp(-x): what a number is divided by to be multiplied by sigmoid(x).
Floats divisor_lanes(Floats x) { return Neon::add(Neon::set(1), Neon::exp(Neon::subtract(Neon::zero(), x))); }

/// y = f(a, b) over `count` floats.
template <typename Function>
void map_lanes(const float* a, const float* b, int64_t count, float* y, Function f) {
  for (int64_t i = 0; i < count; i += Neon::lanes) {
    const int64_t left = count - i;
    Neon::store_some(y + i, f(Neon::load_some(a + i, left), Neon::load_some(b + i, left)), left);
  }
}

}  // namespace

void swiglu_neon(const float* gate, const float* up, int64_t count, float* y) {
  map_lanes(gate, up, count, y,
            [](Floats g, Floats u) { return Neon::multiply(Neon::divide(g, divisor_lanes(g)), u); });
}

void multiply_sigmoid_neon(const float* gate, float* x, int64_t count) {
  map_lanes(gate, x, count, x, [](Floats g, Floats value) { return Neon::divide(value, divisor_lanes(g)); });
}

}  // namespace punie::kernels
