// What the owner and others call; see directory_log_internal.h.
#include <algorithm>
#include <cassert>
#include <cerrno>
#include <new>
#include <utility>

#include "base/ranges.h"
#include "base/testing.h"
#include "log/directory_log_internal.h"

namespace ingot::log {
namespace {

constexpr base::Duration kWaitPoll = std::chrono::milliseconds(100);  // against a wake-up lost with its process
constexpr base::Duration kScoutPoll = std::chrono::milliseconds(20);  // read-only, nobody tells
constexpr std::size_t kStartsMax = 4096;                              // segments that a checkpoint may still ask for

constexpr std::size_t kDamageMax = 100;  // sentences

constexpr const char* kDiverged =
    "entries that were published but not synced are gone after an error of the device: the store is to be opened anew";

}  // namespace

DirectoryLog::DirectoryLog(storage::Directory& directory, Live& live, DirectoryLogOptions options)
    : directory_(directory),
      live_handle_(live),
      live_(*live.implementation_),
      memory_(live_.memory),
      options_(std::move(options)),
      files_(directory, options_.store_id, options_.segment_bytes, options_.read_only),
      fork_generation_(base::fork_generation()),
      reader_(files_, options_.on_message) {
  reader_.on_start = [this](const Start& start) {
    starts_[start.segment] = start;
    starts_.erase(starts_.begin(), starts_.lower_bound(released_.load(std::memory_order_relaxed)));
    while (starts_.size() > kStartsMax) starts_.erase(starts_.begin());
  };
}

DirectoryLog::~DirectoryLog() {
  if (is_child()) {
    // The threads are the parent's, and so are the locks: nothing here can be joined or given back.
    if (threads_) {
      for (base::Thread* thread : {&worker_, &keeper_}) {
        (void)new (std::nothrow) base::Thread(std::move(*thread));
      }
    }
    return;
  }
  stop_threads();
  Lock lock(mutex_);
  release_commit_lock();
}

void DirectoryLog::say(const std::string& message) const {
  if (options_.on_message) options_.on_message(message);
}

void DirectoryLog::set_why(const std::string& sentence) {
  std::lock_guard guard(words_mutex_);
  why_ = sentence;
}

void DirectoryLog::set_problem(const std::string& sentence) {
  std::lock_guard guard(words_mutex_);
  if (!broken_ || problem_.empty()) problem_ = sentence;
}

void DirectoryLog::set_room_problem(const std::string& sentence) {
  std::lock_guard guard(words_mutex_);
  room_problem_ = sentence;
}

std::string DirectoryLog::why() const {
  if (is_child()) return "the store was opened before a fork, by the parent: open it again";
  std::lock_guard guard(words_mutex_);
  return why_;
}

void DirectoryLog::tell_damage(const std::string& sentence) {
  say(sentence);
  std::lock_guard guard(words_mutex_);
  if (damage_.size() < kDamageMax) damage_.push_back(sentence);
}

std::string DirectoryLog::problem() const {
  if (is_child()) return {};
  std::lock_guard guard(words_mutex_);
  if (!damage_.empty()) {
    std::string all;
    for (const std::string& sentence : damage_) all += (all.empty() ? "" : "; ") + sentence;
    return all;
  }
  return problem_.empty() ? room_problem_ : problem_;
}

bool DirectoryLog::short_of_room() const {
  if (is_child()) return false;
  std::lock_guard guard(words_mutex_);
  return !room_problem_.empty();
}

bool DirectoryLog::usable() {
  if (is_child()) return false;  // and touch nothing: a thread that is not here may have held any mutex
  if (options_.read_only) {
    set_why("the store is open for reading only");
  } else if (closing()) {
    set_why("the store is closed");
  } else if (broken_) {
    set_why(problem());
  } else {
    return true;
  }
  return false;
}

Version DirectoryLog::published() const {
  const bool following = following_.load(std::memory_order_acquire);  // once: it may change meanwhile
  const Version told = told_version(following);
  if (!options_.read_only || !memory_.ready()) return told;
  // Those whom a reader follows may all be gone, and another making `live` anew; if it follows nobody, somebody may
  // have come.
  LiveCell cell;
  const bool must_look = following ? !memory_.load(kLivePublishedAt, cell) || cell.segment == 0
                                   : memory_.news_hash() != ignored_news_.load(std::memory_order_relaxed);
  return must_look ? kMustLook : told;
}

Version DirectoryLog::told_version(bool following) const {
  const Version seen = seen_version_.load(std::memory_order_acquire);
  if (options_.read_only && !following) {
    if (!memory_.ready()) live_.attach();
    return seen;
  }
  LiveCell cell;
  return memory_.load(kLivePublishedAt, cell) ? std::max<Version>(cell.version, seen) : seen;
}

bool DirectoryLog::published_end(Goal& goal) {
  LiveCell cell;
  if (options_.read_only) {
    bool others = false;
    if (!memory_.ready()) live_.attach();
    const std::uint64_t news = memory_.ready() ? memory_.news_hash() : 0;  // before we look who is there
    // Whoever opens the store alone first writes zeros to the cell.
    following_ = memory_.ready() && !live_.file->is_locked(kLockPresence, 1, others) && others &&
                 memory_.load(kLivePublishedAt, cell) && cell.segment != 0;
    if (!following_) {
      goal = Goal{};
      goal.thorough = false;
      goal.alone = true;
      goal.news = news;
      return true;
    }
  } else if (!memory_.load(kLivePublishedAt, cell)) {
    base::probe("log: live was damaged");
    const base::Instant deadline = base::deadline_after(base::now(), kInternalDeadline);
    Lock lock(mutex_);
    const Busy busy(*this, lock, deadline);
    if (!busy || !acquire(lock, deadline)) return false;
    publish();
    cell = {tail_.chain.sequence, tail_.chain.version, tail_.segment};
  }
  goal = {cell.sequence, cell.segment, true};
  return true;
}

Read DirectoryLog::read_to(Goal goal, const Sink& sink) {
  const base::Instant deadline = base::deadline_after(base::now(), kInternalDeadline);
  for (bool looked_twice = false;;) {
    // Published entries go away only if a sync failed, the cache let go of them, and their process died.
    diverged_ = diverged_ || goal.sequence < reader_.cursor().chain.sequence;
    if (has_diverged()) return Read::gone;
    reader_.refresh();
    const Read outcome = reader_.walk(goal, &sink);
    if (outcome != Read::corrupt || options_.read_only) return outcome;
    if (memory_.number(kLiveSyncingAt) == 0) {
      // It may have become so since we looked.
      if (std::exchange(looked_twice, true)) return outcome;
      if (!published_cell(goal)) return Read::unavailable;
      continue;
    }
    // A sync fails or has failed, and the cache may have let go of what it could not write: whoever appended that has
    // it in memory and is carrying it over to a new segment; or has died, and then it is ours to find out.
    base::probe("log: a reader waits for entries to be carried over");
    const base::Instant now = base::now();
    if (now >= deadline) return Read::unavailable;
    Lock lock(mutex_);
    const Busy busy(*this, lock, now);
    if (!busy || held_ || !acquire(lock, now)) {
      lock.unlock();
      base::sleep_for(kRetry);
    }
    if (!published_cell(goal)) return Read::unavailable;
  }
}

// Whether the owner has read entries that are gone, though there may be as many others by now.
bool DirectoryLog::has_diverged() {
  if (options_.read_only) return diverged_;
  const std::uint64_t losses = memory_.number(kLiveLossesAt);
  if (losses == losses_seen_) return diverged_;
  losses_seen_ = losses;
  if (reader_.cursor().chain.sequence > memory_.number(kLiveLossesLeftAt)) {
    base::probe("log: what was read before is gone, and others stand there");
    diverged_ = true;
  }
  return diverged_;
}

bool DirectoryLog::published_cell(Goal& goal) const {
  LiveCell cell;
  if (!memory_.load(kLivePublishedAt, cell)) return false;
  goal = {cell.sequence, cell.segment, true};
  return true;
}

Read DirectoryLog::read(const Sink& sink) {
  if (is_child()) return Read::unavailable;
  Goal goal;
  if (options_.read_only) {
    const std::lock_guard guard(scout_mutex_);
    if (const Read end = find_end(*scout_, false, goal); end != Read::caught_up) {
      diverged_ = diverged_ || end == Read::gone;
      return end;
    }
  } else if (!published_end(goal)) {
    return Read::unavailable;
  }
  if (goal.sequence == reader_.cursor().chain.sequence && !has_diverged()) {
    if (goal.alone) ignored_news_.store(goal.news, std::memory_order_relaxed);
    return Read::caught_up;
  }
  const std::uint64_t healed = reader_.healed();
  Read outcome = read_to(goal, sink);
  if (options_.read_only) outcome = look_again(outcome, goal, sink);
  if (outcome == Read::caught_up && goal.alone) ignored_news_.store(goal.news, std::memory_order_relaxed);
  healed_ += reader_.healed() - healed;
  if (outcome != Read::caught_up) set_why(outcome == Read::gone && diverged_ ? kDiverged : reader_.why());
  const Cursor& cursor = reader_.cursor();
  if (cursor.chain.version > seen_version_.load(std::memory_order_relaxed)) {
    seen_version_.store(cursor.chain.version, std::memory_order_release);
  }
  write_repairs(reader_, kRepairPatience);
  if (options_.read_only) return outcome;
  LiveCell durable;
  const bool open = !memory_.load(kLiveDurableAt, durable) || durable.sequence < cursor.chain.sequence;
  Lock lock(mutex_);
  if (!held_ && !busy_ && cursor.chain.sequence > tail_.chain.sequence) advance_tail();
  if (open) {
    // Whoever appended this will sync it; if that process dies, it is ours to do.
    if (unsynced_since_ == base::kNever && !held_) {
      unsynced_since_ = base::now() + 2 * kBackgroundSyncAfter;
      work_by(unsynced_since_ + kBackgroundSyncAfter);
    }
  }
  return outcome;
}

// Whoever takes the lock next goes on from where the owner has read to: what is before that may be collected.
void DirectoryLog::advance_tail() {
  if (has_diverged()) return;
  Cursor read = reader_.cursor();
  read.durable = std::max(read.durable, tail_.durable);
  if (read.segment == tail_.segment && read.settled < tail_.settled) {
    read.settled = tail_.settled;
    read.settled_chain = tail_.settled_chain;
  }
  tail_ = read;
  tail_segment_ = reader_.segment();
  tail_losses_ = losses_seen_;
}

// How far a read-only handle may read: as far as those say whom it follows; or, if there are none, to the log's end, so
// that nobody came while it was looked for, who might have begun to append there. `finder` finds it.
Read DirectoryLog::find_end(LogReader& finder, bool thorough, Goal& goal) {
  constexpr int kTriesMax = 100;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    if (!published_end(goal)) return Read::unavailable;
    if (!goal.alone) return Read::caught_up;
    Goal end;
    end.thorough = thorough;
    finder.refresh();
    const Read outcome = finder.walk(end, nullptr);
    if (!memory_.ready()) live_.attach();
    if ((memory_.ready() ? memory_.news_hash() : 0) != goal.news) {
      base::probe("log: somebody came while a reader looked for the end");
      continue;
    }
    if (outcome != Read::caught_up) {
      set_why(finder.why());
      return outcome;
    }
    goal.sequence = finder.cursor().chain.sequence;
    return end_alone(finder);
  }
  set_why("others open " + directory_.where() + " faster than the end of its log can be read");
  return Read::unavailable;
}

