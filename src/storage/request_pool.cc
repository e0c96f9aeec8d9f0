#include "storage/request_pool.h"

#include <algorithm>
#include <utility>

#include "base/testing.h"

namespace ingot::storage {
namespace {

// Longer than the pauses between a busy store's requests: a thread costs more to start than to keep.
constexpr base::Duration kIdleMax = std::chrono::seconds(20);

}  // namespace

RequestPool::RequestPool(std::size_t threads_max)
    : threads_max_(std::max<std::size_t>(threads_max, 2)),
      bulk_max_(threads_max_ - std::max<std::size_t>(threads_max_ / 4, 1)),
      fork_generation_(base::fork_generation()),
      workers_(std::make_unique<std::list<Worker>>()) {}

RequestPool::~RequestPool() {
  if (is_child()) {  // the threads are the parent's
    (void)workers_.release();
    return;
  }
  {
    const Lock lock(mutex_);
    closing_ = true;
    changed_.notify_all();
  }
  workers_.reset();  // joins: outside of the mutex, which they need to end
}

bool RequestPool::start(Urgency urgency, std::function<void()> request) {
  if (is_child()) return false;
  Lock lock(mutex_);
  (urgency == Urgency::prompt ? prompt_ : bulk_).push_back(std::move(request));
  const std::size_t bulk = std::min(bulk_.size(), bulk_max_ - bulk_running_);
  if (prompt_.size() + bulk > idle_ && alive_ < threads_max_ && !add_thread() && alive_ == 0) {
    base::probe("requests: no thread can be had");
    run_one(lock);
  }
  changed_.notify_one();
  return true;
}

std::size_t RequestPool::threads() const {
  const Lock lock(mutex_);
  return alive_;
}

// The mutex is held. Those that have ended need it no more.
bool RequestPool::add_thread() {
  std::erase_if(*workers_, [](const Worker& worker) { return worker.ended; });
  try {
    Worker& worker = workers_->emplace_back();
    try {
      worker.thread = base::Thread("ingot-request", [this, &worker] { work(worker); });
    } catch (...) {
      workers_->pop_back();
      throw;
    }
  } catch (const std::exception&) {
    return false;
  }
  ++alive_;
  return true;
}

void RequestPool::work(Worker& self) {
  Lock lock(mutex_);
  base::Instant until = base::now() + kIdleMax;
  while (!closing_) {
    if (has_work()) {
      run_one(lock);
      until = base::now() + kIdleMax;
      continue;
    }
    if (base::now() >= until) break;
    ++idle_;
    (void)changed_.wait_until(lock, until);
    --idle_;
  }
  --alive_;
  self.ended = true;
}

// There is work; the mutex is held, and is let go meanwhile.
void RequestPool::run_one(Lock& lock) {
  const bool is_bulk = prompt_.empty();
  std::deque<std::function<void()>>& queue = is_bulk ? bulk_ : prompt_;
  {
    const std::function<void()> request = std::move(queue.front());
    queue.pop_front();
    if (is_bulk) ++bulk_running_;
    lock.unlock();
    try {
      request();
    } catch (...) {  // NOLINT(bugprone-empty-catch): see `start`
    }
  }
  lock.lock();
  if (is_bulk) --bulk_running_;
}

void RequestGroup::start(std::function<void()> request) {
  {
    const std::lock_guard lock(count_->mutex);
    ++count_->running;
  }
  const auto ended = [](Count& count) {
    const std::lock_guard lock(count.mutex);
    --count.running;
    count.changed.notify_all();
  };
  bool started = false;
  try {
    started = pool_.start(urgency_, [count = count_, request = std::move(request), ended] {
      try {
        request();
      } catch (...) {  // NOLINT(bugprone-empty-catch): what it was to fill in says that nothing came
      }
      ended(*count);
    });
  } catch (...) {
    ended(*count_);
    throw;
  }
  if (!started) ended(*count_);
}

void RequestGroup::wait() {
  std::unique_lock lock(count_->mutex);
  while (count_->running != 0) count_->changed.wait(lock);
}

}  // namespace ingot::storage
