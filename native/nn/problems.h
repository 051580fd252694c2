#pragma once

#include <string>
#include <vector>

namespace punie::nn {

/// `opening`, then up to five problems and how many more there are.
std::string tell_problems(const std::string& opening, const std::vector<std::string>& problems);

/// A shape as messages have it: "[2, 3]".
std::string shape_text(const std::vector<std::int64_t>& shape);

}  // namespace punie::nn
