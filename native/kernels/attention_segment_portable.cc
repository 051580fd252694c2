#include "attention_segment.h"
#include "vectors_portable.h"

namespace punie::kernels {

void attend_segment_portable(const AttentionSegment& segment, float* states) {
  SegmentAttention<Portable>::run(segment, states);
}

}  // namespace punie::kernels
