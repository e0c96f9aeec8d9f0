// Who owns which memory: the simulator's program replaces the global operator new and delete, and every allocation made
// while a simulated process runs goes to that process's list. A process that is killed loses its memory at once,
// without a destructor being called; one that ends cleanly must have given everything back.
//
// What the simulator itself allocates while a fiber runs (in the disk, the trace, the checkers) belongs to the host:
// such code opens a HostMemory scope first. Memory may be freed in any scope.
//
// The host's goes to a list of the run's, too. A run that fails abandons all its fibers, the director's included, and
// what is on their stacks owns memory of the host that nobody frees any more: the leak checker is told which.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ingot::simulator {

class Allocations {
 public:
  Allocations();
  ~Allocations() { free_all(); }
  Allocations(const Allocations&) = delete;
  Allocations& operator=(const Allocations&) = delete;

  /// Frees everything on the list, as the kernel does for a process that was killed.
  void free_all();
  /// Lets go of everything on the list: who still has it may free it, at any time.
  void disown_all();
  /// The same; and what nobody has any more is no leak.
  void abandon_all();
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t bytes_peak() const { return bytes_peak_; }

  /// Before each allocation: a link in its list.
  struct Header;

  /// The list that takes what is allocated now on this thread; null: none.
  static Allocations* current();
  static void set_current(Allocations* list);
  /// The list that takes what is allocated in HostMemory; null, and outside of runs: none.
  static Allocations* of_host();
  static void set_of_host(Allocations* list);

 private:
  friend void* allocate(std::size_t bytes, std::size_t alignment);
  friend void release(void* payload);
  Header* first_ = nullptr;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
  std::size_t bytes_peak_ = 0;
};

/// While alive, what is allocated belongs to the host.
class HostMemory {
 public:
  HostMemory() : before_(Allocations::current()) { Allocations::set_current(Allocations::of_host()); }
  ~HostMemory() { Allocations::set_current(before_); }
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;

 private:
  Allocations* before_;
};

/// While alive, what is allocated belongs to `list` (for results that the host hands to a process).
class MemoryOf {
 public:
  explicit MemoryOf(Allocations* list) : before_(Allocations::current()) { Allocations::set_current(list); }
  ~MemoryOf() { Allocations::set_current(before_); }
  MemoryOf(const MemoryOf&) = delete;
  MemoryOf& operator=(const MemoryOf&) = delete;

 private:
  Allocations* before_;
};

}  // namespace ingot::simulator
