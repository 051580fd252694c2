#include "usable_cores.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace punie::kernels {
namespace {

double smaller_quota(double a, double b) { return a <= 0 ? b : b <= 0 ? a : std::min(a, b); }

/// cgroup v2: "max 100000" or "150000 100000".
double read_v2_quota(const std::string& directory) {
  std::ifstream file(directory + "/cpu.max");
  double quota = 0, period = 0;
  return file >> quota >> period && quota > 0 && period > 0 ? quota / period : 0;
}

/// cgroup v1: microseconds in two files, a quota of -1 for none.
double read_v1_quota(const std::string& directory) {
  std::ifstream quota_file(directory + "/cpu.cfs_quota_us"), period_file(directory + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  return quota_file >> quota && period_file >> period && quota > 0 && period > 0 ? quota / period : 0;
}

/// The least quota from the group at `path` up to the mount's root. In a container without its own cgroup namespace
/// the path is the host's and does not exist here; the root is then the container's group.
template <class Read>
double least_quota(const std::string& mount, std::string path, Read read) {
  double quota = 0;
  for (;;) {
    while (!path.empty() && path.back() == '/') path.pop_back();
    quota = smaller_quota(quota, read(mount + path));
    if (path.empty()) return quota;
    path.erase(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

bool lists_cpu(const std::string& controllers) {
  std::istringstream names(controllers);
  for (std::string name; std::getline(names, name, ',');)
    if (name == "cpu") return true;
  return false;
}

int affinity_cores() {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#elif defined(__APPLE__)
  int cores = 0;
  size_t bytes = sizeof cores;
  if (sysctlbyname("hw.perflevel0.physicalcpu", &cores, &bytes, nullptr, 0) == 0) return cores;
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

double cgroup_cpu_quota(const std::string& membership, const std::string& mount) {
  double quota = 0;
  std::istringstream lines(membership);
  // Lines are "hierarchy:controllers:path"; version 2 is hierarchy 0 without controllers.
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) {
      quota = smaller_quota(quota, least_quota(mount, path, read_v2_quota));
    } else if (lists_cpu(controllers)) {
      for (const std::string& folder : {controllers, std::string("cpu")})
        quota = smaller_quota(quota, least_quota(mount + "/" + folder, path, read_v1_quota));
    }
  }
  return quota;
}

int usable_cores() {
  int cores = std::max(1, affinity_cores());
#if defined(__linux__)
  std::ifstream file("/proc/self/cgroup");
  const std::string membership((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const double quota = cgroup_cpu_quota(membership, "/sys/fs/cgroup");
  if (quota > 0 && quota < cores) cores = std::max(1, static_cast<int>(quota));
#endif
  return cores;
}

}  // namespace punie::kernels
