#include "attention_segment.h"
#include "vectors_avx2.h"

namespace punie::kernels {

void attend_segment_avx2(const AttentionSegment& segment, float* states) {
  SegmentAttention<Avx2>::run(segment, states);
}

}  // namespace punie::kernels
