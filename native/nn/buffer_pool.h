#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <vector>

namespace punie::nn {

/// Memory for activations. A buffer that is let go serves later steps of the pass that is being put together, and the
/// next pass. Used by the owner thread only.
class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  /// At least `floats` floats, 64-byte aligned, not initialized.
  std::shared_ptr<float[]> take(std::int64_t floats) {
    const auto size = static_cast<std::size_t>(floats);
    Piece* best = nullptr;
    for (auto& piece : free_) {
      // A much larger one is kept for who needs it.
      if (piece.size < size || piece.size > 2 * size + kSmall) continue;
      if (best == nullptr || piece.size < best->size) best = &piece;
    }
    Piece taken;
    if (best != nullptr) {
      taken = std::move(*best);
      *best = std::move(free_.back());
      free_.pop_back();
    } else {
      taken = {Memory(new (std::align_val_t{kAlignment}) float[size + 1]), size};
      bytes_ += size * sizeof(float);
      most_bytes_ = std::max(most_bytes_, bytes_);
    }
    float* data = taken.memory.get();
    // The memory goes back when the last handle does, unless the pool is gone by then.
    return {data, [piece = std::make_shared<Piece>(std::move(taken)), pool = weak_from_this()](float*) {
              if (const auto to = pool.lock()) to->let_go_.push_back(std::move(*piece));
            }};
  }

  /// A step was added to the pass: what had been let go before may be given to the steps after it. Not sooner, because
  /// threads run the parts of one step side by side, and may still read what a part before this one has read.
  void step_added() {
    std::move(let_go_.begin(), let_go_.end(), std::back_inserter(free_));
    let_go_.clear();
  }

  /// Frees what is not in use.
  void trim() {
    for (auto* pieces : {&free_, &let_go_}) {
      for (const auto& piece : *pieces) bytes_ -= piece.size * sizeof(float);
      pieces->clear();
    }
  }

  /// Bytes in use and kept for later use.
  std::size_t bytes() const { return bytes_; }
  /// The most that there ever were at once.
  std::size_t most_bytes() const { return most_bytes_; }

 private:
  static constexpr std::size_t kAlignment = 64;
  static constexpr std::size_t kSmall = 4096;
  struct Free {
    void operator()(float* memory) const { ::operator delete[](memory, std::align_val_t{kAlignment}); }
  };
  using Memory = std::unique_ptr<float[], Free>;
  struct Piece {
    Memory memory;
    std::size_t size = 0;
  };
  std::vector<Piece> free_;
  std::vector<Piece> let_go_;
  std::size_t bytes_ = 0;
  std::size_t most_bytes_ = 0;
};

}  // namespace punie::nn
