#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "check.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"
#include "kernels/vectors_portable.h"

namespace punie::tests {
namespace {

const Test norm("rms_norm is float32-exact at odd sizes, in place too, and a row alone has the same bits", [] {
  for (const int64_t dim : {1, 3, 7, 16, 17, 896, 1537})
    for (const int64_t n : {1, 2, 33, 300}) {
      const std::vector<float> x = Random(1).floats(n * dim, -3, 3), weight = Random(2).floats(dim);
      std::vector<float> y(x.size()), in_place(x);
      kernels::rms_norm(x.data(), weight.data(), 1e-6f, n, dim, y.data());
      kernels::rms_norm(in_place.data(), weight.data(), 1e-6f, n, dim, in_place.data());
      std::vector<float> alone(static_cast<size_t>(dim));
      kernels::rms_norm(x.data() + (n - 1) * dim, weight.data(), 1e-6f, 1, dim, alone.data());
      check(std::memcmp(alone.data(), y.data() + (n - 1) * dim, alone.size() * 4) == 0, "a row alone");
      check(std::memcmp(y.data(), in_place.data(), y.size() * 4) == 0, "in place the bits are others");
      for (int64_t row = 0; row < n; ++row) {
        double squares = 0;
        for (int64_t i = 0; i < dim; ++i)
          squares += double{x[static_cast<size_t>(row * dim + i)]} * x[static_cast<size_t>(row * dim + i)];
        for (int64_t i = 0; i < dim; ++i) {
          const size_t at = static_cast<size_t>(row * dim + i);
          const double wanted =
              x[at] / std::sqrt(squares / static_cast<double>(dim) + 1e-6) * weight[static_cast<size_t>(i)];
          check(std::abs(y[at] - wanted) <= 1e-6 * std::abs(wanted), "dim " + std::to_string(dim));
        }
      }
    }
});

const Test rotation("rope turns pairs by position, halves or neighbours, of whole heads or of their beginning", [] {
  for (const bool traditional : {false, true})
    for (const int64_t turned : {2, 6, 64})
      for (const int32_t position : {0, 1, 98, 3881}) {
        const int64_t heads = 3, half = turned / 2, head_dim = position == 1 ? turned + 5 : turned;
        const float magnitude = position == 98 ? 1.25f : 1.0f;
        const std::vector<float> x = Random(3).floats(heads * head_dim);
        std::vector<float> frequencies(static_cast<size_t>(half));
        for (int64_t j = 0; j < half; ++j)
          frequencies[static_cast<size_t>(j)] =
              static_cast<float>(std::pow(10000.0, -static_cast<double>(j) / static_cast<double>(half)));
        std::vector<float> table(static_cast<size_t>(turned)), y(x);
        kernels::rope_angles(position, frequencies.data(), half, magnitude, table.data());
        kernels::rope(y.data(), heads, head_dim, half, table.data(), traditional);
        for (int64_t h = 0; h < heads; ++h) {
          for (int64_t d = turned; d < head_dim; ++d)
            check(y[static_cast<size_t>(h * head_dim + d)] == x[static_cast<size_t>(h * head_dim + d)],
                  "the rest stays");
          for (int64_t j = 0; j < half; ++j) {
            const double angle = static_cast<float>(position) * frequencies[static_cast<size_t>(j)];
            const int64_t first = traditional ? 2 * j : j, second = traditional ? 2 * j + 1 : j + half;
            const float* from = x.data() + h * head_dim;
            const float* to = y.data() + h * head_dim;
            const double a = from[first], b = from[second];
            const double cosine = magnitude * std::cos(angle), sine = magnitude * std::sin(angle);
            check(std::abs(to[first] - (a * cosine - b * sine)) < 1e-6, "first of a pair");
            check(std::abs(to[second] - (a * sine + b * cosine)) < 1e-6, "second of a pair");
          }
        }
      }
});

const Test gate("swiglu is float32-exact at odd lengths and from -100 to 100", [] {
  for_each_isa([](const std::string& isa) {
    for (const int64_t count : {1, 3, 7, 8, 9, 1000, 40001}) {
      std::vector<float> gate = Random(4).floats(count, -20, 20);
      const std::vector<float> up = Random(5).floats(count);
      for (size_t i = 0; i < gate.size(); i += 5) gate[i] *= 5;
      std::vector<float> y(gate.size()), pieces(gate.size());
      kernels::swiglu(gate.data(), up.data(), count, y.data());
      for (int64_t i = 0; i < count; i += 13)
        kernels::swiglu(gate.data() + i, up.data() + i, std::min<int64_t>(13, count - i), pieces.data() + i);
      check(std::memcmp(y.data(), pieces.data(), y.size() * 4) == 0, isa + ": pieces change the bits");
      for (size_t i = 0; i < y.size(); ++i) {
        const double wanted = gate[i] / (1 + std::exp(-double{gate[i]})) * up[i];
        check(
            std::abs(y[i] - wanted) <= 1e-6 * std::abs(wanted) + 1e-36,
            isa + ": silu(" + std::to_string(gate[i]) + ") * " + std::to_string(up[i]) + " = " + std::to_string(y[i]));
      }
    }
    const float gates[] = {NAN, INFINITY, -INFINITY, 0};
    const float ups[] = {1, 1, 1, 1};
    float y[4];
    kernels::swiglu(gates, ups, 4, y);
    check(std::isnan(y[0]) && y[1] == INFINITY && y[3] == 0, isa + ": NaN, infinity and zero");
  });
});

const Test fma_without_instruction("a product and sum are rounded once without the instruction for it", [] {
  Random random(6);
  const auto any = [&] { return std::bit_cast<float>(static_cast<uint32_t>(random.bits())); };
  // With an addend near the product's last bits, or near half of them.
  const auto near = [&](float product) {
    return std::ldexp(product, -static_cast<int>(random.bits() % 60)) * (random.bits() % 2 == 0 ? 1.0f : -1.0f);
  };
  for (int i = 0; i < 400'000; ++i) {
    const float a = any(), b = any(), c = i % 2 == 0 ? any() : near(a * b);
    const float got = kernels::fma_rounded_once(a, b, c), wanted = std::fma(a, b, c);
    const bool same = std::isnan(wanted) ? std::isnan(got) : std::memcmp(&got, &wanted, sizeof got) == 0;
    check(same, std::to_string(a) + " * " + std::to_string(b) + " + " + std::to_string(c));
  }
  const float half = 1 + 0x1p-12f;  // whose square, 1 + 2^-11 + 2^-24, lies in the middle of two floats
  for (const float c : {0.0f, 0x1p-90f, -0x1p-90f, 0x1p-149f, -0x1p-149f}) {
    check(kernels::fma_rounded_once(half, half, c) == std::fma(half, half, c), "a tie and " + std::to_string(c));
  }
});

}  // namespace
}  // namespace punie::tests
