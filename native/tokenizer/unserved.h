#pragma once

#include <stdexcept>
#include <string>

namespace punie::tokenizer {

/// The file is none that this folder reads: broken, or of another kind. The caller takes the general way, which tells
/// a broken file from an unusual one.
class Unserved : public std::runtime_error {
 public:
  explicit Unserved(const std::string& reason) : std::runtime_error(reason) {}
};

inline void require(bool ok, const char* what) {
  if (!ok) throw Unserved(what);
}

}  // namespace punie::tokenizer
