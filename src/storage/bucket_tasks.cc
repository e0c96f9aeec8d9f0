#include "storage/bucket_tasks.h"

#include <mutex>
#include <utility>

namespace ingot::storage {

void BucketTasks::start(Urgency urgency, std::function<void()> task) {
  // Ends with the last copy of what the pool was given, called or not.
  struct Token {
    explicit Token(std::shared_ptr<Count> its_count) : count(std::move(its_count)) {
      const std::lock_guard lock(count->mutex);
      ++count->running;
    }
    ~Token() {
      task = nullptr;  // first: it may refer to what waits for us
      const std::lock_guard lock(count->mutex);
      --count->running;
      count->changed.notify_all();
    }
    Token(const Token&) = delete;
    Token& operator=(const Token&) = delete;
    std::shared_ptr<Count> count;
    std::function<void()> task;
  };
  auto token = std::make_shared<Token>(count_);
  token->task = std::move(task);
  (void)pool_.start(urgency, [token = std::move(token)] { token->task(); });
}

void BucketTasks::wait() {
  std::unique_lock lock(count_->mutex);
  while (count_->running != 0) count_->changed.wait(lock);
}

}  // namespace ingot::storage
