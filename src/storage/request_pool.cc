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
      fork_generation_(base::fork_generation()) {}

RequestPool::~RequestPool() {
  if (is_child()) {  // the threads are the parent's
    (void)state_.release();
    return;
  }
  {
    const Lock lock(state_->mutex);
    state_->closing = true;
    state_->changed.notify_all();
  }
  state_->workers.clear();  // joins: outside of the mutex, which they need to end
}

bool RequestPool::start(Urgency urgency, std::function<void()> request) {
  if (is_child()) return false;
  Lock lock(state_->mutex);
  (urgency == Urgency::prompt ? state_->prompt : state_->bulk).push_back(std::move(request));
  const std::size_t bulk = std::min(state_->bulk.size(), bulk_max_ - state_->bulk_running);
  if (state_->prompt.size() + bulk > state_->idle && state_->alive < threads_max_ && !add_thread() &&
      state_->alive == 0) {
    base::probe("requests: no thread can be had");
    run_one(lock);
  }
  state_->changed.notify_one();
  return true;
}

std::size_t RequestPool::threads() const {
  const Lock lock(state_->mutex);
  return state_->alive;
}

// The mutex is held. Those that have ended need it no more.
bool RequestPool::add_thread() {
  std::erase_if(state_->workers, [](const Worker& worker) { return worker.ended; });
  try {
    Worker& worker = state_->workers.emplace_back();
    try {
      worker.thread = base::Thread("ingot-request", [this, &worker] { work(worker); });
    } catch (...) {
      state_->workers.pop_back();
      throw;
    }
  } catch (const std::exception&) {
    return false;
  }
  ++state_->alive;
  return true;
}

void RequestPool::work(Worker& self) {
  Lock lock(state_->mutex);
  base::Instant until = base::now() + kIdleMax;
  while (!state_->closing) {
    if (has_work()) {
      run_one(lock);
      until = base::now() + kIdleMax;
      continue;
    }
    if (base::now() >= until) break;
    ++state_->idle;
    (void)state_->changed.wait_until(lock, until);
    --state_->idle;
  }
  --state_->alive;
  self.ended = true;
}

// There is work; the mutex is held, and is let go meanwhile.
void RequestPool::run_one(Lock& lock) {
  const bool is_bulk = state_->prompt.empty();
  std::deque<std::function<void()>>& queue = is_bulk ? state_->bulk : state_->prompt;
  {
    const std::function<void()> request = std::move(queue.front());
    queue.pop_front();
    if (is_bulk) ++state_->bulk_running;
    lock.unlock();
    try {
      request();
    } catch (...) {  // NOLINT(bugprone-empty-catch): see `start`
    }
  }
  lock.lock();
  if (is_bulk) --state_->bulk_running;
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
