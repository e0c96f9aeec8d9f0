// The seam between src/base and the simulator, in testing builds only: while a simulation runs its fibers on this
// thread, the types of thread.h, time.h, random.h and testing.h ask it instead of the kernel. One simulation runs on
// one operating-system thread; other threads never see it.
#pragma once

#ifdef INGOT_TESTING

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/thread.h"
#include "base/time.h"

namespace ingot::base {

class Simulation {
 public:
  /// A place where another fiber may run, or this one's process may be killed.
  virtual void step() = 0;
  /// The same, by one that waits for others by spinning: it stands back behind all of them.
  virtual void stand_back() = 0;
  /// Waits until woken on this address, or (false) the deadline. May wake for nothing.
  virtual bool wait_until(const void* address, Instant deadline) = 0;
  /// Wakes one, or all, of those who wait on this address; does not let them run yet.
  virtual void wake_one(const void* address) = 0;
  virtual void wake_all(const void* address) = 0;

  virtual std::uint64_t start_thread(std::string name, std::function<void()> body) = 0;
  virtual void join_thread(std::uint64_t thread) = 0;
  virtual std::uint32_t thread_index() = 0;
  virtual std::uint32_t fork_generation() = 0;
  virtual ProcessIdentity process_identity() = 0;

  virtual Instant now() = 0;
  virtual std::int64_t wall_micros() = 0;
  virtual void sleep_for(Duration duration) = 0;
  virtual void random_bytes(std::span<char> out) = 0;
  virtual void probe(const char* name) = 0;

 protected:
  ~Simulation() = default;
};

/// The simulation whose fiber this thread is running now; null in real life.
inline thread_local constinit Simulation* active_simulation = nullptr;
inline Simulation* simulation() {
  return active_simulation;
}

}  // namespace ingot::base

#endif  // INGOT_TESTING
