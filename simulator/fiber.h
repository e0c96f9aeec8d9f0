// A fiber: a function with a stack of its own that the host resumes and that suspends itself. One thread only.
// It may be abandoned at any suspension: its stack goes back to the pool, and nothing on it is destroyed.
//
// The state of C++ exceptions is kept per fiber, so a fiber may be suspended inside a catch block or a destructor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ingot::simulator {

/// Stacks with an inaccessible page below, kept for reuse.
class StackPool {
 public:
  StackPool() = default;
  ~StackPool();
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;

  /// The lowest usable byte of kStackBytes.
  char* take();
  void give_back(char* stack);

#if defined(__SANITIZE_ADDRESS__)
#define INGOT_SIMULATOR_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define INGOT_SIMULATOR_ASAN 1
#endif
#endif
#ifdef INGOT_SIMULATOR_ASAN
  static constexpr std::size_t kStackBytes = 2UL << 20;  // redzones make frames larger
#else
  static constexpr std::size_t kStackBytes = 512UL << 10;
#endif

 private:
  std::vector<char*> free_;
};

class Fiber {
 public:
  /// `entry(argument)` must not return (it suspends for the last time instead), nor let an exception out.
  Fiber(StackPool& pool, void (*entry)(void*), void* argument);
  ~Fiber();  // abandons what is left of it
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// By the host: runs the fiber until it suspends.
  void resume();
  /// By the fiber itself: back to the host.
  void suspend();

 private:
  // As the C++ ABI has it (__cxa_eh_globals).
  struct ExceptionState {
    void* caught = nullptr;
    unsigned int uncaught = 0;
  };
  static void start(void* self);
#if !defined(__x86_64__)
  static void start_parts(unsigned int high, unsigned int low);
#endif

  StackPool& pool_;
  char* stack_;
  void (*entry_)(void*);
  void* argument_;
  void* fiber_point_ = nullptr;  // where to go on: a stack pointer, or a ucontext_t
  void* host_point_ = nullptr;
  [[maybe_unused]] void* fiber_fake_stack_ = nullptr;  // AddressSanitizer's
  [[maybe_unused]] const void* host_stack_ = nullptr;
  [[maybe_unused]] std::size_t host_stack_bytes_ = 0;
  ExceptionState exceptions_;
};

}  // namespace ingot::simulator
