#include "cli/end_after_signal.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "cli/verb.h"

namespace ingot::cli {

EndAfterSignal::EndAfterSignal(std::function<void()> last_words)
    : last_words_(std::move(last_words)), thread_([this] { wait(); }) {}

EndAfterSignal::~EndAfterSignal() {
  {
    const std::lock_guard lock(mutex_);
    is_ended_ = true;
    ended_.notify_all();
  }
  end_waiting();
  thread_.join();
}

void EndAfterSignal::wait() {
  pollfd descriptor{signal_descriptor(), POLLIN, 0};
  while (::poll(&descriptor, 1, -1) < 0 && errno == EINTR) {
  }
  std::unique_lock lock(mutex_);
  if (ended_.wait_for(lock, kPatience, [this] { return is_ended_; })) return;
  last_words_();
  ::_exit(static_cast<int>(Exit::interrupted));
}

}  // namespace ingot::cli
