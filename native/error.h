#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace punie {

/// An error with one of the codes of src/errors.ts. The binding maps it, and nothing else, to JavaScript.
class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

}  // namespace punie
