// Requests in the pool that refer to something that ends: it waits for them first. Thread-safe.
#pragma once

#include <functional>
#include <memory>

#include "base/thread.h"
#include "storage/request_pool.h"

namespace ingot::storage {

class BucketTasks {
 public:
  explicit BucketTasks(RequestPool& pool) : pool_(pool) {}
  ~BucketTasks() { wait(); }
  BucketTasks(const BucketTasks&) = delete;
  BucketTasks& operator=(const BucketTasks&) = delete;

  /// As RequestPool::start. `task` may also end without having been called: what it owns tells.
  void start(Urgency urgency, std::function<void()> task);
  /// Until none is left.
  void wait();

 private:
  struct Count {
    base::Mutex mutex;
    base::ConditionVariable changed;
    std::size_t running = 0;
  };
  RequestPool& pool_;
  std::shared_ptr<Count> count_ = std::make_shared<Count>();
};

}  // namespace ingot::storage
