#pragma once

#include <future>
#include <system_error>

namespace punie::tokenizer {

/// Begins `work` on another thread; where none can be had, or none is wanted, it is done when its result is asked for.
/// The future waits for the thread before it goes.
template <typename Work>
auto beside(Work work, bool wanted = true) {
  if (wanted) {
    try {
      return std::async(std::launch::async, work);
    } catch (const std::system_error&) {
    }
  }
  return std::async(std::launch::deferred, work);
}

}  // namespace punie::tokenizer