// A reader may have looked at `live` when the first writer was about to make it anew.
Read DirectoryLog::look_again(Read outcome, Goal& goal, const Sink& sink) {
  for (int tries = 0; tries < 10 && (outcome == Read::gone || outcome == Read::corrupt); ++tries) {
    Goal now;
    if (!published_end(now)) break;
    if (now.alone) {  // what it said was of another life
      const std::lock_guard guard(scout_mutex_);
      LogReader finder(files_, {});
      finder.begin(reader_.cursor(), reader_.segment());
      if (const Read end = find_end(finder, true, now); end != Read::caught_up) return end;
    }
    if (now.sequence == goal.sequence && now.segment == goal.segment) break;
    base::probe("log: a reader looked at `live` again");
    goal = now;
    diverged_ = false;
    outcome = read_to(goal, sink);
  }
  return outcome;
}

// If there are segments behind what looks like the end, it was not the log's: writers have come, and gone, and
// collected what is between. And what a writer left without having synced it is synced before anybody sees it.
Read DirectoryLog::end_alone(const LogReader& finder) {
  const Cursor& cursor = finder.cursor();
  SegmentFiles::Listing listing;
  storage::IoError failed = files_.list(listing);
  if (!failed && !listing.segments.empty() && listing.segments.back() > cursor.segment) {
    base::probe("log: a reader that followed nobody fell behind");
    set_why("the log was collected under a slow reader");
    return Read::gone;
  }
  // Only if those who come later can be told should that sync fail: they must not believe one of theirs then.
  const bool can_tell = memory_.ready() && memory_.memory != nullptr;
  if (!failed && can_tell && cursor.chain.sequence > std::max(cursor.durable, synced_alone_)) {
    constexpr std::uint64_t kByAReader = ~0ULL;
    memory_.replace_number(kLiveSyncingAt, 0, kByAReader);
    failed = alone_sync_failed_ ? storage::IoError(EIO) : finder.segment()->file->sync_data();
    if (!failed) failed = directory_.sync_directory("log");
    if (failed.code() == EROFS || failed.code() == EINVAL) failed = {};  // it can't be written, so nothing waits to be
    if (failed) {
      alone_sync_failed_ = true;
    } else {
      memory_.replace_number(kLiveSyncingAt, kByAReader, 0);
      synced_alone_ = cursor.chain.sequence;
    }
  }
  if (!failed) return Read::caught_up;
  set_why("looking for the end of the log in " + directory_.where() + ": " + failed.text());
  return Read::unavailable;
}

