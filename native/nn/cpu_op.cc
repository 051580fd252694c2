#include "nn/cpu_op.h"

#include <mlx/allocator.h>
#include <mlx/backend/cpu/encoder.h>
#include <mlx/primitives.h>

#include <memory>

#include "error.h"

namespace punie::nn {

namespace {

class CpuOp : public mx::Primitive {
 public:
  CpuOp(const char* name, const Runtime& runtime, CpuKernel run)
      : mx::Primitive(runtime.stream), name_(name), runtime_(runtime), run_(std::move(run)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) override {
    auto& output = outputs[0];
    output.set_data(mx::allocator::malloc(output.nbytes()));
    auto& encoder = mx::cpu::get_command_encoder(stream());
    std::vector<const void*> data;
    data.reserve(inputs.size());
    for (const auto& input : inputs) {
      if (!input.flags().row_contiguous) throw Error("INTERNAL", std::string(name_) + " was given a strided input.");
      encoder.set_input_array(input);
      data.push_back(input.data<char>());
    }
    encoder.set_output_array(output);
    // MLX keeps the buffers of inputs and outputs alive until the task has run; the task keeps what `run` captured.
    encoder.dispatch([run = run_, data = std::move(data), out = output.data<float>(), &runtime = runtime_] {
      if (runtime.interrupted.load(std::memory_order_relaxed) || runtime.failure) return;
      try {
        run(data, out);
      } catch (...) {
        runtime.failure = std::current_exception();
      }
    });
  }

  void eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) override {
    throw Error("INTERNAL", std::string("The CPU kernel ") + name_ + " was put on a GPU stream.");
  }

  const char* name() const override { return name_; }

 private:
  const char* name_;
  const Runtime& runtime_;
  CpuKernel run_;
};

}  // namespace

mx::array cpu_op(const char* name, const Runtime& runtime, mx::Shape shape, std::vector<mx::array> inputs,
                 CpuKernel run) {
  return mx::array(std::move(shape), mx::float32, std::make_shared<CpuOp>(name, runtime, std::move(run)),
                   std::move(inputs));
}

}  // namespace punie::nn
