#pragma once
// What the codes of a word are to the product: pairs of 16-bit whole numbers, by which `step` times the scale is
// multiplied. The two of a pair are the columns that stand in the two halves of a word (see InputLayout).
//
// A code of more than 16 bits has two parts, code = part 0 + part_step * part 1, whose dot products are exact each.

#include "float_codes.h"
#include "float_type.h"

namespace punie::kernels {
namespace {

/// Affine quantization of any width: 4 bits as they lie, the others spread to bytes as they are loaded.
template <class V, int width>
class WholeCodes {
 public:
  static constexpr bool affine = true;
  static constexpr int bits = width;
  static constexpr int pairs_of_word = width == 4 ? 4 : 2;
  static constexpr int parts = 1;

  explicit WholeCodes(typename V::Ints word) : word_(word) {}
  template <int k, int part>
  typename V::Ints pair() const {
    return V::template field<16 / pairs_of_word * k, width == 4 ? 4 : 8>(word_);
  }

 private:
  typename V::Ints word_;
};

/// Twice the values: at most 12.
template <class V>
class E2m1Codes {
 public:
  static constexpr bool affine = false;
  static constexpr int bits = 4;
  static constexpr int pairs_of_word = 4;
  static constexpr int parts = 1;
  static constexpr float step = 0.5f;

  explicit E2m1Codes(typename V::Ints word) : word_(word) {}
  template <int k, int part>
  typename V::Ints pair() const {
    return word_.template pair<k>();
  }

 private:
  typename V::E2m1Word word_;
};

/// Values in steps of 2^-9: at most 1920 in part 0 and 960 in part 1, so that 32 products with 16 bits fit 32.
template <class V>
class E4m3Codes {
 public:
  static constexpr bool affine = false;
  static constexpr int bits = 8;
  static constexpr int pairs_of_word = 2;
  static constexpr int parts = 2;
  static constexpr float step = 0x1p-9f;
  static constexpr float part_step = e4m3_high_step;

  explicit E4m3Codes(typename V::Ints word) : word_(word) {}
  template <int k, int part>
  typename V::Ints pair() const {
    return word_.template pair<k, part>();
  }

 private:
  typename V::E4m3Word word_;
};

}  // namespace
}  // namespace punie::kernels
