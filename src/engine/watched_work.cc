#include "engine/watched_work.h"

#include <chrono>
#include <mutex>
#include <system_error>
#include <utility>

namespace ingot::engine {

namespace {

// While nothing moves, whoever waits may want to end it.
constexpr base::Duration kTellEvery = std::chrono::seconds(1);

}  // namespace

WatchedWork::~WatchedWork() {
  end();
  for (base::Thread& thread : threads_) thread.join();
}

void WatchedWork::run(std::size_t threads, const std::function<void()>& work,
                      base::FunctionRef<void(std::uint64_t bytes)> tell, base::FunctionRef<void()> stop) {
  std::unique_lock lock(mutex_);
  for (; threads > 0; --threads) {
    try {
      threads_.emplace_back("ingot-copy", [this, work] { work_on(work); });
      ++working_;
    } catch (const std::system_error&) {
      if (working_ == 0) throw;  // fewer do it, too
      break;
    }
  }
  while (working_ != 0 || noted_bytes_ != 0) {
    const base::Instant until = base::now() + kTellEvery;
    while (noted_bytes_ == 0 && working_ != 0 && changed_.wait_until(lock, until)) {
    }
    if (noted_bytes_ == 0 && working_ == 0) break;
    const std::uint64_t bytes = std::exchange(noted_bytes_, 0);
    lock.unlock();
    try {
      tell(bytes);
    } catch (...) {
      end();
      stop();
      for (base::Thread& thread : threads_) thread.join();
      threads_.clear();
      throw;
    }
    lock.lock();
  }
  if (thrown_) std::rethrow_exception(thrown_);
}

bool WatchedWork::note(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  noted_bytes_ += bytes;
  changed_.notify_all();
  return !ending_;
}

void WatchedWork::end() {
  const std::lock_guard lock(mutex_);
  ending_ = true;
}

void WatchedWork::work_on(const std::function<void()>& work) {
  std::exception_ptr thrown;
  try {
    work();
  } catch (...) {
    thrown = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  if (thrown) ending_ = true;
  if (thrown && !thrown_) thrown_ = thrown;
  --working_;
  changed_.notify_all();
}

}  // namespace ingot::engine
