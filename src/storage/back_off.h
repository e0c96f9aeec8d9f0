// How long to wait before a request is sent again: longer each time, at random so that many who were turned away at
// once do not come back at once, and never sooner than the bucket has asked for.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/random.h"
#include "base/time.h"
#include "storage/bucket.h"

namespace ingot::storage {

/// One thread at a time.
class BackOff {
 public:
  /// What a bucket asks for beyond this is not believed.
  static constexpr base::Duration kRetryAfterMax = std::chrono::minutes(2);

  explicit BackOff(base::Duration first = std::chrono::milliseconds(50),
                   base::Duration longest = std::chrono::seconds(5))
      : first_(first), longest_(longest), step_(first), random_(base::random_u64()) {}

  /// After an answer that decides nothing: between half of the step and all of it, and the next step is twice as long.
  /// A conflict is over at once: a few milliseconds, unless there was one before.
  base::Duration next(const Answer& answer) {
    const bool is_conflict = answer.outcome == Outcome::conflict;
    const bool at_once = is_conflict && ++conflicts_ <= kConflictsAtOnce;
    if (!is_conflict) conflicts_ = 0;
    const base::Duration step = at_once ? base::Duration(std::chrono::milliseconds(4)) : step_;
    if (!at_once) step_ = std::min(step_ * 2, longest_);
    const auto half = static_cast<std::uint64_t>(step.count() / 2);
    const auto jitter = static_cast<std::int64_t>(random_.below(half + 1));
    const base::Duration pause = base::Duration(step.count() / 2 + jitter);
    return std::max(pause, std::min(answer.retry_after, kRetryAfterMax));
  }

  /// It went well.
  void reset() {
    step_ = first_;
    conflicts_ = 0;
  }

 private:
  static constexpr int kConflictsAtOnce = 3;
  base::Duration first_;
  base::Duration longest_;
  base::Duration step_;
  int conflicts_ = 0;
  base::Random random_;
};

}  // namespace ingot::storage