void DirectoryLog::repair(LogReader& reader) {
  // If it fails, the page cache may have let go of entries that are not durable: those who come after us, too, must not
  // believe a later sync of them.
  const std::uint64_t before = memory_.number(kLiveSyncingAt);
  memory_.set_number(kLiveSyncingAt, tail_.segment);
  if (reader.write_repairs() != tail_.segment) {
    memory_.set_number(kLiveSyncingAt, before);
    return;
  }
  base::probe("log: a sync of healed sectors failed");
  must_roll_ = true;
  next_number_ = std::max(next_number_, tail_.segment + 1);
}

void DirectoryLog::write_repairs(LogReader& reader, base::Duration patience) {
  if (reader.has_repairs() && !options_.read_only) {
    const base::Instant deadline = base::deadline_after(base::now(), patience);
    Lock lock(mutex_);
    const Busy busy(*this, lock, deadline);
    if (busy && acquire(lock, deadline) && wait_for_sync(lock, deadline)) repair(reader);
  }
  reader.drop_repairs();
}

Position DirectoryLog::position() const {
  const Cursor& cursor = reader_.cursor();
  return {cursor.home, cursor.chain.version, cursor.chain.time_micros, cursor.chain.link};
}

std::optional<Start> DirectoryLog::start_of(std::uint64_t segment) const {
  const auto found = starts_.find(segment);
  if (found == starts_.end()) return std::nullopt;
  return found->second;
}

