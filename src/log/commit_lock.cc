// Mutual exclusion between processes: taking the commit lock, finding out what the last holder left, handing it over.
//
// The lock is a range of `live`, held by the open file: the kernel frees it when its process dies. It is kept from
// group to group while nobody asks. Who wants it counts `request` up and wakes the holder's keeper thread
// (background.cc), which lets go between appends; it does not take it again before somebody else had it, or kStandBack
// has passed.
//
// What is found on taking it is read from the log, never from `live`: an entry that a dead holder wrote but did not
// publish is synced, then published.
#include <algorithm>
#include <utility>

#include "base/random.h"
#include "base/testing.h"
#include "log/directory_log_internal.h"

namespace ingot::log {

std::string DirectoryLog::holder() const {
  const std::uint32_t pid = memory_.word(kLiveHolderAt);
  return "the commit lock of the store is held by process " + std::to_string(pid) +
         ", which does not let go of it: if that process is stopped or hangs, let it go on or end it";
}

base::Hash128 DirectoryLog::next_nonce() {
  // A random base for each time that the lock is taken, then counting. That suffices in a directory: while the lock is
  // held nobody else appends to these files, a forked child may not use the handle, and a machine restored from a
  // snapshot has its disk restored with it. It saves a system call for each entry.
  ++nonce_.low;
  return nonce_;
}

void DirectoryLog::publish() {
  memory_.store(kLivePublishedAt, {tail_.chain.sequence, tail_.chain.version, tail_.segment});
  std::atomic_thread_fence(std::memory_order_seq_cst);  // against: they look, we publish, we look, they wait
  if (memory_.word(kLiveWaitingAt) != 0) {
    memory_.set_word(kLiveWaitingAt, 0);
    memory_.bump_and_wake(kLiveNewsAt);
  }
}

void DirectoryLog::publish_durable() {
  durable_version_.store(tail_.settled_chain.version, std::memory_order_release);
  memory_.store(kLiveDurableAt, {tail_.settled_chain.sequence, tail_.settled_chain.version, tail_.segment});
}

DirectoryLog::Busy::Busy(DirectoryLog& log, Lock& lock, base::Instant deadline) : log_(log) {
  while (log_.busy_) {
    if (log_.closing() || base::now() >= deadline) return;
    ++log_.busy_waiters_;
    (void)log_.changed_.wait_until(lock, deadline);
    --log_.busy_waiters_;
  }
  good_ = log_.busy_ = true;
}

DirectoryLog::Busy::~Busy() {
  if (!good_) return;
  log_.busy_ = false;
  if (log_.busy_waiters_ > 0) log_.changed_.notify_all();
}

// The caller is Busy.
bool DirectoryLog::acquire(Lock& lock, base::Instant deadline) {
  if (held_) return true;
  bool asked = false;
  const base::Instant begun = base::now();
  base::Duration pause = kRetry;
  for (;;) {
    if (closing() || is_child()) {
      set_why("the store is closed");
      return false;
    }
    const std::uint32_t released = memory_.word(kLiveReleasedAt);
    const bool stand_back = released_for_others_ && memory_.number(kLiveHolderTokenAt) == live_.token &&
                            base::now() < released_at_ + kStandBack;
    if (!stand_back) {
      released_for_others_ = false;
      bool taken = false;
      if (const auto failed = live_.file->try_lock(kLockCommit, 1, storage::LockMode::exclusive, taken)) {
        set_why("locking " + directory_.where() + "/live: " + failed.text());
        return false;
      }
      if (taken) break;
    }
    const base::Instant now = base::now();
    if (now >= deadline) {
      base::probe("log: the commit lock was not got by the deadline");
      set_why(holder());
      return false;
    }
    if (!stand_back) {
      asked = true;
      memory_.bump_and_wake(kLiveRequestAt);
    }
    const base::Instant until = std::min(deadline, now + (stand_back ? kStandBack / 4 : pause));
    if (now - begun >= kRetryOften) pause = std::min(2 * pause, kRetryMax);
    lock.unlock();
    memory_.wait_until(kLiveReleasedAt, released, until);  // short: a dead holder wakes nobody
    lock.lock();
  }
  if (asked) base::probe("log: the commit lock was handed over");
  held_ = true;
  failing_ = false;
  request_seen_ = memory_.word(kLiveRequestAt);
  acquired_at_ = hold_until_ = used_at_ = base::now();
  work_by(used_at_ + kIdleHold);
  const base::ProcessIdentity self = base::process_identity();
  memory_.set_word(kLiveHolderAt, self.pid);
  memory_.set_number(kLiveHolderStartAt, self.start);
  memory_.set_number(kLiveHolderTokenAt, live_.token);
  base::random_bytes({reinterpret_cast<char*>(&nonce_), sizeof nonce_});
  for_keeper_.notify_all();
  try {
    if (take_over(lock, deadline)) return true;
  } catch (...) {  // no memory: with a tail that is not the log's end nothing may be written
    image_segment_ = 0;
    release_commit_lock();
    throw;
  }
  release_commit_lock();
  return false;
}

bool DirectoryLog::take_over(Lock& lock, base::Instant deadline) {
  LiveCell published;
  LiveCell durable;
  const bool known = memory_.load(kLivePublishedAt, published) && memory_.load(kLiveDurableAt, durable) &&
                     !base::broken(base::Break::log_skip_takeover_scan);
  const bool suspect = memory_.number(kLiveSyncingAt) != 0;
  if (known && durable.sequence <= published.sequence) tail_.durable = std::max(tail_.durable, durable.sequence);
  if (base::broken(base::Break::log_skip_takeover_scan)) return load_image();

  LogReader finder(files_, options_.on_message);
  finder.begin(tail_, tail_segment_);
  const std::uint64_t losses = memory_.number(kLiveLossesAt);
  if (losses != tail_losses_ && tail_.chain.sequence > memory_.number(kLiveLossesLeftAt) && !finder.begin_at_newest()) {
    set_why("looking for the end of the log: its newest segment can't be opened");
    return false;
  }
  Goal goal;
  goal.thorough = !known;  // then nothing but the log can say what must be there
  const auto walk = [&] {
    const Read outcome = finder.walk(goal, nullptr);
    // The segment that was published is there: who has not come to it stands in one that was collected.
    const bool behind = outcome == Read::caught_up && known && finder.cursor().segment < published.segment;
    if ((outcome != Read::gone && !behind) || !finder.begin_at_newest()) return outcome;
    // Ours was collected: the owner has not read for long, or has read on while we waited for the lock. Only the newest
    // segment has anything that may not be durable, and nobody can begin another while we hold the lock.
    base::probe("log: the tail was found anew, in the newest segment");
    return finder.walk(goal, nullptr);
  };
  Read found = walk();
  if (found == Read::caught_up && known && finder.cursor().chain.sequence < published.sequence) {
    goal.sequence = published.sequence;
    found = walk();
    if (found == Read::caught_up) found = finder.walk(Goal{}, nullptr);
    if (found == Read::corrupt && suspect && finder.cursor().chain.sequence >= tail_.durable) {
      // Its writer died while a sync of it failed or was under way, and the cache has let go of what it could not
      // write. It was never durable. Whoever has read it finds it gone.
      record_loss(finder);
      found = Read::caught_up;
    }
  }
  healed_ += finder.healed();
  if (found != Read::caught_up) {
    set_why(finder.why());
    if (found == Read::corrupt) set_problem(finder.why());
    return false;
  }
  const bool moved = finder.cursor().segment != tail_.segment;
  room_known_ = false;
  tail_ = finder.cursor();
  tail_losses_ = memory_.number(kLiveLossesAt);
  tail_segment_ = finder.segment();
  if (!tail_.in_group() && tail_.durable >= tail_.chain.sequence) tail_.settle();
  written_end_ = sector_up(tail_.offset);
  if (moved) {
    must_roll_ = false;
    if (!broken_) set_problem("");
  }
  if (finder.has_repairs()) repair(finder);
  if (moved) {
    // Who made the segment may have died before its name was durable.
    if (const auto failed = directory_.sync_directory("log")) {
      set_why("syncing the log's directory: " + failed.text());
      must_roll_ = true;
      next_number_ = tail_.segment + 1;
    }
  }
  const bool unpublished = !known || tail_.chain.sequence > published.sequence;
  if (unpublished && known) base::probe("log: found an entry that its writer did not publish");
  if (!load_image()) return false;
  if (!unpublished && !unsynced() && !suspect) return true;
  return settle_found(lock, deadline, unpublished || suspect);
}

// What was found and is not known durable: kept in memory, and if need be made durable before anything is built on it.
bool DirectoryLog::settle_found(Lock& lock, base::Instant deadline, bool now) {
  if (!now) {
    if (unsynced_since_ == base::kNever) unsynced_since_ = base::now();
    work_by(unsynced_since_ + kBackgroundSyncAfter);
    return true;
  }
  if (unsynced()) {
    // A process that died in its sync may have been told of an error that nobody else will be told of.
    const bool suspect = memory_.number(kLiveSyncingAt) != 0;
    if (suspect) {
      base::probe("log: the last holder died in a sync");
      set_why("a process died in a sync, which may have failed");
    }
    if (suspect && !must_roll_) {
      must_roll_ = true;
      next_number_ = tail_.segment + 1;
    }
    if (sync_tail(lock, deadline, nullptr) != Sync::done) return false;
  } else {
    memory_.set_number(kLiveSyncingAt, 0);
    publish_durable();
  }
  publish();
  return true;
}

// Entries that were published, but not synced, are gone behind where the reader stands.
void DirectoryLog::record_loss(const LogReader& reader) {
  base::probe("log: published entries were lost with their writer");
  const std::uint64_t losses = memory_.number(kLiveLossesAt);
  const std::uint64_t left = losses == 0 ? ~0ULL : memory_.number(kLiveLossesLeftAt);
  memory_.set_number(kLiveLossesLeftAt, std::min(left, reader.cursor().chain.sequence));
  memory_.set_number(kLiveLossesAt, losses + 1);
  say("entries of the log that were not synced are lost after an error of the device: " + reader.why());
}

bool DirectoryLog::load_image() {
  if (image_segment_ == tail_.segment && image_.begin() <= tail_.settled && image_.end() >= tail_.settled &&
      image_.end() <= tail_.offset) {
    image_.drop_before(tail_.settled);
  } else {
    image_.restart(tail_.settled);
  }
  image_segment_ = tail_.segment;
  const std::uint64_t from = image_.end();
  if (from == tail_.offset) return true;
  image_.extend(tail_.offset);
  std::size_t got = 0;
  const auto failed =
      tail_segment_->file->read_at(from, {image_.at(from), static_cast<std::size_t>(tail_.offset - from)}, got);
  if (!failed && got == tail_.offset - from && image_is_whole()) return true;
  // What was healed, and could not be written back, is healed again.
  base::probe("log: the end of the log was healed to be read back");
  Cursor settled = tail_;
  settled.offset = settled.group_start = tail_.settled;
  settled.chain = tail_.settled_chain;
  LogReader reader(files_, options_.on_message);
  reader.begin(settled, tail_segment_);
  Goal goal;
  goal.sequence = tail_.chain.sequence;
  goal.segment = tail_.segment;
  const Read outcome = reader.walk(goal, nullptr);
  if (outcome == Read::caught_up && reader.copy(from, tail_.offset, image_.at(from)) && image_is_whole()) return true;
  // Or it is gone, and was never durable: who tries next goes on from what there is.
  if (outcome == Read::corrupt && memory_.number(kLiveSyncingAt) != 0) record_loss(reader);
  set_why("reading back the end of the log: " + (outcome == Read::caught_up ? failed.text() : reader.why()));
  tail_ = settled;
  image_.restart(tail_.settled);
  image_segment_ = 0;
  return false;
}

// Whether the image holds all entries up to the tail as they were written: it was read from a file that may have
// changed since they were verified, and it is what would be written again after an error of the device.
bool DirectoryLog::image_is_whole() {
  Chain chain = tail_.settled_chain;
  for (std::uint64_t at = tail_.settled; at + kEntryFrameBytes <= tail_.offset;) {
    EntryHeader header;
    base::Hash128 identity;
    if (decode_entry_header(image_.at(at), tail_segment_->seed, at, tail_.offset - at, header) != HeaderCheck::good) {
      at = sector_up(at + 1);
      continue;
    }
    if (takes_sequence(header.kind)) {
      if (!check_identity(image_.at(at), header.payload_bytes, identity) || header.link != chain.link) return false;
      chain = {header.sequence, header.base_version - 1 + header.transaction_count, header.time_micros, identity};
    }
    at += entry_bytes(header.payload_bytes);
  }
  return chain == tail_.chain;
}

void DirectoryLog::release_commit_lock() {
  if (!held_) return;
  held_ = false;
  const std::uint32_t request = memory_.word(kLiveRequestAt);
  const bool asked = request != request_seen_;
  released_for_others_ = asked;
  if (asked) released_at_ = base::now();
  // An unlock that fails leaves us the lock without our knowing: the next acquire gets it at once, others wait.
  (void)live_.file->unlock(kLockCommit, 1);
  if (asked) memory_.bump_and_wake(kLiveReleasedAt);
}

void DirectoryLog::release_if_asked() {
  if (!held_ || syncing_ || failing_ || memory_.word(kLiveRequestAt) == request_seen_) return;
  if (base::now() < acquired_at_ + kHoldMin) return;  // the keeper will
  release_commit_lock();
}

bool DirectoryLog::prepare(base::Instant deadline) {
  if (!usable()) return false;
  Lock lock(mutex_);
  if (held_) return true;
  const Busy busy(*this, lock, deadline);
  if (!busy) {
    if (!closing()) set_why("another thread of this process is still busy with the log: " + problem());
    return false;
  }
  const bool was_held = held_;
  if (!acquire(lock, deadline)) return false;
  if (!was_held) hold_until_ = base::now() + kHoldForOwner;
  return true;
}

}  // namespace ingot::log
