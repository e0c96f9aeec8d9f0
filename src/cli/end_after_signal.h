// Ends the process after a signal, if what it is doing does not end by itself.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace ingot::cli {

/// While this lives, a noted signal (note_signals()) ends the process within kPatience, as it would not while it waits
/// for a bucket that is away. For what may be killed at any moment without loss.
class EndAfterSignal {
 public:
  /// So long may requests that are under way take to come to an end.
  static constexpr std::chrono::seconds kPatience{3};

  /// `last_words` are said before the end, on a thread of this object.
  explicit EndAfterSignal(std::function<void()> last_words);
  /// From now on nothing waits for a signal.
  ~EndAfterSignal();
  EndAfterSignal(const EndAfterSignal&) = delete;
  EndAfterSignal& operator=(const EndAfterSignal&) = delete;

 private:
  void wait();

  const std::function<void()> last_words_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool is_ended_ = false;
  std::thread thread_;  // last: it uses all the others
};

}  // namespace ingot::cli
