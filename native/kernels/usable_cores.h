#pragma once

#include <string>

namespace punie::kernels {

/// Cores that this process may keep busy: those of its affinity mask, no more than its cgroup's CPU quota (v1 or v2,
/// rounded down, at least 1). Read anew at each call. On macOS: the performance cores.
int usable_cores();

/// The CPU quota in cores of the cgroups listed in `membership` (the text of /proc/self/cgroup) and of their parents,
/// found under `mount` (/sys/fs/cgroup); 0 when there is none.
double cgroup_cpu_quota(const std::string& membership, const std::string& mount);

}  // namespace punie::kernels
