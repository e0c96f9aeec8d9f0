#include "support/fake_s3/latency.h"

namespace ingot::fake_s3 {

void LatencyDice::set(const Latency& latency) {
  const std::lock_guard lock(mutex_);
  latency_ = latency;
}

std::chrono::microseconds LatencyDice::draw() {
  const std::lock_guard lock(mutex_);
  double micros = static_cast<double>(latency_.fixed.count());
  if (latency_.tail) {
    micros *= std::lognormal_distribution(0.0, 0.298)(random_);  // ln 2 / 2.326, the normal 99th percentile
    if (std::uniform_int_distribution(1, 1000)(random_) == 1) micros *= 10;
  }
  if (latency_.jitter.count() > 0) {
    micros += static_cast<double>(std::uniform_int_distribution<std::int64_t>(0, latency_.jitter.count())(random_));
  }
  return std::chrono::microseconds(static_cast<std::int64_t>(micros));
}

}  // namespace ingot::fake_s3
