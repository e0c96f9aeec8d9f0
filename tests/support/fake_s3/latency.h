// How long the fake S3 server takes for a request: half of it before the request takes effect, half after.
#pragma once

#include <chrono>
#include <mutex>
#include <random>

namespace ingot::fake_s3 {

struct Latency {
  std::chrono::microseconds fixed{0};
  std::chrono::microseconds jitter{0};  ///< up to so much more, evenly
  /// The fixed part is multiplied by a log-normal factor whose median is 1 and 99th percentile 2, and one request in a
  /// thousand takes ten times as long: the shape of S3's (PUT 100/195/274 ms at p50/p99/p99.9 in 2025, and some seconds
  /// now and then).
  bool tail = false;
};

/// Draws them, the same row each time. Threads: all may be called from any thread.
class LatencyDice {
 public:
  void set(const Latency& latency);
  std::chrono::microseconds draw();

 private:
  std::mutex mutex_;
  Latency latency_;
  std::mt19937_64 random_{1};
};

}  // namespace ingot::fake_s3
