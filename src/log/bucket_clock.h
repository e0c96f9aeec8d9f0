// The time that a store in a bucket goes by: the Date of the bucket's answers, carried on by this machine's monotonic
// clock. The median of the recent answers counts, so that one server with a wrong clock moves nothing; no machine's
// wall clock plays a part.
//
// A monotonic clock stands still while a virtual machine is paused: then the recent answers disagree with the old ones,
// and after a few of them the median is right again. Nothing that must be safe meanwhile trusts this clock alone.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/time.h"
#include "storage/bucket.h"

namespace ingot::log {

/// The monotonic clock, in microseconds.
inline std::int64_t monotonic_micros(base::Instant instant) {
  return std::chrono::duration_cast<std::chrono::microseconds>(instant.time_since_epoch()).count();
}

/// An answer's Date, and when it was asked and heard.
struct DateSample {
  storage::BucketDate date;
  base::Instant sent;
  base::Instant answered;
};

/// One thread at a time.
class BucketClock {
 public:
  static constexpr std::size_t kSamples = 9;
  /// Servers of one bucket may differ by some seconds, and an answer may have been on its way for a while.
  static constexpr std::chrono::minutes kPlausible{5};
  static constexpr std::chrono::seconds kRoundTripMax{30};

  void add(const DateSample& sample);
  /// How far it is ahead of the monotonic clock, in microseconds; nothing: there was no answer with a Date yet.
  [[nodiscard]] std::optional<std::int64_t> offset() const;
  /// Whether a Date that was heard at `answered` is near what the others say. True if there are no others.
  [[nodiscard]] bool is_plausible(const DateSample& sample) const;

 private:
  std::array<std::int64_t, kSamples> offsets_{};
  std::size_t count_ = 0;  // of all samples ever
};

}  // namespace ingot::log
