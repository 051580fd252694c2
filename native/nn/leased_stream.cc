#include "nn/leased_stream.h"

#include <mutex>
#include <vector>

#include "error.h"

namespace punie::nn {

namespace mx = mlx::core;

namespace {

struct FreeStreams {
  std::mutex mutex;
  std::vector<mx::Stream> streams;
};

/// Never destroyed: threads may end after static destructors have begun.
FreeStreams& free_streams() {
  static FreeStreams* const instance = new FreeStreams;
  return *instance;
}

mx::Stream take_stream(mx::Device device) {
  if (!mx::is_available(device)) {
    throw Error("NATIVE_UNAVAILABLE", "This build of MLX has no GPU to use here. Use the device 'cpu'.");
  }
  if (device == mx::Device::gpu) return mx::new_stream(device);
  auto& free = free_streams();
  const std::lock_guard lock(free.mutex);
  if (free.streams.empty()) return mx::new_thread_unsafe_stream(device);
  const auto stream = free.streams.back();
  free.streams.pop_back();
  return stream;
}

}  // namespace

LeasedStream::LeasedStream(mx::Device device) : stream_(take_stream(device)) {
  mx::set_default_stream(stream_);
  auto probe = mx::zeros({1}, mx::float32, stream_);
  mx::eval(probe);
  mx::synchronize(stream_);
}

LeasedStream::~LeasedStream() {
  try {
    mx::synchronize(stream_);
  } catch (const std::exception&) {
    // What failed on it was told to whom it failed for; asking takes it off the stream.
  }
  mx::clear_streams();
  if (stream_.device == mx::Device::gpu) return;
  auto& free = free_streams();
  const std::lock_guard lock(free.mutex);
  free.streams.push_back(stream_);
}

}  // namespace punie::nn
