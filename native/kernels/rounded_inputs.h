#pragma once
// The inputs of a quantized product, rounded to 16 bits.
//
// An input row is rounded to integers of at most 32512 in magnitude, with a scale for every unit of 32 or 64 columns:
// an error of at most 1/65024 of the largest magnitude among them, finer than bf16 by two hundred times. Products with
// the integers of the weights are then exact, two in one instruction. The largest is 127 * 256, so that an
// integer and a code of 8 bits are 16 together, and an integer is also 256 times a signed byte and another, for
// instructions that multiply bytes. A group's bias is
// multiplied by the sum of the rounded values: so a product is that of the true weights with the rounded inputs, but
// for float32's rounding, and nothing is lost where scale * q and bias cancel.

#include <algorithm>
#include <cstdint>

namespace punie::kernels {

inline constexpr float largest_rounded = 32512;

/// Columns that share a scale, at most: sums of 64 products of 8 and 16 bits stay below 2^31.
inline constexpr int64_t most_unit_columns = 64;

/// What a product needs of its inputs. Products that need the same share them.
struct InputFormat {
  int64_t cols;
  int64_t group_size;
  /// The weights' words hold eight values of 4 bits, integers if counted in halves; else four bytes.
  bool nibbles;
  /// The weights are integers without sign, of 8 bits at most: they may be multiplied as bytes.
  bool integers;

  bool operator==(const InputFormat&) const = default;
};

/// What a set of kernels wants of the layout.
struct KernelShape {
  int lanes;           // words of a vector
  int most_inputs;     // of a block
  bool alone;          // an input alone is laid out for whole vectors of words
  int most_bytes;      // as many inputs, or fewer, are laid out each as one alone, and split into bytes
  int least_crossed;   // as many inputs, or more, come with the products of neighbours; 0: none
  int crossed_inputs;  // of a block of these
  int least_tiled;     // as many inputs, or more, are laid out as tiles, where weights are bytes; 0: none
  /// Rows that are worked on as one piece, whole blocks. A block that reached over two would have rows rounded that
  /// another thread has not written yet.
  int piece_rows;
};

/// Rows of a tile, and columns of a unit from which on tiles are worth it.
inline constexpr int tile_inputs = 16;
inline constexpr int least_tile_columns = 32;

/// How the integers of inputs lie; InputLayout says more of each.
enum class InputOrder {
  bytes,    // few inputs, one after another, split into bytes
  vectors,  // one input, by vectors of words
  blocks,   // many side by side
  crossed,  // the same, with the products of neighbours
  tiles,    // many, a row of bytes each
};

inline InputOrder choose_order(const InputFormat& format, int64_t inputs, const KernelShape& shape) {
  const bool bytes_or_nibbles = format.nibbles || format.integers;
  if (format.integers && inputs <= shape.most_bytes) return InputOrder::bytes;
  if (inputs == 1 && shape.alone) return InputOrder::vectors;
  if (shape.least_tiled > 0 && inputs >= shape.least_tiled && format.group_size >= least_tile_columns &&
      bytes_or_nibbles) {
    return InputOrder::tiles;
  }
  if (shape.least_crossed > 0 && inputs >= shape.least_crossed && bytes_or_nibbles) return InputOrder::crossed;
  return InputOrder::blocks;
}

/// Where the parts of n rounded inputs lie, in floats: blocks of up to `most_inputs`, each with its integers (two
/// columns to a 32-bit pair), then a scale for each unit, then for each group the sum of the rounded values.
///
/// The columns of a pair are those that a shift and a mask bring to the two halves of a word: c and c + 4 of eight
/// nibbles, c and c + 2 of four bytes. In a block of many inputs the values of a pair, unit or group stand side by
/// side: [pair][input]. The pairs of an input alone are grouped by vectors of words: [vector][pair of the word][word].
/// Inputs split into bytes lie one after another; each is, for each vector of words, the high and then the low bytes of
/// what meets the weights' bytes; for nibbles, of what meets their low nibbles and then of what meets their high ones.
/// A crossed block is a sequence, as it is read: for each unit its pairs, its scales, the sums of its group up to it,
/// and minus the sums of the products of its neighbouring columns, 0 and 1, 2 and 3, as integers. A block of tiles has
/// instead of pairs for each unit a row of high bytes for each input, and then a row of low bytes without sign for
/// each: an integer is 256 times the one and the other. Of eight columns that meet nibbles the even ones come first.
struct InputLayout {
  int64_t n;
  InputOrder order;
  int most_inputs;
  int lanes;
  int pairs_of_word;
  int64_t words;
  int64_t unit;
  int64_t units;
  int64_t groups;
  /// Pairs of an input, up to whole vectors.
  int64_t pairs;

