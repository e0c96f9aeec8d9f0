// Sends a request to a bucket again until it is done, is refused, or its time is over: what all requests for immutable
// files have in common, since none of them does harm when it is carried out twice.
#pragma once

#include <cstdint>

#include "base/thread.h"
#include "base/time.h"
#include "storage/back_off.h"
#include "storage/bucket.h"
#include "storage/directory.h"

namespace ingot::storage {

/// Ends waits for good. Thread-safe.
class StopSign {
 public:
  void stop();
  [[nodiscard]] bool stopped() const;
  /// Until then, or (false) until it is stopped.
  bool wait_until(base::Instant until);

 private:
  mutable base::Mutex mutex_;
  base::ConditionVariable changed_;
  bool stopped_ = false;
};

/// The tries of one request. One thread.
class Retry {
 public:
  Retry(StopSign& stop, base::Instant deadline) : stop_(stop), deadline_(deadline) {}

  /// When the next try, with a body of so many bytes either way, counts as lost: later each time, so that a slow line
  /// gets it through in the end.
  [[nodiscard]] base::Instant try_until(std::uint64_t bytes) const;

  /// After an answer that was not the wanted one: waits as long as it should. False: give up, and error() says why.
  bool again(const Answer& answer);
  [[nodiscard]] IoError error() const { return error_; }
  [[nodiscard]] base::Instant deadline() const { return deadline_; }

 private:
  StopSign& stop_;
  const base::Instant deadline_;
  BackOff back_off_;
  int tries_ = 0;
  bool any_sent_ = false;
  IoError error_;
};

}  // namespace ingot::storage
