#pragma once
// A test is an object that names a promise and holds a function; a check that fails throws.

#include <cmath>
#include <cstdint>
#include <functional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <vector>

namespace punie::tests {

struct Test {
  Test(std::string name, std::function<void()> run);

  std::string name;
  std::function<void()> run;
};

/// All tests of the program, in the order of their registration.
std::vector<const Test*>& all_tests();

inline void check(bool ok, const std::string& what, const std::source_location& at = std::source_location::current()) {
  if (ok) return;
  throw std::runtime_error(std::string(at.file_name()) + ":" + std::to_string(at.line()) + ": " + what);
}

/// Numbers from a fixed sequence, so that a failure comes again.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}

  uint32_t bits() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 32);
  }

  float uniform(float low, float high) { return low + (high - low) * static_cast<float>(bits() >> 8) * 0x1p-24f; }

  std::vector<float> floats(int64_t count, float low = -1, float high = 1) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = uniform(low, high);
    return values;
  }

 private:
  uint64_t state_;
};

/// Bytes that begin one byte past an aligned address and end with their memory, so that a sanitizer sees any read
/// beyond them.
class MisalignedBytes {
 public:
  explicit MisalignedBytes(const std::vector<uint8_t>& bytes) : memory_(bytes.size() + 1) {
    std::copy(bytes.begin(), bytes.end(), memory_.begin() + 1);
  }

  const void* data() const { return memory_.data() + 1; }

 private:
  std::vector<uint8_t> memory_;
};

/// Runs `test` with each instruction set that this machine has.
void for_each_isa(const std::function<void(const std::string& isa)>& test);

#if defined(__linux__)
/// Becomes this program anew, with one argument; returns if that fails. An emulator of another processor
/// (PUNIE_TEST_EMULATOR) has to be asked for: the kernel can't start its programs.
void start_again(const char* argument);
#endif

/// What the program does when it is started to be ended: exit() with this code while a job runs.
inline constexpr int busy_exit_code = 7;
[[noreturn]] void run_exit_while_busy();
/// The same, ended by its own handler of SIGBUS, which was there before any file was mapped.
inline constexpr int own_handler_exit_code = 42;
[[noreturn]] void run_with_own_bus_handler();

}  // namespace punie::tests
