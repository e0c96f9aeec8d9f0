#include "storage/bucket_retry.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <mutex>

namespace ingot::storage {

namespace {

// A small request that takes longer has most likely met a bad server, and its copy will not (AWS advises 2 s and more).
constexpr base::Duration kFirstTry = std::chrono::seconds(4);
constexpr int kDoublingsMax = 4;
// The slowest line on which parts of 8 MiB are still sensible: 2 Mbit/s.
constexpr std::uint64_t kBytesPerSecondMin = 256UL * 1024;

}  // namespace

void StopSign::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

bool StopSign::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

bool StopSign::wait_until(base::Instant until) {
  std::unique_lock lock(mutex_);
  while (!stopped_ && base::now() < until) changed_.wait_until(lock, until);
  return !stopped_;
}

base::Instant Retry::try_until(std::uint64_t bytes) const {
  const base::Duration body = std::chrono::seconds(bytes / kBytesPerSecondMin);
  const base::Duration all = (kFirstTry + body) * (1 << std::min(tries_, kDoublingsMax));
  return std::min(deadline_, base::now() + all);
}

bool Retry::again(const Answer& answer) {
  ++tries_;
  switch (answer.outcome) {
    case Outcome::absent:
      error_ = IoError(ENOENT);
      return false;
    case Outcome::refused:
      error_ = IoError(EACCES);
      return false;
    case Outcome::done:  // and makes no sense, says the caller
    case Outcome::exists:
    case Outcome::conflict:
    case Outcome::throttled:
    case Outcome::failed:
    case Outcome::unanswered:
    case Outcome::too_late:
      any_sent_ = true;
      break;
    case Outcome::unsent:
      break;
  }
  const base::Instant next = base::now() + back_off_.next(answer);
  if (stop_.stopped()) {
    error_ = IoError(ECANCELED);
  } else if (next >= deadline_) {
    error_ = IoError(any_sent_ ? ETIMEDOUT : ENETUNREACH);
  } else {
    if (stop_.wait_until(next)) return true;
    error_ = IoError(ECANCELED);
  }
  return false;
}

}  // namespace ingot::storage
