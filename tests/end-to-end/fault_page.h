// The test's side of the fault library: the page that tells it what to do, and the environment that loads it.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "child.h"
#include "faults/control.h"

namespace ingot::testing {

class FaultPage {
 public:
  // A new page in the file `path`, for the files below `below`.
  FaultPage(const std::string& path, const std::string& below);
  ~FaultPage();
  FaultPage(const FaultPage&) = delete;
  FaultPage& operator=(const FaultPage&) = delete;
  FaultControl* operator->() const { return control_; }
  FaultControl& operator*() const { return *control_; }
  // For a child that is to have the faults.
  [[nodiscard]] const Arguments& environment() const { return environment_; }

 private:
  FaultControl* control_ = nullptr;
  Arguments environment_;
};

void fail_by_number(FaultRule& rule, int error, std::uint64_t after, std::uint64_t count);
void fail_by_chance(FaultRule& rule, int error, std::uint32_t per_million);
void stop_failing(FaultRule& rule);

// Where a process is to be struck.
struct StrikePlace {
  const char* name;    // for people
  const char* thread;  // empty: any
  const char* path;    // a part of the file's path
  std::uint32_t calls;
  bool after = false;
};
constexpr std::uint32_t only(Call one) {
  return static_cast<std::uint32_t>(one);
}
constexpr std::uint32_t operator|(Call one, Call other) {
  return static_cast<std::uint32_t>(one) | static_cast<std::uint32_t>(other);
}
constexpr std::uint32_t operator|(std::uint32_t some, Call other) {
  return some | static_cast<std::uint32_t>(other);
}
inline constexpr std::uint32_t kAnyCall =
    Call::read | Call::write | Call::sync | Call::open | Call::rename | Call::unlink | Call::truncate;

// The first process that comes there for the `number`th time (all processes' calls counted together) gets `signal`.
void arm(Strike& strike, const StrikePlace& place, int signal, int number);
// In a child: it has come to `what`, which a strike may name as its path (Call::told). Nothing without the library.
void reached(const char* what);
// Who was struck, if anybody was by the end of `patience`; afterwards nobody will be.
std::optional<pid_t> struck(Strike& strike, std::chrono::milliseconds patience);

}  // namespace ingot::testing
