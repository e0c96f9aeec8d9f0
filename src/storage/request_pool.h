// Threads for requests to a bucket: a call blocks (storage/bucket.h), and whoever wants several under way at once (a
// window of reads, the same put on a second connection, the parts of an upload) has each called on a thread of its own.
//
// Threads are started when there is something to do, up to a bound, and end when they have been idle for a while.
// What is more than the bound waits its turn. Requests that nobody waits for take no more than three quarters of the
// threads, so that those which somebody waits for never stand behind an upload.
//
// A request never waits for another request of the same pool: all threads could be waiting.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <memory>

#include "base/thread.h"
#include "base/time.h"

namespace ingot::storage {

/// Enough for two windows of reads of the log, or to fill a line of 1 Gbit/s with parts of 8 MiB at S3's latency.
inline constexpr std::size_t kRequestThreadsMax = 32;

enum class Urgency : std::uint8_t {
  prompt,  // somebody waits for it: the log, what is read
  bulk,    // parts of runs, what is swept
};

/// Any thread, but for the destructor. After a fork the child's copy does nothing.
class RequestPool {
 public:
  explicit RequestPool(std::size_t threads_max = kRequestThreadsMax);
  /// Waits for the requests that have begun, and does not begin the others: whoever still needs those has waited.
  ~RequestPool();
  RequestPool(const RequestPool&) = delete;
  RequestPool& operator=(const RequestPool&) = delete;

  /// Has `request` called on some thread, soon; on this one before it returns if no thread can be had at all. What it
  /// throws is lost, so it catches. False: never (a fork's child).
  bool start(Urgency urgency, std::function<void()> request);

  /// How many there are now.
  [[nodiscard]] std::size_t threads() const;

 private:
  struct Worker {
    base::Thread thread;
    bool ended = false;
  };
  // A fork's child leaves it as it is: a thread that is not there may have held the mutex, and waits for the condition.
  struct State {
    base::Mutex mutex;
    base::ConditionVariable changed;
    std::deque<std::function<void()>> prompt;
    std::deque<std::function<void()>> bulk;
    std::list<Worker> workers;
    std::size_t alive = 0;
    std::size_t idle = 0;
    std::size_t bulk_running = 0;
    bool closing = false;
  };
  using Lock = std::unique_lock<base::Mutex>;
  void work(Worker& self);
  [[nodiscard]] bool has_work() const {
    return !state_->prompt.empty() || (!state_->bulk.empty() && state_->bulk_running < bulk_max_);
  }
  void run_one(Lock& lock);
  bool add_thread();
  [[nodiscard]] bool is_child() const { return base::fork_generation() != fork_generation_; }

  const std::size_t threads_max_;
  const std::size_t bulk_max_;
  const std::uint32_t fork_generation_;
  std::unique_ptr<State> state_ = std::make_unique<State>();
};

/// Several requests at once, and a wait for all of them. One thread; it waits before what they refer to ends.
class RequestGroup {
 public:
  RequestGroup(RequestPool& pool, Urgency urgency) : pool_(pool), urgency_(urgency) {}
  ~RequestGroup() { wait(); }
  RequestGroup(const RequestGroup&) = delete;
  RequestGroup& operator=(const RequestGroup&) = delete;

  void start(std::function<void()> request);
  /// Until all that were started have ended.
  void wait();

 private:
  struct Count {
    base::Mutex mutex;
    base::ConditionVariable changed;
    std::size_t running = 0;
  };
  RequestPool& pool_;
  Urgency urgency_;
  std::shared_ptr<Count> count_ = std::make_shared<Count>();
};

}  // namespace ingot::storage
