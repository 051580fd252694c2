#include "kernels/ggml_blocks.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/float_type.h"

namespace punie::kernels {

namespace {

constexpr int kGroup = 32;
constexpr int kSuperBlock = 256;

struct TypeRow {
  GgmlType type;
  std::string_view name;
  GgmlBlock block;
  int carried_bits;
};

constexpr std::array<TypeRow, 10> kTypes{{
    {GgmlType::q4_0, "Q4_0", {32, 18}, 4},
    {GgmlType::q4_1, "Q4_1", {32, 20}, 4},
    {GgmlType::q5_0, "Q5_0", {32, 22}, 5},
    {GgmlType::q5_1, "Q5_1", {32, 24}, 5},
    {GgmlType::q8_0, "Q8_0", {32, 34}, 8},
    {GgmlType::q2_k, "Q2_K", {256, 84}, 6},
    {GgmlType::q3_k, "Q3_K", {256, 110}, 6},
    {GgmlType::q4_k, "Q4_K", {256, 144}, 4},
    {GgmlType::q5_k, "Q5_K", {256, 176}, 5},
    {GgmlType::q6_k, "Q6_K", {256, 210}, 8},
}};

const TypeRow& row_of(GgmlType type) { return kTypes[static_cast<std::size_t>(type)]; }

using Bytes = const std::uint8_t*;

float half_at(Bytes at) { return f16_to_float(load_unaligned<std::uint16_t>(at)); }

/// To the nearest float16, ties to even.
std::uint16_t to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  const float size = std::fabs(value);
  if (!(size < 65520.0f)) return sign | (std::isnan(value) ? 0x7e00 : 0x7c00);
  if (size < 0x1p-14f) return sign | static_cast<std::uint16_t>(std::nearbyint(size * 0x1p24f));
  const auto rounded = (bits & 0x7fffffff) + 0xfff + (bits >> 13 & 1);
  return sign | static_cast<std::uint16_t>((rounded >> 13) - (112 << 10));
}

bool finite_half(std::uint16_t bits) { return (bits & 0x7c00) != 0x7c00; }

/// 32 values as `scale * q + bias`, q from 0 to 255.
struct Group {
  float scale;
  float bias;
  std::array<std::uint8_t, kGroup> q;
};

/// The low nibbles are the values 0 to 15, the high ones 16 to 31.
void read_nibbles(Bytes from, Group& group) {
  for (int i = 0; i < 16; ++i) {
    group.q[i] = from[i] & 15;
    group.q[i + 16] = from[i] >> 4;
  }
}

/// Bit i of `high` is bit 4 of value i.
void add_fifth_bits(std::uint32_t high, Group& group) {
  for (int i = 0; i < kGroup; ++i) group.q[i] |= (high >> i & 1) << 4;
}

void read_small(GgmlType type, Bytes block, Group& group) {
  group.scale = half_at(block);
  switch (type) {
    case GgmlType::q4_0:
      group.bias = -8 * group.scale;
      return read_nibbles(block + 2, group);
    case GgmlType::q4_1:
      group.bias = half_at(block + 2);
      return read_nibbles(block + 4, group);
    case GgmlType::q5_0:
      group.bias = -16 * group.scale;
      read_nibbles(block + 6, group);
      return add_fifth_bits(load_unaligned<std::uint32_t>(block + 2), group);
    case GgmlType::q5_1:
      group.bias = half_at(block + 2);
      read_nibbles(block + 8, group);
      return add_fifth_bits(load_unaligned<std::uint32_t>(block + 4), group);
    default:
      group.bias = -128 * group.scale;
      for (int i = 0; i < kGroup; ++i) group.q[i] = block[2 + i] ^ 0x80;
  }
}

/// Scale and minimum of group `index` of 8: six bits each in twelve bytes; the last four have their upper two bits in
/// the first eight bytes' spare ones.
void read_k_scale(Bytes scales, int index, int& scale, int& minimum) {
  if (index < 4) {
    scale = scales[index] & 63;
    minimum = scales[index + 4] & 63;
  } else {
    scale = (scales[index + 4] & 15) | (scales[index - 4] >> 6) << 4;
    minimum = (scales[index + 4] >> 4) | (scales[index] >> 6) << 4;
  }
}

/// Q4_K and Q5_K: d, dmin, scales, [one high bit a value,] nibbles. Two groups share 32 bytes.
void read_k_group(GgmlType type, Bytes block, int index, Group& group) {
  int scale = 0;
  int minimum = 0;
  read_k_scale(block + 4, index, scale, minimum);
  group.scale = half_at(block) * static_cast<float>(scale);
  group.bias = -half_at(block + 2) * static_cast<float>(minimum);
  const bool fifth = type == GgmlType::q5_k;
  const Bytes nibbles = block + (fifth ? 48 : 16) + index / 2 * 32;
  for (int i = 0; i < kGroup; ++i) {
    group.q[i] = index % 2 ? nibbles[i] >> 4 : nibbles[i] & 15;
    if (fifth) group.q[i] |= (block[16 + i] >> index & 1) << 4;
  }
}

/// scales (4 bits and 4 of the minimum for every 16), two bits a value, d, dmin.
void q2_k_values(Bytes block, float* values) {
  const float d = half_at(block + 80);
  const float dmin = half_at(block + 82);
  for (int i = 0; i < kSuperBlock; ++i) {
    const int scale = block[i / 16];
    const int q = block[16 + i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
    values[i] = d * static_cast<float>(scale & 15) * static_cast<float>(q) - dmin * static_cast<float>(scale >> 4);
  }
}

/// One high bit a value (set: nothing is taken away), two low bits, sixteen 6-bit scales less 32, d.
void q3_k_values(Bytes block, float* values) {
  const float d = half_at(block + 108);
  const Bytes scales = block + 96;
  for (int i = 0; i < kSuperBlock; ++i) {
    const int group = i / 16;
    const int low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4;
    const int scale = (low | (scales[8 + group % 4] >> group / 4 * 2 & 3) << 4) - 32;
    const int q = block[32 + i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
    const int high = block[i % 32] >> i / 32 & 1;
    values[i] = d * static_cast<float>(scale) * static_cast<float>(q - (high ? 0 : 4));
  }
}

/// Four low bits a value, two high ones, sixteen signed scales, d.
void q6_k_values(Bytes block, float* values) {
  const float d = half_at(block + 208);
  for (int i = 0; i < kSuperBlock; ++i) {
    const int half = i / 128;
    const int within = i % 128;
    const int low = block[half * 64 + within % 64] >> within / 64 * 4 & 15;
    const int high = block[128 + half * 32 + within % 32] >> within / 32 * 2 & 3;
    const auto scale = static_cast<std::int8_t>(block[192 + i / 16]);
    values[i] = d * static_cast<float>(scale) * static_cast<float>((low | high << 4) - 32);
  }
}

void group_values(const Group& group, float* values) {
  for (int i = 0; i < kGroup; ++i) values[i] = group.scale * static_cast<float>(group.q[i]) + group.bias;
}

bool has_groups(GgmlType type) { return type != GgmlType::q2_k && type != GgmlType::q3_k && type != GgmlType::q6_k; }

void read_group(GgmlType type, Bytes block, int index, Group& group) {
  if (block_of(type).values == kGroup) return read_small(type, block, group);
  read_k_group(type, block, index, group);
}

void block_values(GgmlType type, Bytes block, float* values) {
  switch (type) {
    case GgmlType::q2_k:
      return q2_k_values(block, values);
    case GgmlType::q3_k:
      return q3_k_values(block, values);
    case GgmlType::q6_k:
      return q6_k_values(block, values);
    default: {
      Group group;
      for (int i = 0; i * kGroup < block_of(type).values; ++i) {
        read_group(type, block, i, group);
        group_values(group, values + i * kGroup);
      }
    }
  }
}

/// The nearest values on an even grid from the least to the greatest, with float16 scale and bias.
Group fit(const float* values, int bits) {
  const auto [least, most] = std::minmax_element(values, values + kGroup);
  const float steps = static_cast<float>((1 << bits) - 1);
  Group group;
  group.bias = f16_to_float(to_half(*least));
  group.scale = f16_to_float(to_half((*most - group.bias) / steps));
  for (int i = 0; i < kGroup; ++i) {
    const float q = group.scale > 0 ? std::nearbyint((values[i] - group.bias) / group.scale) : 0;
    group.q[i] = static_cast<std::uint8_t>(std::clamp(q, 0.0f, steps));
  }
  return group;
}

/// q from the lowest bits up: 32 values fill `bits` words.
void pack(const Group& group, int bits, std::uint8_t* to) {
  std::uint64_t pending = 0;
  int filled = 0;
  for (const auto q : group.q) {
    pending |= std::uint64_t{q} << filled;
    for (filled += bits; filled >= 8; filled -= 8) {
      *to++ = static_cast<std::uint8_t>(pending);
      pending >>= 8;
    }
  }
}

}  // namespace

std::optional<GgmlType> parse_ggml_type(std::string_view name) {
  for (const auto& row : kTypes) {
    if (row.name == name) return row.type;
  }
  return std::nullopt;
}

GgmlBlock block_of(GgmlType type) { return row_of(type).block; }

int carried_bits(GgmlType type) { return row_of(type).carried_bits; }

void ggml_values(GgmlType type, const void* from, std::int64_t blocks, float* values) {
  const auto block = block_of(type);
  for (std::int64_t i = 0; i < blocks; ++i) {
    block_values(type, static_cast<Bytes>(from) + i * block.bytes, values + i * block.values);
  }
}

CarryOutcome carry_over(GgmlType type, const void* from, std::int64_t blocks, void* weight, std::uint16_t* scales,
                        std::uint16_t* biases) {
  const auto block = block_of(type);
  const int bits = carried_bits(type);
  const bool exact = block.values == kGroup;
  auto* packed = static_cast<std::uint8_t*>(weight);
  CarryOutcome outcome;
  std::array<float, kSuperBlock> values;
  for (std::int64_t i = 0; i < blocks; ++i) {
    const auto* at = static_cast<Bytes>(from) + i * block.bytes;
    if (!exact) block_values(type, at, values.data());
    for (int g = 0; g * kGroup < block.values; ++g, packed += 4 * bits, ++scales, ++biases) {
      const float* own = values.data() + g * kGroup;
      Group group;
      if (has_groups(type)) {
        read_group(type, at, g, group);
      } else {
        // What is not finite can't be compared, and is refused below.
        if (!std::all_of(own, own + kGroup, [](float value) { return std::isfinite(value); })) {
          return {.fault = CarryOutcome::Fault::not_finite};
        }
        group = fit(own, bits);
      }
      if (!std::isfinite(group.scale) || !std::isfinite(group.bias)) return {.fault = CarryOutcome::Fault::not_finite};
      *scales = to_half(group.scale);
      *biases = to_half(group.bias);
      if (!finite_half(*scales) || !finite_half(*biases)) return {.fault = CarryOutcome::Fault::overflow};
      pack(group, bits, packed);
      if (exact) continue;
      const float scale = f16_to_float(*scales);
      const float bias = f16_to_float(*biases);
      for (int j = 0; j < kGroup; ++j) {
        const double change = scale * static_cast<float>(group.q[j]) + bias - own[j];
        outcome.error_squares += change * change;
        outcome.value_squares += double{own[j]} * own[j];
      }
    }
  }
  return outcome;
}

}  // namespace punie::kernels
