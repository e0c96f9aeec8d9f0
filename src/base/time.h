// Time, as the rest of the code may know it. In a testing build a simulation owns both clocks.
#pragma once

#include <chrono>
#include <cstdint>

namespace ingot::base {

using Duration = std::chrono::nanoseconds;

/// A point on the monotonic clock, in nanoseconds since some start. Never a wall time.
using Instant = std::chrono::time_point<std::chrono::steady_clock, Duration>;

inline constexpr Instant kNever = Instant::max();

/// Now, on the monotonic clock.
Instant now();

/// Microseconds since 1970 (UTC) by the machine's clock, which may jump either way.
std::int64_t wall_micros();

/// Blocks this thread for at least `duration`.
void sleep_for(Duration duration);

/// `start + duration` without overflow: what would pass kNever is kNever.
inline Instant deadline_after(Instant start, Duration duration) {
  return duration >= kNever - start ? kNever : start + duration;
}

}  // namespace ingot::base
