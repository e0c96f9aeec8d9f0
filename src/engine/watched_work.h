// Work on threads of its own, while the caller's thread tells how far it has come: so whoever waits hears of it once a
// second, though the work waits for a network, and can end it.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <vector>

#include "base/function_ref.h"
#include "base/thread.h"

namespace ingot::engine {

// Used once.
class WatchedWork {
 public:
  WatchedWork() = default;
  ~WatchedWork();  // waits for the work
  WatchedWork(const WatchedWork&) = delete;
  WatchedWork& operator=(const WatchedWork&) = delete;

  // Calls `work` on so many threads, or on fewer if there can't be as many, and returns when all of these calls have.
  //   tell     is called on this thread, with how many more bytes were noted, once a second at least; what it throws
  //            ends all, and is thrown here when the work has ended
  //   stop     has what the work waits for end soon
  //   throws   what `work` threw first, else
  void run(std::size_t threads, const std::function<void()>& work, base::FunctionRef<void(std::uint64_t bytes)> tell,
           base::FunctionRef<void()> stop);

  // For the work, on its threads. So many more bytes are there. Returns whether to go on.
  bool note(std::uint64_t bytes);
  // What is not begun won't be needed.
  void end();

 private:
  void work_on(const std::function<void()>& work);

  base::Mutex mutex_;
  base::ConditionVariable changed_;
  // Guarded by mutex_:
  std::size_t working_ = 0;
  std::uint64_t noted_bytes_ = 0;  // not told yet
  std::exception_ptr thrown_;
  bool ending_ = false;

  std::vector<base::Thread> threads_;
};

}  // namespace ingot::engine
