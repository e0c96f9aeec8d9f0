#include "fault_page.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <new>
#include <stdexcept>
#include <thread>

namespace ingot::testing {

FaultPage::FaultPage(const std::string& path, const std::string& below) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0 || ftruncate(file, sizeof(FaultControl)) != 0) throw std::runtime_error("no control file " + path);
  void* memory = mmap(nullptr, sizeof(FaultControl), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (memory == MAP_FAILED) throw std::runtime_error("can't map the control file");
  control_ = new (memory) FaultControl();
  environment_ = {"LD_PRELOAD=" INGOT_FAULTS_LIBRARY, "INGOT_FAULTS=" + path, "INGOT_FAULTS_BELOW=" + below,
                  // A sanitizer's runtime need not come first.
                  "ASAN_OPTIONS=verify_asan_link_order=0"};
}

FaultPage::~FaultPage() {
  munmap(control_, sizeof(FaultControl));
}

void fail_by_number(FaultRule& rule, int error, std::uint64_t after, std::uint64_t count) {
  rule.error = error;
  rule.count = count;
  rule.first = rule.calls + 1 + after;
}
void fail_by_chance(FaultRule& rule, int error, std::uint32_t per_million) {
  rule.error = error;
  rule.per_million = per_million;
}
void stop_failing(FaultRule& rule) {
  rule.first = 0;
  rule.per_million = 0;
}

void arm(Strike& strike, const StrikePlace& place, int signal, int number) {
  strike.state.store(Strike::off);
  strike.calls = place.calls;
  strike.after = place.after ? 1 : 0;
  strike.signal = signal;
  std::snprintf(strike.path, sizeof strike.path, "%s", place.path);
  std::snprintf(strike.thread, sizeof strike.thread, "%s", place.thread);
  strike.countdown = number;
  strike.pid = 0;
  strike.state.store(Strike::armed, std::memory_order_release);
}

void reached(const char* what) {
  static auto* const call = reinterpret_cast<void (*)(const char*)>(dlsym(RTLD_DEFAULT, "ingot_faults_reached"));
  if (call != nullptr) call(what);
}

std::optional<pid_t> struck(Strike& strike, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (strike.state.load() == Strike::armed && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  std::uint32_t armed = Strike::armed;
  if (strike.state.compare_exchange_strong(armed, Strike::off)) return std::nullopt;
  while (strike.pid.load(std::memory_order_acquire) == 0) std::this_thread::yield();
  return strike.pid.load();
}

}  // namespace ingot::testing
