#include "nn/stock_swiglu.h"

#include <vector>

namespace punie::nn {

namespace mx = mlx::core;

StockSwiglu make_stock_swiglu(mx::Stream stream) {
  return [stream](const mx::array& gate, const mx::array& up) {
    return mx::multiply(mx::multiply(gate, mx::sigmoid(gate, stream), stream), up, stream);
  };
}

StockSwiglu make_compiled_swiglu(mx::Stream stream) {
  // A function of its own for each model: what MLX keeps of one is bound to the stream that it was first traced on.
  const std::function<std::vector<mx::array>(const std::vector<mx::array>&)> chain =
      [plain = make_stock_swiglu(stream)](const std::vector<mx::array>& inputs) {
        return std::vector<mx::array>{plain(inputs[0], inputs[1])};
      };
  return [compiled = mx::compile(chain, /*shapeless=*/true)](const mx::array& gate, const mx::array& up) {
    return compiled({gate, up})[0];
  };
}

}  // namespace punie::nn
