#include "attention_segment.h"
#include "vectors_neon.h"

namespace punie::kernels {

void attend_segment_neon(const AttentionSegment& segment, float* states) {
  SegmentAttention<Neon>::run(segment, states);
}

}  // namespace punie::kernels
