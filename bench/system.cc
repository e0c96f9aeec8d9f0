// /proc and friends. See system.h.
#include "system.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace bench {
namespace {

// The number after `name` in a file of "name: number …" lines; 0 if it is not there.
std::uint64_t number_in(const char* path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name, 0) == 0) return std::strtoull(line.c_str() + name.size(), nullptr, 10);
  }
  return 0;
}

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos) {
      return line.substr(line.find(": ") + 2);
    }
  }
  return "unknown";
}

std::string file_system_of(const std::string& directory) {
  struct statfs status {};
  if (statfs(directory.c_str(), &status) != 0) return "unknown";
  switch (static_cast<std::uint64_t>(status.f_type)) {
    case 0xef53:
      return "ext4";
    case 0x58465342:
      return "xfs";
    case 0x9123683e:
      return "btrfs";
    case 0x01021994:
      return "tmpfs (memory: durable rows mean nothing here)";
    case 0x794c7630:
      return "overlayfs";
    case 0x2fc12fc1:
      return "zfs";
    default: {
      std::ostringstream text;
      text << "type 0x" << std::hex << status.f_type;
      return text.str();
    }
  }
}

}  // namespace

Memory memory_now() {
  return {.anonymous_bytes = number_in("/proc/self/status", "RssAnon:") * 1024,
          .mapped_bytes =
              (number_in("/proc/self/status", "RssFile:") + number_in("/proc/self/status", "RssShmem:")) * 1024};
}

std::uint64_t disk_bytes(const std::string& directory) {
  std::uint64_t bytes = 0;
  std::error_code ignored;  // files come and go while an engine tidies up
  for (std::filesystem::recursive_directory_iterator i(directory, ignored), end; i != end; i.increment(ignored)) {
    struct stat status {};
    if (lstat(i->path().c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
      bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
    }
  }
  return bytes;
}

std::uint64_t bytes_written() {
  return number_in("/proc/self/io", "write_bytes:");
}

double wait_until_quiet(double seconds_max) {
  constexpr double kWindowSeconds = 0.2;
  constexpr double kQuietPart = 0.05;
  const auto begin = std::chrono::steady_clock::now();
  for (;;) {
    const double before = processor_seconds();
    std::this_thread::sleep_for(std::chrono::duration<double>(kWindowSeconds));
    const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (processor_seconds() - before < kQuietPart * kWindowSeconds || passed > seconds_max) {
      return passed - kWindowSeconds;
    }
  }
}

Machine describe_machine(const std::string& directory) {
  Machine machine;
  machine.processor = processor_name();
  machine.cores = std::thread::hardware_concurrency();
  machine.memory_bytes = number_in("/proc/meminfo", "MemTotal:") * 1024;
  utsname names{};
  if (uname(&names) == 0) machine.kernel = std::string(names.sysname) + " " + names.release;
  machine.file_system = file_system_of(directory);
  double loads[1] = {0};
  if (getloadavg(loads, 1) == 1) machine.load = loads[0];
  return machine;
}

}  // namespace bench
