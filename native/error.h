#pragma once

#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
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

/// What is told of an exception: one of those codes, and a message.
struct Failure {
  std::string code;
  std::string message;
};

/// @param no_memory The message where there was none left.
inline Failure describe(const std::exception_ptr& error, const std::string& no_memory) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    return {e.code(), e.what()};
  } catch (const std::bad_alloc&) {
    return {"OUT_OF_MEMORY", no_memory};
  } catch (const std::system_error& e) {
    if (e.code() != std::errc::resource_unavailable_try_again) return {"INTERNAL", e.what()};
    return {"OUT_OF_MEMORY",
            "The system starts no more threads for this process. Raise its limit (ulimit -u, or the container's of "
            "processes), or load fewer models."};
  } catch (const std::exception& e) {
    return {"INTERNAL", e.what()};
  } catch (...) {
    return {"INTERNAL", "An exception of no known kind."};
  }
}

}  // namespace punie
