#pragma once
// SwiGLU and the product with a sigmoid over the vectors of an instruction set. All of it has internal linkage.

#include <cstdint>

namespace punie::kernels {
namespace {

template <class V>
struct Swiglu {
  using Floats = typename V::Floats;

  /// y = gate * sigmoid(gate) * up.
  static void swiglu(const float* gate, const float* up, int64_t count, float* y) {
    map(gate, up, count, y, [](Floats g, Floats u) { return V::multiply(V::divide(g, divisor(g)), u); });
  }

  /// x *= sigmoid(gate).
  static void multiply_sigmoid(const float* gate, float* x, int64_t count) {
    map(gate, x, count, x, [](Floats g, Floats value) { return V::divide(value, divisor(g)); });
  }

 private:
  /// 1 + exp(-x): what a number is divided by to be multiplied by sigmoid(x).
  static Floats divisor(Floats x) { return V::add(V::set(1), V::exp(V::subtract(V::zero(), x))); }

  /// y = f(a, b) over `count` floats.
  template <typename Function>
  static void map(const float* a, const float* b, int64_t count, float* y, Function f) {
    const auto step = [&](int64_t i, int64_t lanes) {
      V::store_some(y + i, f(V::load_some(a + i, lanes), V::load_some(b + i, lanes)), lanes);
    };
    int64_t i = 0;
    for (; i + V::lanes <= count; i += V::lanes) step(i, V::lanes);
    if (i < count) step(i, count - i);
  }
};

}  // namespace
}  // namespace punie::kernels