bool DirectoryLog::wait_for_sync(Lock& lock, base::Instant deadline) {
  while (syncing_) {
    if (base::now() >= deadline || closing()) {
      set_why("a sync of the log is taking very long");
      return false;
    }
    (void)changed_.wait_until(lock, deadline);
  }
  return true;
}

Append DirectoryLog::append(const Draft& draft, base::Instant deadline) {
  if (!usable()) return Append::unavailable;
  std::uint64_t payload_bytes = 0;
  for (const std::string_view part : draft.parts) payload_bytes += part.size();
  assert(payload_bytes <= kEntryPayloadBytesMax);
  assert((draft.kind == EntryKind::commit) == (draft.transaction_count > 0));
  if (payload_bytes > kEntryPayloadBytesMax) {
    set_why("an entry of " + std::to_string(payload_bytes) + " bytes is larger than the log takes");
    return Append::unavailable;
  }
  Lock lock(mutex_);
  const Busy busy(*this, lock, deadline);
  if (!busy) {
    set_why(closing() ? "the store is closed" : "the log is busy: " + problem());
    return Append::unavailable;
  }
  if (!held_ && reader_.cursor().chain.sequence > tail_.chain.sequence) advance_tail();
  if (!acquire(lock, deadline)) return Append::unavailable;
  if (tail_.chain.sequence == reader_.cursor().chain.sequence && tail_.chain.link != reader_.cursor().chain.link) {
    diverged_ = true;
  }
  if (tail_.chain.sequence != reader_.cursor().chain.sequence || has_diverged()) {
    hold_until_ = base::now() + kHoldForOwner;
    return Append::lost;
  }
  if (draft.durable && !wait_for_sync(lock, deadline)) return Append::unavailable;
  roll_wanted_ = draft.new_segment && tail_.offset != kEntriesStart;
  const bool essential = draft.kind == EntryKind::edit || draft.frees_space;
  const Claim claim = essential ? Claim::reserve : Claim::ordinary;
  Room room = make_room(lock, payload_bytes, claim, deadline);
  // A sync that we wait for may fail, and then there is no room again.
  while (room == Room::ready && draft.durable && syncing_) {
    room = wait_for_sync(lock, deadline) ? make_room(lock, payload_bytes, claim, deadline) : Room::failed;
  }
  roll_wanted_ = false;
  if (room != Room::ready) return room == Room::none ? Append::no_room : Append::unavailable;
  return append_at_tail(lock, draft, payload_bytes, deadline);
}

