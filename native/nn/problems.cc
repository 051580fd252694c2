#include "nn/problems.h"

#include <algorithm>

namespace punie::nn {

namespace {

constexpr std::size_t kMostProblemsTold = 5;

}  // namespace

std::string tell_problems(const std::string& opening, const std::vector<std::string>& problems) {
  auto text = opening + ": ";
  for (std::size_t i = 0; i < std::min(problems.size(), kMostProblemsTold); ++i) text += (i ? "; " : "") + problems[i];
  if (problems.size() > kMostProblemsTold) {
    text += "; and " + std::to_string(problems.size() - kMostProblemsTold) + " more";
  }
  return text + ".";
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace punie::nn
