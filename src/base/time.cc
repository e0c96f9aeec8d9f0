#include "base/time.h"

#include <cerrno>
#include <ctime>

#include "base/simulation.h"

namespace ingot::base {

Instant now() {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) return s->now();
#endif
  return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
}

std::int64_t wall_micros() {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) return s->wall_micros();
#endif
  timespec time;
  ::clock_gettime(CLOCK_REALTIME, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000 + time.tv_nsec / 1000;
}

void sleep_for(Duration duration) {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) {
    s->sleep_for(duration);
    return;
  }
#endif
  if (duration <= Duration::zero()) return;
  timespec left{static_cast<time_t>(duration.count() / 1'000'000'000), duration.count() % 1'000'000'000};
  while (::nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

}  // namespace ingot::base