// The part that can't fail for want of room, and whose outcome is decided before it returns.
Append DirectoryLog::append_at_tail(Lock& lock, const Draft& draft, std::uint64_t payload_bytes,
                                    base::Instant deadline) {
  const Cursor before = tail_;
  const std::uint64_t at = tail_.offset;
  EntryHeader header;
  header.kind = draft.kind == EntryKind::edit ? RecordKind::edit : RecordKind::commit;
  header.payload_bytes = payload_bytes;
  header.sequence = tail_.chain.sequence + 1;
  header.base_version = tail_.chain.version + 1;
  header.transaction_count = draft.transaction_count;
  header.time_micros = std::max(draft.time_micros, tail_.chain.time_micros);
  header.durable_mark = tail_.durable;
  header.nonce = next_nonce();
  header.link = tail_.chain.link;
  header.home = tail_.segment;
  image_.cut(at);
  image_.extend(at + entry_bytes(payload_bytes));
  char* entry = image_.at(at);
  encode_entry_header(header, entry);
  char* payload = entry + kEntryHeaderBytes;
  for (const std::string_view part : draft.parts) {
    if (!part.empty()) std::memcpy(payload, part.data(), part.size());
    payload += part.size();
  }
  tail_.chain.link = finish_entry(entry, payload_bytes, tail_segment_->seed, at);
  tail_.offset = at + entry_bytes(payload_bytes);
  tail_.chain.sequence = header.sequence;
  tail_.chain.version += draft.transaction_count;
  tail_.chain.time_micros = header.time_micros;
  tail_.home = header.home;
  tail_.sealed = false;

  Sync outcome = Sync::done;
  if (draft.durable) {
    const std::uint64_t end = tail_.offset;
    append_parity();
    if (base::broken(base::Break::log_rewrite_synced_sector)) image_.cut(end);
    outcome = write_range(at, image_.end()) ? sync_tail(lock, deadline, &before) : fail_over(lock, deadline, &before);
  } else {
    // A sector that is touched for the first time is written whole: a part of it would first be read from the disk.
    const std::uint64_t touched = sector_up(tail_.offset);
    if (touched > written_end_) image_.pad(touched);
    if (!write_range(at, touched > written_end_ ? touched : tail_.offset)) outcome = fail_over(lock, deadline, &before);
    image_.cut(tail_.offset);
  }
  if (outcome != Sync::done) return broken_ ? Append::undecided : Append::unavailable;
  publish();
  reader_.appended(tail_, tail_segment_, before.chain);
  seen_version_.store(tail_.chain.version, std::memory_order_release);
  hold_until_ = {};
  used_at_ = base::now();
  if (draft.durable) {
    work_by(durable_at_ + kSealAfter);
  } else if (unsynced()) {
    if (unsynced_since_ == base::kNever) {
      unsynced_since_ = base::now();
      work_by(unsynced_since_ + kBackgroundSyncAfter);
    } else if (tail_.offset - tail_.settled >= kUnsyncedWakeBytes && !syncing_) {
      work_by(base::Instant{} + std::chrono::nanoseconds(1));
    }
  }
  release_if_asked();
  return Append::kept;
}

