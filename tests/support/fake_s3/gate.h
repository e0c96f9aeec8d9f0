// Where requests to the fake S3 server wait: for their latency, because a test holds them, or while it is silent. All
// waiting ends when it stops.
//
// Threads: all may be called from any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace ingot::fake_s3 {

class Gate {
 public:
  // For requests. False: it stops; do nothing more.
  bool sleep(std::chrono::microseconds duration);
  bool hold();
  /// Returns at once if it is not silent: then true. Else false, after the silence.
  bool is_open();

  // For the test.
  void stop();
  void release();
  bool wait_for_held(std::size_t count, std::chrono::milliseconds patience);
  void set_silent(bool silent);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  bool silent_ = false;
  std::size_t held_ = 0;
  std::uint64_t releases_ = 0;
};

}  // namespace ingot::fake_s3
