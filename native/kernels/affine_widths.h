#pragma once

namespace punie::kernels {
namespace {

/// `run` for one of MLX's widths of affine codes: 2, 3, 4, 5, 6 or 8 bits, as a constant.
template <class Run>
auto with_width(int bits, Run run) {
  switch (bits) {
    case 2:
      return run.template operator()<2>();
    case 3:
      return run.template operator()<3>();
    case 4:
      return run.template operator()<4>();
    case 5:
      return run.template operator()<5>();
    case 6:
      return run.template operator()<6>();
    default:
      return run.template operator()<8>();
  }
}

}  // namespace
}  // namespace punie::kernels
