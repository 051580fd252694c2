#include "rounded_inputs.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "cpu_features.h"

namespace punie::kernels {
namespace {

using RoundUnit = float (*)(const float*, int64_t, PairOrder, int32_t*, int32_t&);

RoundUnit choose_round_unit() {
#if defined(__x86_64__)
  if (use_avx2()) return round_unit_avx2;
#elif defined(__aarch64__)
  if (use_neon()) return round_unit_neon;
#endif
  return round_unit_portable;
}

}  // namespace

float round_unit_portable(const float* x, int64_t unit, PairOrder order, int32_t* pairs, int32_t& sum) {
  float largest = 0;
  float check = 0;  // stays zero unless a value is not finite
  for (int64_t i = 0; i < unit; ++i) {
    largest = std::max(largest, std::abs(x[i]));
    check += x[i] - x[i];
  }
  const float factor = largest > 0 && check == 0 ? largest_rounded / largest : 0.0f;
  int16_t q[most_unit_columns];
  sum = 0;
  const int64_t word = order == PairOrder::nibbles ? 8 : order == PairOrder::bytes ? 4 : 2;
  for (int64_t i = 0; i < unit; ++i) {
    q[i] = static_cast<int16_t>(std::lrint(check == 0 ? x[i] * factor : 0.0f));
    sum += q[i];
  }
  for (int64_t i = 0; i < unit; i += word)
    for (int64_t k = 0; k < word / 2; ++k) {
      const int16_t both[2] = {q[i + k], q[i + k + word / 2]};
      *pairs++ = std::bit_cast<int32_t>(both);
    }
  return largest / largest_rounded + check;
}

/// The part of an input alone that a vector of words needs begins at a multiple of this many 32-bit pairs.
static int64_t vector_pairs(const InputLayout& layout) { return layout.lanes * layout.pairs_of_word; }

static PairOrder pair_order(const InputFormat& format, InputOrder order) {
  if (order == InputOrder::bytes || order == InputOrder::tiles) return PairOrder::columns;
  return format.nibbles ? PairOrder::nibbles : PairOrder::bytes;
}

#if defined(__x86_64__)
/// `inputs` rows of x as a crossed block of `width`; others are zeros.
static void round_crossed(const InputFormat& format, const InputLayout& layout, const float* x, int64_t inputs,
                          int64_t width, float* block) {
  const RoundUnit round_unit = choose_round_unit();
  const PairOrder order = pair_order(format, layout.order);
  const int64_t unit_pairs = layout.unit / 2, units_of_group = format.group_size / layout.unit;
  const int64_t unit_floats = width * layout.crossed_unit_floats();
  for (int64_t u = 0; u < layout.units; ++u) {
    auto* all_pairs = reinterpret_cast<int32_t*>(block + u * unit_floats);
    float* scales = block + u * unit_floats + unit_pairs * width;
    float* sums = scales + width;
    int32_t* crosses = all_pairs + (unit_pairs + 2) * width;
    for (int64_t i = 0; i < width; ++i) {
      int32_t pairs[most_unit_columns / 2] = {};
      int32_t sum = 0;
      float scale = 0;
      if (i < inputs) scale = round_unit(x + i * format.cols + u * layout.unit, layout.unit, order, pairs, sum);
      for (int64_t p = 0; p < unit_pairs; ++p) all_pairs[p * width + i] = pairs[p];
      scales[i] = scale;
      const float before = u % units_of_group > 0 ? (sums - unit_floats)[i] : 0.0f;
      sums[i] = std::fma(scale, static_cast<float>(sum), before);
      crosses[i] = cross_unit_avx2(pairs, layout.unit);
    }
  }
}
#endif

void round_block(const InputFormat& format, const InputLayout& layout, const float* x, int64_t block, float* rounded) {
  const int64_t first = block * layout.most_inputs;
  const int64_t width = layout.width(block);
  const int64_t inputs = std::min(width, layout.n - first);
#if defined(__x86_64__)
  if (layout.order == InputOrder::crossed) {
    return round_crossed(format, layout, x + first * format.cols, inputs, width, rounded + layout.offset(block));
  }
#endif
  const RoundUnit round_unit = choose_round_unit();
  const int64_t unit_words = layout.unit / (2 * layout.pairs_of_word);
  float* base = rounded + layout.offset(block);
  auto* all_pairs = reinterpret_cast<int32_t*>(base);
  float* scales = base + width * layout.pairs;
  float* sums = scales + width * layout.units;
  std::fill(sums, sums + width * layout.groups, 0.0f);
  // Padding is multiplied too: by zeros, that nothing comes of it.
  if (layout.alone())
    std::fill(all_pairs + layout.words / layout.lanes * vector_pairs(layout), all_pairs + layout.pairs, 0);
  if (inputs < width) std::memset(base, 0, sizeof(float) * static_cast<size_t>(sums - base));

  const PairOrder order = pair_order(format, layout.order);
  for (int64_t u = 0; u < layout.units; ++u) {
    for (int64_t i = 0; i < inputs; ++i) {
      int32_t pairs[most_unit_columns / 2];
      int32_t sum;
      const float scale = round_unit(x + (first + i) * format.cols + u * layout.unit, layout.unit, order, pairs, sum);
      scales[u * width + i] = scale;
      float& group_sum = sums[u * layout.unit / format.group_size * width + i];
      group_sum = std::fma(scale, static_cast<float>(sum), group_sum);
#if defined(__x86_64__)
      if (layout.order == InputOrder::tiles) {
        char* high = reinterpret_cast<char*>(base) + (u * 2 * width + i) * layout.unit;
        tile_unit_avx512(reinterpret_cast<const int16_t*>(pairs), layout.unit, format.nibbles, high,
                         high + width * layout.unit);
        continue;
      }
#endif
      if (!layout.alone()) {
        int32_t* to = all_pairs + u * (layout.unit / 2) * width + i;
        for (int64_t p = 0; p < layout.unit / 2; ++p) to[p * width] = pairs[p];
        continue;
      }
      const int64_t word = u * unit_words;
      int32_t* to = all_pairs + word / layout.lanes * vector_pairs(layout);
#if defined(__x86_64__)
      if (layout.order == InputOrder::bytes) {
        const auto split_unit = layout.lanes == 16 ? split_unit_avx512 : split_unit_avx2;
        split_unit(reinterpret_cast<const int16_t*>(pairs), layout.unit, format.nibbles,
                   reinterpret_cast<char*>(to + word % layout.lanes));
        continue;
      }
#endif
      for (int64_t w = 0; w < unit_words; ++w) {
        // A unit may reach over two vectors.
        const int64_t at = word % layout.lanes + w;
        int32_t* vector = to + at / layout.lanes * layout.lanes * layout.pairs_of_word + at % layout.lanes;
        for (int k = 0; k < layout.pairs_of_word; ++k) vector[k * layout.lanes] = pairs[w * layout.pairs_of_word + k];
      }
    }
  }
}

}  // namespace punie::kernels
