// The servers' clock, as their answers tell it: what requests are signed with, and credentials expire by, so that a
// machine whose clock is wrong works all the same.
#pragma once

#include <atomic>
#include <chrono>

#include "base/time.h"
#include "storage/bucket.h"

namespace ingot::s3 {

/// Any thread may call anything.
class ServerClock {
 public:
  /// This machine's clock, corrected by what the last answer said.
  [[nodiscard]] storage::BucketDate now() const {
    return local() + std::chrono::seconds(ahead_.load(std::memory_order_relaxed));
  }
  /// An answer that was dated `date` came when this machine's clock said `at`.
  void learn(storage::BucketDate date, storage::BucketDate at) {
    ahead_.store((date - at).count(), std::memory_order_relaxed);
  }
  /// This machine's clock.
  static storage::BucketDate local() {
    return storage::BucketDate(
        std::chrono::floor<std::chrono::seconds>(std::chrono::microseconds(base::wall_micros())));
  }

 private:
  std::atomic<std::int64_t> ahead_{0};  // seconds that the servers' clock is ahead of ours
};

}  // namespace ingot::s3
