#include "support/fake_s3/gate.h"

namespace ingot::fake_s3 {

bool Gate::sleep(std::chrono::microseconds duration) {
  std::unique_lock lock(mutex_);
  if (duration.count() > 0) changed_.wait_for(lock, duration, [this] { return stopped_; });
  return !stopped_;
}

bool Gate::hold() {
  std::unique_lock lock(mutex_);
  const std::uint64_t releases = releases_;
  ++held_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return stopped_ || releases_ != releases; });
  --held_;
  return !stopped_;
}

bool Gate::is_open() {
  std::unique_lock lock(mutex_);
  if (!silent_ && !stopped_) return true;
  changed_.wait(lock, [this] { return stopped_ || !silent_; });
  return false;
}

void Gate::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

void Gate::release() {
  const std::lock_guard lock(mutex_);
  ++releases_;
  changed_.notify_all();
}

bool Gate::wait_for_held(std::size_t count, std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return held_ >= count; });
}

void Gate::set_silent(bool silent) {
  const std::lock_guard lock(mutex_);
  silent_ = silent;
  changed_.notify_all();
}

}  // namespace ingot::fake_s3
