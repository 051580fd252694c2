// Runs the tests of the kernels: a line for each, and exit code 1 if any failed. With --bench: prints their speed.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#if defined(__linux__)
#include <unistd.h>

#include <filesystem>
#endif

#include "bench.h"
#include "check.h"
#include "kernels/cpu_features.h"

namespace punie::tests {

Test::Test(std::string test_name, std::function<void()> function)
    : name(std::move(test_name)), run(std::move(function)) {
  all_tests().push_back(this);
}

std::vector<const Test*>& all_tests() {
  static std::vector<const Test*> tests;
  return tests;
}

namespace {

/// What a kernel may find beside its instruction set.
struct Variant {
  bool amd;
  bool vbmi;
};

std::vector<Variant> variants_of(kernels::Isa isa) {
  const bool vbmi = kernels::has_vbmi();
  if (isa != kernels::Isa::avx2 && isa != kernels::Isa::avx512) return {{false, vbmi}};
  std::vector<Variant> variants{{false, vbmi}, {true, vbmi}};
  if (isa == kernels::Isa::avx512 && vbmi) variants.insert(variants.end(), {{false, false}, {true, false}});
  return variants;
}

}  // namespace

void for_each_isa(const std::function<void(const std::string&)>& test) {
  for (const auto isa : kernels::all_isas) {
    if (!kernels::has_isa(isa)) continue;
    for (const auto& variant : variants_of(isa)) {
      kernels::force_isa(isa);
      kernels::force_amd(variant.amd);
      kernels::force_no_vbmi(!variant.vbmi);
      test(kernels::name_of(isa) + std::string(variant.amd ? ", AMD" : "") + (variant.vbmi ? ", VBMI" : ""));
      kernels::force_no_vbmi(false);
    }
  }
  kernels::force_amd(std::nullopt);
  kernels::force_isa(std::nullopt);
}

#if defined(__linux__)
void start_again(const char* argument) {
  const char* emulator = std::getenv("PUNIE_TEST_EMULATOR");
  if (emulator == nullptr) {
    ::execl("/proc/self/exe", "punie_native_tests", argument, nullptr);
  } else {
    const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
    ::execlp(emulator, emulator, program.c_str(), argument, nullptr);
  }
}
#endif

}  // namespace punie::tests

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--bench") == 0) {
    punie::tests::run_bench();
    return 0;
  }
  if (argc > 1 && std::strcmp(argv[1], "--exit-while-busy") == 0) punie::tests::run_exit_while_busy();
  if (argc > 1 && std::strcmp(argv[1], "--own-bus-handler") == 0) punie::tests::run_with_own_bus_handler();
  int failed = 0;
  for (const punie::tests::Test* test : punie::tests::all_tests()) {
    try {
      test->run();
      std::printf("ok    %s\n", test->name.c_str());
    } catch (const std::exception& error) {
      ++failed;
      std::printf("FAIL  %s\n      %s\n", test->name.c_str(), error.what());
    }
    std::fflush(stdout);
  }
  std::string tested;
  punie::tests::for_each_isa([&](const std::string& name) { tested += (tested.empty() ? "" : "; ") + name; });
  std::printf("kernels: %s\n", tested.c_str());
  std::printf("%zu native tests, %d failed\n", punie::tests::all_tests().size(), failed);
  return failed == 0 ? 0 : 1;
}