bool DirectoryLog::sync(base::Instant deadline) {
  if (!usable()) return options_.read_only;
  LiveCell cell;
  const bool known = memory_.load(kLivePublishedAt, cell);
  Lock lock(mutex_);
  if (known && tail_.settled_chain.sequence >= cell.sequence) return true;
  const Busy busy(*this, lock, deadline);
  if (!busy) {
    set_why(closing() ? "the store is closed" : "the log is busy: " + problem());
    return false;
  }
  if (!acquire(lock, deadline) || !wait_for_sync(lock, deadline)) return false;
  if (!end_failure(lock, deadline)) return false;
  return !unsynced() || sync_tail(lock, deadline, nullptr) == Sync::done;
}

Version DirectoryLog::durable() const {
  return durable_version_.load(std::memory_order_acquire);
}

Version DirectoryLog::wait(Version version, base::Instant deadline) {
  for (;;) {
    if (is_child() || closing()) return told_version(following_);
    if (options_.read_only) (void)scout();
    const bool mapped = memory_.ready() && memory_.memory != nullptr;
    const std::uint32_t news = mapped ? memory_.word(kLiveNewsAt) : 0;
    if (mapped) {
      memory_.set_word(kLiveWaitingAt, 1);
      std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    const Version now_published = told_version(following_);
    const base::Instant now = base::now();
    if (now_published > version || now >= deadline) return now_published;
    if (mapped) {
      memory_.wait_until(kLiveNewsAt, news, std::min(deadline, now + kWaitPoll));
    } else {
      base::sleep_for(std::min<base::Duration>(kScoutPoll, deadline - now));
    }
  }
}

// How far the log goes, for a read-only handle. Any thread.
Version DirectoryLog::scout() {
  std::lock_guard guard(scout_mutex_);
  Goal goal;
  if (!scout_ || find_end(*scout_, false, goal) != Read::caught_up || !goal.alone) return told_version(following_);
  const Version found = scout_->cursor().chain.version;
  Version seen = seen_version_.load(std::memory_order_relaxed);
  while (found > seen && !seen_version_.compare_exchange_weak(seen, found)) {
  }
  return told_version(following_);
}

void DirectoryLog::release(std::uint64_t segment) {
  if (!usable()) return;
  LiveCell cell;
  if (!memory_.load(kLivePublishedAt, cell)) return;  // another time
  segment = std::min(segment, cell.segment);
  std::uint64_t before = released_.load(std::memory_order_relaxed);
  while (before < segment && !released_.compare_exchange_weak(before, segment)) {
  }
  if (const auto failed = files_.recycle_below(segment)) say("collecting segments of the log: " + failed.text());
}

LogStats DirectoryLog::stats() const {
  LogStats stats;
  stats.syncs = syncs_;
  stats.bytes_written = bytes_written_;
  stats.segment_bytes = files_.bytes_on_disk();
  stats.entries_healed = healed_;
  return stats;
}

void DirectoryLog::check(const Start& start, std::uint64_t& entries, std::uint64_t& bytes,
                         std::vector<std::string>& healed, std::vector<std::string>& damage) {
  if (is_child()) return;
  {
    const std::lock_guard guard(words_mutex_);
    healed = std::exchange(healed_by_opening_, {});
  }
  LogReader reader(files_, options_.on_message);
  reader.on_healed = [&](const std::string& sentence) { healed.push_back(sentence); };
  reader.on_damage = [&](const std::string& sentence) { damage.push_back(sentence); };
  Goal goal;
  LiveCell durable;
  const bool known = memory_.load(kLiveDurableAt, durable);  // before what is published
  Read outcome = Read::unavailable;
  if (published_end(goal)) outcome = reader.begin(start);
  goal.thorough = true;
  if (outcome == Read::caught_up) {
    const Sink count = [&](const Entry& entry) {
      ++entries;
      bytes += entry_bytes(entry.payload.size());
    };
    outcome = reader.walk(goal, &count);
  }
  const Cursor& end = reader.cursor();
  const bool settled =
      outcome == Read::caught_up && known && durable.segment == end.segment && durable.sequence >= end.chain.sequence;
  const bool sealed = !settled || reader.check_end();
  healed_ += reader.healed();
  write_repairs(reader, kInternalDeadline);
  if (!sealed) heal_seal(end.chain, healed);
  if (outcome == Read::gone) return;  // collected meanwhile: that is no damage
  if (outcome != Read::caught_up) damage.push_back(reader.why().empty() ? why() : reader.why());
}

// No seal was seen behind this end of the log. If there should be one, it is damaged: another one is written behind it.
void DirectoryLog::heal_seal(const Chain& end, std::vector<std::string>& healed) {
  const base::Instant deadline = base::deadline_after(base::now(), kInternalDeadline);
  Lock lock(mutex_);
  const Busy busy(*this, lock, deadline);
  if (!busy || !held_ || syncing_ || failing_ || !tail_.sealed || !(tail_.chain == end)) return;
  base::probe("log: healed a seal");
  tail_.sealed = false;
  healed.push_back(SegmentFiles::path_of(tail_.segment) + ": " +
                   base::ranges_text({tail_.offset - kSectorBytes}, kSectorBytes) + " were damaged (a seal)");
  seal(lock);
}

void DirectoryLog::close() {
  if (is_child() || std::exchange(closed_, true)) return;
  if (!options_.read_only) {
    const base::Instant deadline = base::deadline_after(base::now(), kInternalDeadline);
    (void)sync(deadline);
    Lock lock(mutex_);
    const Busy busy(*this, lock, deadline);
    if (busy && held_ && wait_for_sync(lock, deadline) && !failing_) seal(lock);
  }
  stop_threads();
  Lock lock(mutex_);
  release_commit_lock();
}

}  // namespace ingot::log
