#include "base/testing.h"

#ifdef INGOT_TESTING

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/simulation.h"

namespace ingot::base {

namespace {

constexpr std::size_t kBreaks = static_cast<std::size_t>(Break::count);
constexpr std::array<const char*, kBreaks> kNames = {
#define INGOT_BREAK_NAME(name) #name,
    INGOT_BREAKS(INGOT_BREAK_NAME)
#undef INGOT_BREAK_NAME
};

struct Breaks {
  std::array<std::atomic<bool>, kBreaks> on{};
  Breaks() {
    const char* names = std::getenv("INGOT_BREAK");
    if (names == nullptr) return;
    const std::string list = std::string(",") + names + ",";
    for (std::size_t i = 0; i < kBreaks; ++i) {
      if (list.find("," + std::string(kNames[i]) + ",") != std::string::npos) on[i].store(true);
    }
  }
};
Breaks& breaks() {
  static Breaks instance;
  return instance;
}

struct Probes {
  std::mutex mutex;
  std::map<std::string, std::uint64_t, std::less<>> counts;
};
Probes& probes() {
  static auto* instance = new Probes;  // threads may still report while the program ends
  return *instance;
}

}  // namespace

bool broken(Break which) {
  return breaks().on[static_cast<std::size_t>(which)].load(std::memory_order_relaxed);
}
void set_break(Break which, bool on) {
  breaks().on[static_cast<std::size_t>(which)].store(on);
}
const char* break_name(Break which) {
  return kNames.at(static_cast<std::size_t>(which));
}

namespace {

// The first time in this process, to the file that $INGOT_PROBES names: the suite looks whether each probe was reached
// by some test. Straight to the file, without allocating: who reports may be killed next, or be a simulated process.
void note(const char* name) {
  static const int file = [] {
    const char* path = std::getenv("INGOT_PROBES");
    return path == nullptr ? -1 : ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  }();
  rlimit limit{};  // a test's: a write beyond it would be a signal
  if (file < 0 || ::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY) return;
  static std::array<std::atomic<const char*>, 1024> noted;
  for (std::atomic<const char*>& slot : noted) {
    const char* there = slot.load(std::memory_order_relaxed);
    if (there == name) return;
    if (there != nullptr || !slot.compare_exchange_strong(there, name)) {
      if (there == name) return;
      continue;
    }
    const std::array<iovec, 2> line = {iovec{const_cast<char*>(name), std::strlen(name)},
                                       iovec{const_cast<char*>("\n"), 1}};
    if (::writev(file, line.data(), 2) < 0) return;
    return;
  }
}

}  // namespace

void probe(const char* name) {
  note(name);
  if (Simulation* s = simulation()) {
    s->probe(name);
    return;
  }
  const std::lock_guard lock(probes().mutex);
  ++probes().counts[name];
}

namespace {
std::function<void()>& interlude_hook() {
  static auto* hook = new std::function<void()>;
  return *hook;
}
std::atomic<bool> has_interlude{false};
}  // namespace

void interlude() {
  if (Simulation* s = simulation()) {
    s->step();
  } else if (has_interlude.load(std::memory_order_acquire)) {
    interlude_hook()();
  }
}

void set_interlude(std::function<void()> during) {
  has_interlude.store(false);
  interlude_hook() = std::move(during);
  has_interlude.store(static_cast<bool>(interlude_hook()));
}

std::uint64_t probe_count(const char* name) {
  const std::lock_guard lock(probes().mutex);
  const auto found = probes().counts.find(std::string_view(name));
  return found == probes().counts.end() ? 0 : found->second;
}

}  // namespace ingot::base

#endif  // INGOT_TESTING