  InputLayout(const InputFormat& format, int64_t inputs, const KernelShape& shape)
      : n(inputs),
        order(choose_order(format, inputs, shape)),
        most_inputs(alone()                        ? 1
                    : order == InputOrder::tiles   ? tile_inputs
                    : order == InputOrder::crossed ? shape.crossed_inputs
                                                   : shape.most_inputs),
        lanes(shape.lanes),
        pairs_of_word(format.nibbles ? 4 : 2),
        words(format.cols / (2 * pairs_of_word)),
        unit(std::min(format.group_size, most_unit_columns)),
        units(format.cols / unit),
        groups(format.cols / format.group_size),
        pairs((words + lanes - 1) / lanes * lanes * pairs_of_word) {}

  /// Each input is a block of its own.
  bool alone() const { return order == InputOrder::bytes || order == InputOrder::vectors; }
  int64_t input_floats() const {
    if (order == InputOrder::crossed) return units * crossed_unit_floats();
    const int64_t floats = pairs + units + groups;
    // Of several that are laid out as one alone, each begins at a vector.
    return alone() ? (floats + lanes - 1) / lanes * lanes : floats;
  }
  /// A unit of one crossed input.
  int64_t crossed_unit_floats() const { return unit / 2 + 3; }
  int64_t blocks() const { return (n + most_inputs - 1) / most_inputs; }
  /// Inputs of a block, the last one's padding among them: kernels are made for some widths only.
  int width(int64_t block) const {
    if (alone()) return 1;
    const auto left = static_cast<int>(std::min<int64_t>(most_inputs, n - block * most_inputs));
    if (order == InputOrder::tiles) return left;
    return left <= 3 ? std::min(3, most_inputs) : left <= 8 ? left : (left + 1) / 2 * 2;
  }
  int64_t offset(int64_t block) const { return block * most_inputs * input_floats(); }
  /// In all.
  int64_t floats() const { return blocks() == 0 ? 0 : offset(blocks() - 1) + width(blocks() - 1) * input_floats(); }
};

/// Rounds the inputs of `block`: rows of x[n, cols]. What is not finite gives a scale that is not, and so a result
/// that is not, which the engine notices.
void round_block(const InputFormat& format, const InputLayout& layout, const float* x, int64_t block, float* rounded);

/// Which columns share a pair.
enum class PairOrder {
  columns,  // neighbours
  nibbles,  // c and c + 4 of eight
  bytes,    // c and c + 2 of four
};

/// Rounds `unit` values (a multiple of 16) into pairs. Returns their scale and the sum of the integers in `sum`.
float round_unit_portable(const float* x, int64_t unit, PairOrder order, int32_t* pairs, int32_t& sum);
#if defined(__x86_64__)
float round_unit_avx2(const float* x, int64_t unit, PairOrder order, int32_t* pairs, int32_t& sum);

/// Minus the sum of the products of neighbouring columns of `unit`, modulo 2^32. The pairs are those of words.
int32_t cross_unit_avx2(const int32_t* pairs, int64_t unit);

/// Splits `unit` integers (a multiple of 32) into bytes, laid out as above from `to` on.
void split_unit_avx2(const int16_t* values, int64_t unit, bool nibbles, char* to);
void split_unit_avx512(const int16_t* values, int64_t unit, bool nibbles, char* to);

/// Splits `unit` integers (a multiple of 32) into the rows of two tiles.
void tile_unit_avx512(const int16_t* values, int64_t unit, bool nibbles, char* high, char* low);
#elif defined(__aarch64__)
float round_unit_neon(const float* x, int64_t unit, PairOrder order, int32_t* pairs, int32_t& sum);
#endif

}  // namespace punie::kernels
