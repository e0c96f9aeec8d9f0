#include "base/machine.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "base/simulation.h"

namespace ingot::base {

namespace {

// A limit file holds a number, or "max". Groups nest: the limit of each on the way to the root counts.
std::uint64_t limit_in(const std::string& path, std::uint64_t otherwise) {
  std::ifstream file(path);
  std::uint64_t limit = 0;
  return file >> limit && limit > 0 ? std::min(limit, otherwise) : otherwise;
}

std::uint64_t limit_along(const std::string& root, std::string group, const char* name, std::uint64_t bytes) {
  constexpr int kDepthMax = 64;
  for (int depth = 0; depth < kDepthMax; ++depth) {
    bytes = limit_in(root + group + "/" + name, bytes);
    const std::size_t slash = group.rfind('/');
    if (slash == std::string::npos) break;
    group.resize(slash);
  }
  return bytes;
}

}  // namespace

std::uint64_t machine_memory_bytes() {
#ifdef INGOT_TESTING
  if (simulation() != nullptr) return std::uint64_t{1} << 30;  // the same on every machine
#endif
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page_bytes = ::sysconf(_SC_PAGESIZE);
  std::uint64_t bytes = pages > 0 && page_bytes > 0
                            ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes)
                            : std::uint64_t{1} << 30;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      bytes = limit_along("/sys/fs/cgroup", group, "memory.max", bytes);
    } else if (("," + controllers + ",").find(",memory,") != std::string::npos) {
      bytes = limit_along("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes", bytes);
    }
  }
  return bytes;
}

std::uint64_t process_open_files_max() {
  constexpr std::uint64_t kUsual = 1024;
#ifdef INGOT_TESTING
  if (simulation() != nullptr) return kUsual;
#endif
  struct rlimit limit {};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : kUsual;
}

}  // namespace ingot::base
