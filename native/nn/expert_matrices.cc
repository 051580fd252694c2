#include "nn/expert_matrices.h"

#include "error.h"

namespace punie::nn {

namespace {

[[noreturn]] void not_made_for_this() {
  throw Error("INTERNAL", "An expert's matrix was asked for a product of the other kind.");
}

}  // namespace

mx::array ExpertMatrices::multiply(const mx::array&, const mx::array&) const { not_made_for_this(); }

std::int64_t ExpertMatrices::prepared_floats() const { not_made_for_this(); }

bool ExpertMatrices::prepares_like(const ExpertMatrices&) const { not_made_for_this(); }

void ExpertMatrices::prepare(const float*, std::int64_t, float*) const { not_made_for_this(); }

void ExpertMatrices::multiply_columns(std::int32_t, const float*, const float*, std::int64_t, float*, std::int64_t,
                                      std::int64_t) const {
  not_made_for_this();
}

}  // namespace punie::nn
