#pragma once

#include <mlx/mlx.h>

namespace punie::nn {

/// An MLX stream for one thread's work, the thread's default while this lives, and warmed up: what MLX makes once, its
/// threads and static state, is there. Freed on the thread that made it, after all arrays of that stream.
///
/// On the CPU a stream is a thread of MLX's that never ends. So they are handed on from one lease to the next, and a
/// process has no more of them than it ever had leases at once.
class LeasedStream {
 public:
  /// Throws `NATIVE_UNAVAILABLE` for a device that this build of MLX does not have.
  explicit LeasedStream(mlx::core::Device device);
  ~LeasedStream();
  LeasedStream(const LeasedStream&) = delete;
  LeasedStream& operator=(const LeasedStream&) = delete;

  mlx::core::Stream get() const { return stream_; }

 private:
  mlx::core::Stream stream_;
};

}  // namespace punie::nn
