// Epoch-based reclamation: readers hold no locks and write only their own cache line; what a writer unlinks is
// freed once every reader that could see it has left. After Fraser, "Practical lock-freedom" (2004), with slots
// per thread.
//
// Rules: a Guard is short, and nothing waits (no I/O, no mutex that is held over I/O) inside one. Guards nest.
// A pointer read inside a guard is dead after it, unless something else keeps what it points to.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/thread.h"

namespace ingot::base {

class EpochDomain {
 public:
  EpochDomain();
  ~EpochDomain();  // no guard is alive; frees everything retired
  EpochDomain(const EpochDomain&) = delete;
  EpochDomain& operator=(const EpochDomain&) = delete;

  class Guard {
   public:
    explicit Guard(EpochDomain& domain) : domain_(domain), slot_(domain.enter()) {}
    ~Guard() { domain_.leave(slot_); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    EpochDomain& domain_;
    void* slot_;
  };

  /// Runs `reclaim` once no guard that is alive now is alive any more: at a later retire or collect, on that thread.
  void retire(std::function<void()> reclaim);

  /// Reclaims what can be.
  void collect();

 private:
  struct Slot;
  struct Chunk;
  void* enter();
  void leave(void* slot);
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace ingot::base
