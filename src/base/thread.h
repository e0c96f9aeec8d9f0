// Threads and everything that waits. All of the library's waiting goes through these types, so that in a
// testing build a simulation can run many "processes" of the real code as fibers under one seeded scheduler:
// when one is active, each type below asks the scheduler instead of the kernel.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/time.h"

namespace ingot::base {

/// A mutex, usable with std::lock_guard and std::unique_lock. Not recursive.
class Mutex {
 public:
  Mutex();
  ~Mutex();
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void lock();
  bool try_lock();
  void unlock();

 private:
  friend class ConditionVariable;
  std::mutex real_;
#ifdef INGOT_TESTING
  bool simulated_locked_ = false;
#endif
};

/// Wakes those who wait for a change of what a Mutex guards. Wake-ups may be spurious: wait in a loop.
class ConditionVariable {
 public:
  ConditionVariable();
  ~ConditionVariable();
  ConditionVariable(const ConditionVariable&) = delete;
  ConditionVariable& operator=(const ConditionVariable&) = delete;
  void wait(std::unique_lock<Mutex>& lock);
  /// Returns false if the deadline passed (kNever: it never does).
  bool wait_until(std::unique_lock<Mutex>& lock, Instant deadline);
  void notify_one();
  void notify_all();

 private:
  std::condition_variable real_;
};

/// A 32-bit word in this process's memory to wait on: a futex. wait_until returns at once if the word is not
/// `expected`; else when woken (or spuriously), or false at the deadline.
class WaitWord {
 public:
  explicit WaitWord(std::uint32_t value = 0) : word_(value) {}
  std::atomic<std::uint32_t>& value() { return word_; }
  bool wait_until(std::uint32_t expected, Instant deadline);
  void wake_one();
  void wake_all();

 private:
  std::atomic<std::uint32_t> word_;
};

/// A thread of our own. Signals are blocked in it: they are the application's. An exception that leaves
/// `body` ends the thread and is lost, so `body` catches. The destructor joins.
class Thread {
 public:
  Thread();
  /// `name`: at most 15 bytes are shown by the system's tools.
  Thread(std::string name, std::function<void()> body);
  Thread(Thread&&) noexcept;
  Thread& operator=(Thread&&) noexcept;
  ~Thread();
  void join();
  [[nodiscard]] bool joinable() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A small number, unique among the threads alive now (in a simulation: the fibers of one process), from 0 up;
/// a later thread may get the number of one that ended.
std::uint32_t thread_index();

/// Tells the processor (or the simulation) that this is a spin loop.
void spin_pause();

/// Lets another thread run.
void yield_thread();

/// How often this process is a fork's child: differs from what a handle saw at its making exactly in a child.
/// One relaxed load.
std::uint32_t fork_generation();

/// This process's id and what tells it from a later one with the same id (its start time).
struct ProcessIdentity {
  std::uint32_t pid = 0;
  std::uint64_t start = 0;
  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};
ProcessIdentity process_identity();

}  // namespace ingot::base
