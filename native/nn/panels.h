#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/quantized_matmul.h"

namespace punie::nn {

/// Panels of weight rows, the last one's padding among them.
inline std::int64_t panels_of(std::int64_t rows) { return (rows + kernels::panel_rows - 1) / kernels::panel_rows; }

/// Rows [begin, end), none where `begin` is not below `end`.
struct RowRange {
  std::int64_t begin;
  std::int64_t end;
};

/// The rows that panels [begin, end) have of a matrix of `rows` whose panels begin with `first`.
inline RowRange rows_of_panels(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t rows) {
  return {std::max<std::int64_t>(0, (begin - first) * kernels::panel_rows),
          std::min(rows, (end - first) * kernels::panel_rows)};
}

/// Panels of a step of `panels` that a thread takes at a time: few, so that no thread waits long for the last piece,
/// and several pieces for each thread, since threads do not run at one speed; and where they are several an even
/// number, as kernels of many inputs take two together.
inline std::int64_t panel_grain(std::int64_t panels, int threads) {
  constexpr std::int64_t kMostPanels = 8;
  constexpr std::int64_t kPiecesOfThread = 8;
  const auto grain = std::clamp<std::int64_t>(panels / (kPiecesOfThread * threads), 1, kMostPanels);
  return grain == 1 ? 1 : (grain + 1) / 2 * 2;
}

}  // namespace punie::nn
