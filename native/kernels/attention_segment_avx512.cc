#include "attention_segment.h"
#include "vectors_avx512.h"

namespace punie::kernels {

void attend_segment_avx512(const AttentionSegment& segment, float* states) {
  SegmentAttention<Avx512>::run(segment, states);
}

}  // namespace punie::kernels
