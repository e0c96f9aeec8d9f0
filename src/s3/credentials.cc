#include "s3/credentials.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/testing.h"

namespace ingot::s3 {

namespace {

// A renewal ahead of time must not hold up the request that happens to do it.
constexpr std::chrono::seconds kEarlyRenewalMax{2};
// After a failure, so that each request does not wait for another one.
constexpr std::chrono::seconds kRenewalPause{2};
// After a renewal that brought what is due again at once: the metadata services change theirs when they like, if only
// when the old ones end.
constexpr std::chrono::seconds kEarlyRenewalPause{30};

}  // namespace

CredentialCache::CredentialCache(Load load, const ServerClock& clock, std::chrono::seconds renew_before)
    : load_(std::move(load)), clock_(clock), renew_before_(renew_before) {}

CredentialCache::State CredentialCache::state() const {
  if (current_ == nullptr || rejected_) return State::none;
  if (!current_->expires) return State::fresh;
  const storage::BucketDate now = clock_.now();
  if (now < *current_->expires - renew_before_) return State::fresh;
  return now < *current_->expires ? State::due : State::past;
}

FoundCredentials CredentialCache::get(base::Instant deadline) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const State state_now = state();
    if (state_now == State::fresh) return {current_, {}};
    if (renewing_) {
      if (state_now == State::due) return {current_, {}};
      if (!renewed_.wait_until(lock, deadline) && base::now() >= deadline) {
        return {nullptr, "the time was up while credentials were being fetched"};
      }
      continue;
    }
    const base::Instant now = base::now();
    if (now < not_before_) {
      if (state_now != State::none) return {current_, {}};
      return failure_;
    }
    renew(lock, state_now == State::due ? std::min(deadline, now + kEarlyRenewalMax) : deadline);
  }
}

void CredentialCache::renew(std::unique_lock<base::Mutex>& lock, base::Instant deadline) {
  renewing_ = true;
  lock.unlock();
  FoundCredentials found;
  try {
    found = load_(deadline);
  } catch (...) {
    lock.lock();
    renewing_ = false;
    renewed_.notify_all();
    throw;
  }
  lock.lock();
  renewing_ = false;
  renewed_.notify_all();
  if (found.credentials == nullptr) {
    if (current_ != nullptr && !rejected_) base::probe("s3: credentials could not be renewed, and are used on");
    failure_ = {nullptr, std::move(found.why), found.is_hopeless && current_ == nullptr};
    not_before_ = base::now() + kRenewalPause;
    return;
  }
  const bool same = current_ != nullptr && *current_ == *found.credentials;
  current_ = std::move(found.credentials);
  rejected_ = false;
  if (state() == State::fresh) {
    not_before_ = same ? base::now() + kRenewalPause : base::Instant{};
  } else {
    const std::chrono::seconds left = *current_->expires - clock_.now();
    not_before_ = base::now() + std::clamp(left, kRenewalPause, kEarlyRenewalPause);
  }
}

void CredentialCache::reject(const std::shared_ptr<const Credentials>& credentials) {
  const std::lock_guard lock(mutex_);
  if (current_ != credentials || renewing_ || base::now() < not_before_) return;
  rejected_ = true;
}

}  // namespace ingot::s3
