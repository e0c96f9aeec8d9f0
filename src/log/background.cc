// The log's two threads. The worker syncs what was appended without durability, makes spares, and seals an idle log.
// The keeper waits, while the commit lock is kept, for another process to ask for it.
#include <cerrno>
#include <new>

#include "base/testing.h"
#include "log/directory_log_internal.h"

namespace ingot::log {

void DirectoryLog::start_threads() {
  if (options_.read_only) return;
  threads_ = true;
  spare_wanted_ = true;
  worker_ = base::Thread("ingot-log", [this] { work(); });
  keeper_ = base::Thread("ingot-log-lock", [this] { keep_lock(); });
}

void DirectoryLog::stop_threads() {
  if (!threads_) return;
  threads_ = false;
  {
    Lock lock(mutex_);
    closing_ = true;
    changed_.notify_all();
    for_worker_.notify_all();
    for_keeper_.notify_all();
  }
  memory_.bump_and_wake(kLiveRequestAt);
  worker_.join();
  keeper_.join();
}

// Something is to be done by then. The mutex is held.
void DirectoryLog::work_by(base::Instant when) {
  if (when >= worker_wakes_at_) return;
  worker_wakes_at_ = when;
  for_worker_.notify_all();
}

void DirectoryLog::work() {
  Lock lock(mutex_);
  while (!closing()) {
    worker_wakes_at_ = base::Instant{};  // awake: nobody needs to wake us
    base::Instant next = base::kNever;
    try {
      work_once(lock);
      next = next_work();
    } catch (const std::bad_alloc&) {
      // In the midst of what, nobody knows: this handle writes no more, and whoever takes the lock finds out what is
      // there.
      if (!lock.owns_lock()) lock.lock();
      broken_ = true;
      carrying_ = failing_ = false;
      release_commit_lock();
      changed_.notify_all();
      return;
    }
    worker_wakes_at_ = next;
    while (!closing() && base::now() < worker_wakes_at_) (void)for_worker_.wait_until(lock, worker_wakes_at_);
  }
}

// When something is due, by what is known now.
base::Instant DirectoryLog::next_work() const {
  base::Instant next = base::kNever;
  if (spare_wanted_) next = std::min(next, spare_retry_at_);
  if (failing_ && held_) next = std::min(next, base::now() + kBackOffMax);
  if (unsynced_since_ != base::kNever) {
    next = std::min(next, std::max(unsynced_since_ + kBackgroundSyncAfter, base::now() + kRetry));
  } else if (durable_at_ != base::kNever && held_) {
    next = std::min(next, std::max(durable_at_ + kSealAfter, base::now() + kRetry));
  } else if (held_) {
    next = std::min(next, std::max(used_at_ + kIdleHold, base::now() + kRetry));
  }
  return next;
}

void DirectoryLog::make_spares(Lock& lock) {
  spare_wanted_ = false;
  lock.unlock();
  bool made = false;
  storage::IoError failed;
  try {
    failed = files_.make_ahead(made);
  } catch (const std::bad_alloc&) {
    failed = storage::IoError(ENOMEM);
  }
  lock.lock();
  spare_error_ = failed;
  if (failed) {
    base::probe("log: no spare could be made");
    set_why("making a segment of the log ahead: " + failed.text());
    spare_wanted_ = true;
    spare_retry_at_ = base::now() + kSpareRetry;
  }
  if (!failed && !files_.headroom(files_.segment_bytes())) set_room_problem("");  // appends look for themselves
  if (made || failed) changed_.notify_all();
}

void DirectoryLog::work_once(Lock& lock) {
  if (spare_wanted_ && base::now() >= spare_retry_at_) make_spares(lock);
  if (busy_ || syncing_ || carrying_) return;  // a durable commit, or whatever it is, takes everything with it
  if (failing_ && held_) {
    (void)fail_over(lock, base::deadline_after(base::now(), kSpareRetry), nullptr);
    return;
  }
  const base::Instant now = base::now();
  if (unsynced_since_ != base::kNever) {
    const bool many = held_ && tail_.offset - tail_.settled >= kUnsyncedWakeBytes;
    if (many || now >= unsynced_since_ + kBackgroundSyncAfter) background_sync(lock);
  } else if (durable_at_ != base::kNever && held_ && now >= durable_at_ + kSealAfter) {
    const Busy busy(*this, lock, now);
    if (busy) seal(lock);
  } else if (held_ && now >= used_at_ + kIdleHold) {
    release_commit_lock();
  }
}

void DirectoryLog::background_sync(Lock& lock) {
  if (!held_) {
    // Others may have synced what we appended.
    LiveCell durable;
    if (memory_.load(kLiveDurableAt, durable) && durable.sequence >= tail_.chain.sequence) {
      unsynced_since_ = base::kNever;
      return;
    }
    const Busy busy(*this, lock, base::now());
    if (!busy || !acquire(lock, base::deadline_after(base::now(), kSpareRetry))) return;
  }
  if (syncing_ || busy_ || failing_) return;
  if (!unsynced()) {
    unsynced_since_ = base::kNever;
    return;
  }
  if (sync_tail(lock, base::deadline_after(base::now(), kSpareRetry), nullptr) != Sync::done) say(why());
}

void DirectoryLog::keep_lock() {
  Lock lock(mutex_);
  base::Duration pause = kKeeperPause;
  while (!closing()) {
    if (!held_) {
      for_keeper_.wait(lock);
      continue;
    }
    const std::uint32_t request = memory_.word(kLiveRequestAt);
    if (request != request_seen_) {
      const base::Instant now = base::now();
      const base::Instant free_at = std::max(hold_until_, acquired_at_ + kHoldMin);
      if (!busy_ && !syncing_ && !failing_ && now >= free_at) {
        release_commit_lock();
        pause = kKeeperPause;
        continue;
      }
      const base::Instant until = std::max(free_at, now + pause);
      pause = std::min<base::Duration>(2 * pause, kKeeperPauseMax);  // the disk may be full for a long time
      lock.unlock();
      base::sleep_for(until - now);
      lock.lock();
      continue;
    }
    lock.unlock();
    memory_.wait_until(kLiveRequestAt, request, base::kNever);
    lock.lock();
  }
}

}  // namespace ingot::log
