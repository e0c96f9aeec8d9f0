// Group commit: those who commit at the same time share one entry of the log, one write and one sync. The first to come
// leads: it waits until the group before is done, gathers who has come meanwhile, validates, appends, applies, and
// wakes.
#include <algorithm>
#include <unordered_set>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/testing.h"
#include "engine/engine.h"
#include "engine/internal_key.h"
#include "engine/maintenance.h"
#include "engine/merged_view.h"
#include "engine/newer_release.h"

namespace ingot::engine {

namespace {
// A group takes no more than this beside its first transaction: the log's writes stay short, and fit into a slot of a
// bucket with what is put around them.
constexpr std::size_t kGroupBytesMax = (1 << 20) - (64 << 10);
constexpr std::size_t kGroupCountMax = 4096;
// Nor does it wait, awake, longer than this for others to join, however slow the device is.
constexpr base::Duration kGatherMax = std::chrono::milliseconds(1);
// In a bucket it sleeps meanwhile, so that it may be longer: some per cent of what a put takes there.
constexpr base::Duration kGatherRemoteMax = std::chrono::milliseconds(4);
constexpr base::Duration kGatherPause = std::chrono::microseconds(100);
// How long anybody waits for the elder.
constexpr base::Duration kElderPatience = std::chrono::milliseconds(20);

// A commit that is not synced takes 2 µs, a thread that sleeps some 40 µs to wake: so it first waits awake, about as
// long as a few such commits take.
constexpr int kSpinsMax = 400;
template <class Done>
bool spin_until(Done done) {
  for (int spins = 0; spins < kSpinsMax; ++spins) {
    if (done()) return true;
    base::spin_pause();
  }
  return false;
}
}  // namespace

struct Engine::Request {
  enum class Outcome : std::uint8_t { undecided, kept, lost, failed };
  TransactionState* transaction = nullptr;
  Outcome outcome = Outcome::undecided;
  Version version = 0;
  ErrorCode code = ErrorCode::unavailable;
  std::string why;
  std::optional<log::Log::Attempt> attempt{};  // failed, and not known whether it is in the log
  std::uint32_t ordinal = 0;                   // in that attempt
};

struct Engine::Group {
  std::vector<Request*> requests;  // under queue_mutex_, until the leader has closed the group
  std::size_t bytes = 0;
  std::atomic<std::uint32_t> size{0};
  base::WaitWord done;
};

// What the transactions of a group that were let in so far write, for the reads of those behind them.
struct Engine::GroupWrites {
  std::unordered_set<std::uint64_t> hashes;  // two keys of one hash make a needless conflict, never a missed one
  std::vector<std::string_view> keys;
  std::vector<ReadSet::Range> erased;

  void add(std::string_view mutations) {
    base::ByteReader reader(mutations);
    Mutation mutation;
    while (!reader.empty() && take_mutation(reader, mutation)) {
      if (mutation.kind == MutationKind::erase_range) {
        erased.push_back({std::string(mutation.key), std::string(mutation.value)});
      } else {
        hashes.insert(base::hash64(mutation.key));
        keys.push_back(mutation.key);
      }
    }
  }

  [[nodiscard]] bool touches(ReadSet& reads, std::string& conflict_key) const {
    for (std::size_t i = 0; i < reads.key_count(); ++i) {
      const std::string_view key = reads.key_at(i);
      const bool hit =
          hashes.contains(base::hash64(key)) || std::any_of(erased.begin(), erased.end(), [&](const auto& range) {
            return key >= range.begin && (range.end.empty() || key < range.end);
          });
      if (!hit) continue;
      conflict_key = key;
      return true;
    }
    for (const ReadSet::Range& read : reads.ranges()) {
      const bool hit =
          std::any_of(
              keys.begin(), keys.end(),
              [&](std::string_view key) { return key >= read.begin && (read.end.empty() || key < read.end); }) ||
          std::any_of(erased.begin(), erased.end(), [&](const auto& range) {
            return (read.end.empty() || range.begin < read.end) && (range.end.empty() || read.begin < range.end);
          });
      if (!hit) continue;
      conflict_key = read.begin;
      return true;
    }
    return false;
  }
};

std::optional<Version> Engine::commit(TransactionState& transaction) {
  transaction.require_open();
  if (transaction.mutations.empty()) {
    const Version version = transaction.version;
    transaction.state.reset();
    return version;
  }
  require_writable();
  const base::Instant deadline = base::deadline_after(base::now(), options_.deadline);
  maintenance_->throttle(transaction.mutations.bytes().size(), deadline);
  if (elder_active_.load(std::memory_order_relaxed) && !transaction.elder) {
    // Somebody lost again and again: it goes first, but nobody waits for it for long.
    std::unique_lock lock(elder_mutex_);
    const base::Instant patience = base::now() + kElderPatience;
    while (elder_active_.load(std::memory_order_relaxed) && elder_changed_.wait_until(lock, patience)) {
    }
  }
  Request request;
  request.transaction = &transaction;
  Request* const alone[] = {&request};
  const bool quick = transaction.durability == Durability::process;
  // In a bucket the first who comes back from a group would go alone, and the others wait for it.
  const auto try_alone = [&] {
    if (remote_ && usual_group_size_.load(std::memory_order_relaxed) > 1) return false;
    return !group_open_.load(std::memory_order_relaxed) && append_mutex_.try_lock();
  };
  if (!transaction.reads.empty() && !renew_old_reads(transaction)) {
    request.outcome = Request::Outcome::lost;
  } else if (try_alone() || (quick && spin_until(try_alone))) {
    const std::lock_guard lock(append_mutex_, std::adopt_lock);
    commit_group(alone, deadline);
    note_crowd(1);
  } else {
    std::shared_ptr<Group> group;
    bool leads = false;
    {
      const std::lock_guard lock(queue_mutex_);
      const std::size_t bytes = transaction.mutations.bytes().size();
      if (open_group_ == nullptr || open_group_->bytes + bytes > kGroupBytesMax ||
          open_group_->requests.size() >= kGroupCountMax) {
        group = std::make_shared<Group>();
        leads = true;
      } else {
        group = open_group_;
      }
      group->requests.push_back(&request);
      open_group_ = group;  // not before it has its leader
      group->bytes += bytes;
      group->size.fetch_add(1, std::memory_order_relaxed);
      group_open_.store(true, std::memory_order_relaxed);
    }
    if (leads) {
      if (!quick || !spin_until([&] { return append_mutex_.try_lock(); })) append_mutex_.lock();
      const std::lock_guard lock(append_mutex_, std::adopt_lock);
      await_turn(deadline);
      gather(*group);
      commit_group(group->requests, deadline);
      note_crowd(static_cast<std::uint32_t>(group->requests.size()));
    }
    if (leads) {
      group->done.value().store(1, std::memory_order_release);
      if (group->requests.size() > 1) group->done.wake_all();
    } else if (!quick || !spin_until([&] { return group->done.value().load(std::memory_order_acquire) != 0; })) {
      while (group->done.value().load(std::memory_order_acquire) == 0) group->done.wait_until(0, base::kNever);
    }
  }
  transaction.state.reset();
  switch (request.outcome) {
    case Request::Outcome::kept:
      return request.version;
    case Request::Outcome::lost:
      conflicts_.fetch_add(1, std::memory_order_relaxed);
      return std::nullopt;
    case Request::Outcome::undecided:
    case Request::Outcome::failed:
      break;
  }
  if (request.attempt) {
    throw Undecided(request.why, {request.attempt->session.low, request.attempt->session.high},
                    request.attempt->sequence, request.ordinal);
  }
  throw Error(request.code, request.why);
}

// In a bucket other writers' turns may take long: who comes meanwhile joins the group, which is still open.
void Engine::await_turn(base::Instant deadline) {
  if (!remote_) return;
  try {
    const std::shared_ptr<log::Log> log = shared_log();
    // News are another's turn; what is next may be a third one's.
    for (Version before = log->published(); log->prepare(deadline) && base::now() < deadline;) {
      const Version after = log->published();
      if (after == before || after == log::Log::kMustLook) return;
      before = after;
    }
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): the group says so, if it is still so then
  }
}

// In a closed loop those who were woken by the last group come back while this one could already go: a wait that is
// short against a sync lets one sync carry them all.
void Engine::gather(Group& group) {
  bool durable = false;
  {
    const std::lock_guard lock(queue_mutex_);
    durable = group.requests.front()->transaction->durability == Durability::disk;
  }
  const std::uint32_t usual = usual_group_size_.load(std::memory_order_relaxed);
  if ((durable || remote_) && group.size.load(std::memory_order_relaxed) < usual) {
    const base::Instant patience = base::now() + std::min(usual_sync_ / 4, remote_ ? kGatherRemoteMax : kGatherMax);
    while (group.size.load(std::memory_order_relaxed) < usual && base::now() < patience) {
      if (remote_) {
        base::sleep_for(kGatherPause);
      } else {
        base::yield_thread();
      }
    }
  }
  const std::lock_guard lock(queue_mutex_);
  if (open_group_.get() == &group) {
    open_group_.reset();
    group_open_.store(false, std::memory_order_relaxed);
  }
  // What came at once is a measure of how many there are.
  if (durable && !remote_) note_usual_size(static_cast<std::uint32_t>(group.requests.size()));
}

// Up at once, down slowly.
void Engine::note_usual_size(std::uint32_t size) {
  const std::uint32_t usual = usual_group_size_.load(std::memory_order_relaxed);
  usual_group_size_.store(size >= usual ? size : usual - (usual - size + 3) / 4, std::memory_order_relaxed);
}

// In a bucket those who wait while a group is put are as many as it has, or more: two halves would take turns for ever.
// So all of them are counted.
void Engine::note_crowd(std::uint32_t committed) {
  if (!remote_) return;
  std::uint32_t waiting = 0;
  {
    const std::lock_guard lock(queue_mutex_);
    if (open_group_ != nullptr) waiting = static_cast<std::uint32_t>(open_group_->requests.size());
  }
  note_usual_size(committed + waiting);
}

void Engine::commit_group(std::span<Request* const> requests, base::Instant deadline) {
  // Throws nothing: others wait for the outcome.
  const auto fail = [&](ErrorCode code, const char* why) {
    for (Request* request : requests) {
      if (request->outcome != Request::Outcome::undecided) continue;
      request->outcome = Request::Outcome::failed;
      request->code = code;
      try {
        request->why = why;
      } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): the code has to do
      }
    }
  };
  try {
    require_writable();
    try_group(requests, deadline);
  } catch (const Error& error) {
    fail(error.code(), error.what());
  } catch (const std::exception& error) {
    const bool stopped = broken_down_.load();
    fail(stopped ? ErrorCode::closed : ErrorCode::unavailable, error.what());
  }
}

Error Engine::unavailable(const std::string& what) const {
  if (is_of_newer_release(what)) return newer_release(where_, what);
  return {ErrorCode::unavailable,
          where_ + ": " + what + ". Nothing was committed; the store goes on by itself when that ends."};
}

// Under append_mutex_, which is let go while the disk is full.
void Engine::try_group(std::span<Request* const> requests, base::Instant deadline) {
  prepare_log(deadline);
  for (base::Duration pause = std::chrono::milliseconds(1);;) {
    std::unique_lock lock(commit_mutex_);
    catch_up();
    const log::Position position = log().position();
    std::int64_t time_micros = std::max(clock_micros(), position.time_micros);
    // The clock may have been set back since a snapshot was taken: what it saw expired has expired.
    for (const Request* request : requests) time_micros = std::max(time_micros, request->transaction->time_micros);
    survivors_.clear();
    GroupWrites writes;
    std::size_t written = 0;  // survivors whose mutations `writes` has
    for (Request* request : requests) {
      TransactionState& transaction = *request->transaction;
      std::string conflict_key;
      bool wins = validate(transaction, time_micros, conflict_key);
      if (wins && !transaction.reads.empty() && !survivors_.empty() &&
          !base::broken(base::Break::engine_skip_validation)) {
        for (; written < survivors_.size(); ++written) writes.add(survivors_[written]->transaction->mutations.bytes());
        wins = !writes.touches(transaction.reads, conflict_key);
      }
      if (!wins) {
        request->outcome = Request::Outcome::lost;
        count_conflict(conflict_key);
        continue;
      }
      request->outcome = Request::Outcome::undecided;
      request->version = position.version + survivors_.size() + 1;
      transaction.mutations.fill_stamps(request->version);
      survivors_.push_back(request);
    }
    if (survivors_.empty()) return;
    const log::Append outcome = append_group(survivors_, time_micros, deadline);
    if (outcome == log::Append::kept || outcome == log::Append::undecided) return;
    if (outcome == log::Append::lost) {
      base::probe("engine: another process appended first");
      continue;
    }
    // The disk is full. What frees room needs both locks, so they are left alone meanwhile; and nobody who waits may
    // pin the files whose end it waits for. (If what it read is flushed meanwhile, it loses, and reads again.)
    for (Request* request : requests) request->transaction->state.reset();
    const base::Instant now = base::now();
    if (now >= deadline) throw unavailable(log().why());
    lock.unlock();
    append_mutex_.unlock();
    base::sleep_for(std::min<base::Duration>(pause, deadline - now));
    append_mutex_.lock();
    pause = std::min<base::Duration>(2 * pause, std::chrono::milliseconds(50));
    require_writable();
  }
}

// What a commit needs of the log, ahead of it. Throws unavailable. Under append_mutex_.
void Engine::prepare_log(base::Instant deadline) const {
  for (;;) {
    const std::shared_ptr<log::Log> log = shared_log();
    if (log->prepare(deadline)) return;
    // Housekeeping may have fallen behind the log meanwhile, and open it anew.
    const std::lock_guard lock(commit_mutex_);
    if (log == shared_log()) throw unavailable(log->why());
  }
}

// An exception out of the middle of an append leaves open whether it happened.
log::Append Engine::append(const log::Draft& draft, base::Instant deadline) {
  try {
    return log().append(draft, deadline);
  } catch (...) {
    break_down_half_way("an append to the log ended half way");
    throw;
  }
}

// Kept, lost or no_room; throws if it can't be done otherwise.
log::Append Engine::append_group(std::vector<Request*>& survivors, std::int64_t time_micros, base::Instant deadline) {
  bool durable = false;
  bool frees_space = true;
  frames_.assign(1, kPayloadFormat);
  for (const Request* request : survivors) {
    durable |= request->transaction->durability == Durability::disk;
    frees_space &= request->transaction->mutations.only_erases();
    base::append_little(frames_, static_cast<std::uint32_t>(request->transaction->mutations.bytes().size()));
  }
  parts_.clear();
  parts_.push_back(std::string_view(frames_).substr(0, 1));
  std::size_t payload_bytes = 0;
  for (std::size_t i = 0; i < survivors.size(); ++i) {
    const std::string_view mutations = survivors[i]->transaction->mutations.bytes();
    parts_.push_back(std::string_view(frames_).substr(1 + i * 4, 4));
    parts_.push_back(mutations);
    payload_bytes += mutations.size();
  }
  log::Draft draft;
  draft.kind = log::EntryKind::commit;
  draft.transaction_count = static_cast<std::uint32_t>(survivors.size());
  draft.time_micros = time_micros;
  draft.parts = parts_;
  draft.durable = durable;
  draft.frees_space = frees_space;
  const base::Instant begun = durable ? base::now() : base::Instant{};
  log::Append outcome = log::Append::kept;
  if (!base::broken(base::Break::engine_ack_before_append)) outcome = append(draft, deadline);
  if (outcome == log::Append::undecided && !remote_) {
    throw Error(ErrorCode::unavailable,
                where_ + ": " + log().why() + ". Whether it was committed shows when the store is opened again.");
  }
  if (outcome == log::Append::undecided) {
    note_undecided(log().attempt(), log().position().slot + 1);
    leave_undecided(survivors, log().attempt());
    return outcome;
  }
  if (outcome == log::Append::unavailable) throw unavailable(log().why());
  if (outcome == log::Append::collected) return resolve_collected(survivors, payload_bytes);
  if (outcome != log::Append::kept) return outcome;
  if (durable)
    usual_sync_ = usual_sync_ == base::Duration{} ? base::now() - begun : (usual_sync_ * 7 + (base::now() - begun)) / 8;
  for (Request* request : survivors) request->outcome = Request::Outcome::kept;
  try {
    const log::Position position = log().position();
    if (position.segment > state_owner_->active->segment()) cut_memtable(position.segment);
    for (Request* request : survivors)
      apply_mutations(request->transaction->mutations.bytes(), request->version, time_micros);
    const SessionRow row{position.session, position.sequence, survivors.front()->version, draft.transaction_count};
    note_session(row, time_micros);
    settle_undecided();
  } catch (...) {
    break_down_half_way("a commit is in the log and could not be applied");
    return log::Append::kept;
  }
  show(survivors.back()->version, time_micros);
  count_kept(survivors.size(), payload_bytes);
  return log::Append::kept;
}

void Engine::count_kept(std::size_t transactions, std::size_t payload_bytes) {
  commits_.fetch_add(transactions, std::memory_order_relaxed);
  groups_.fetch_add(1, std::memory_order_relaxed);
  bytes_committed_.fetch_add(payload_bytes, std::memory_order_relaxed);
}

// An attempt whose answer is missing: what its slot holds, or a row, will decide it.
void Engine::note_undecided(const log::Log::Attempt& attempt, std::uint64_t slot) {
  constexpr std::size_t kRememberedMax = 1000;
  const std::lock_guard lock(undecided_mutex_);
  undecided_.push_back({attempt.session, attempt.sequence, attempt.time_micros, slot});
  if (undecided_.size() > kRememberedMax) undecided_.pop_front();
}

// Their callers wait no longer.
void Engine::leave_undecided(std::span<Request* const> survivors, const log::Log::Attempt& attempt) {
  base::probe("engine: a commit was left undecided");
  const std::string why = where_ + ": " + log().why() +
                          ". The request was sent and not answered: whether it is committed is not known yet. "
                          "Store::outcome tells when the bucket is back.";
  for (std::size_t i = 0; i < survivors.size(); ++i) {
    survivors[i]->outcome = Request::Outcome::failed;
    survivors[i]->code = ErrorCode::unavailable;
    survivors[i]->why = why;
    survivors[i]->attempt = attempt;
    survivors[i]->ordinal = static_cast<std::uint32_t>(i);
  }
}

std::optional<Version> Engine::outcome(const Undecided& undecided) {
  const base::Hash128 session{undecided.session_[0], undecided.session_[1]};
  for (bool looked = false;; looked = true) {
    require_open();
    {
      const std::lock_guard lock(undecided_mutex_);
      const auto found = std::find_if(undecided_.begin(), undecided_.end(), [&](const Attempted& attempted) {
        return attempted.session == session && attempted.sequence == undecided.sequence_;
      });
      if (found == undecided_.end()) {
        throw Error(ErrorCode::invalid_argument,
                    where_ + ": outcome() of a commit of another handle, or one of more than a thousand ago");
      }
      if (found->slot == kNeverSettled) {
        throw Error(ErrorCode::expired,
                    where_ +
                        ": what became of that commit can't be known any more: this machine slept for more than 30 "
                        "days, or is a copy of another that went on meanwhile. Look at the data.");
      }
      if (found->decided && found->base_version == 0) return {};
      if (found->decided) return found->base_version + undecided.ordinal_;
    }
    // What is in its slot decides; and if there is nothing yet, something is put there.
    if (looked) {
      base::probe("engine: a slot was filled to settle what might still come");
      append_empty_edit(false);
    } else {
      refresh(true);
    }
  }
}

// The process slept with an answer missing, and meanwhile others went on so far that the slot is gone. What they kept
// of it is a row: see session_row.h. If it is not there, it never happened, and can't happen any more.
log::Append Engine::resolve_collected(std::vector<Request*>& survivors, std::size_t payload_bytes) {
  base::probe("engine: a commit whose slot was collected was looked up");
  const log::Log::Attempt attempt = log().attempt();
  note_undecided(attempt, kInCheckpoint);
  leave_undecided(survivors, attempt);  // unless the newest checkpoint can be read, and tells
  catch_up();
  Attempted found;
  {
    const std::lock_guard lock(undecided_mutex_);
    for (const Attempted& attempted : undecided_) {
      if (attempted.session == attempt.session && attempted.sequence == attempt.sequence) found = attempted;
    }
  }
  if (!found.decided) return log::Append::undecided;
  const bool is_kept = found.base_version != 0 && !base::broken(base::Break::engine_ignore_session_row);
  for (std::size_t i = 0; i < survivors.size(); ++i) {
    survivors[i]->attempt.reset();
    survivors[i]->outcome = is_kept ? Request::Outcome::kept : Request::Outcome::undecided;
    if (is_kept) survivors[i]->version = found.base_version + i;
  }
  if (!is_kept) return log::Append::lost;
  base::probe("engine: a commit whose slot was collected had happened");
  count_kept(survivors.size(), payload_bytes);
  return log::Append::kept;
}

std::optional<SessionRow> Engine::read_session(const base::Hash128& session) const {
  std::optional<SessionRow> row;
  const View view{state_owner_.get(), visible_version_.load(std::memory_order_relaxed),
                  visible_time_.load(std::memory_order_relaxed)};
  get_at(view, session_key(session), [&](const Seen& seen) { row = decode_session(session, seen.value); });
  return row;
}

// Whether nothing that the transaction read has changed since its snapshot.
bool Engine::validate(TransactionState& transaction, std::int64_t commit_time, std::string& conflict_key) const {
  ReadSet& reads = transaction.reads;
  if (reads.empty() || base::broken(base::Break::engine_skip_validation)) return true;
  conflict_key = reads.key_count() > 0 ? reads.key_at(0) : std::string_view(reads.ranges().front().begin);
  if (reads.expiry_min() != 0 && reads.expiry_min() <= commit_time) return false;
  if (transaction.version == visible_version_.load(std::memory_order_relaxed)) return true;
  const State& state = *state_owner_;
  if (transaction.version < state.floor) return false;  // flushed since renew_old_reads looked: rare, and retried
  const auto changed = [&](const auto& changed_in) {
    if (changed_in(*state.active)) return true;
    return std::any_of(state.sealed.begin(), state.sealed.end(), [&](const auto& memtable) {
      return memtable->version_max() > transaction.version && changed_in(*memtable);
    });
  };
  for (std::size_t i = 0; i < reads.key_count(); ++i) {
    const std::string_view key = reads.key_at(i);
    if (!changed([&](const Memtable& memtable) { return memtable.changed_after(key, transaction.version); })) continue;
    conflict_key = key;
    return false;
  }
  if (base::broken(base::Break::engine_skip_range_validation)) return true;
  for (const ReadSet::Range& range : reads.ranges()) {
    if (!changed([&](const Memtable& memtable) {
          return memtable.range_changed_after(range.begin, range.end, transaction.version);
        })) {
      continue;
    }
    conflict_key = range.begin;
    return false;
  }
  return true;
}

// Memtables keep the history since `floor`. A transaction that is older than that reads again what it has read: if all
// of it is as it was, the transaction is as good as one that began now. Without locks, since it may have to wait for
// storage.
bool Engine::renew_old_reads(TransactionState& transaction) {
  for (;;) {
    const HeldView now = hold();
    if (transaction.version >= now.state->floor) return true;
    base::probe("engine: an old transaction read again");
    const View then{transaction.state.get(), transaction.version, transaction.time_micros};
    const View later{now.state.get(), now.version, transaction.time_micros};
    ReadSet& reads = transaction.reads;
    for (std::size_t i = 0; i < reads.key_count(); ++i) {
      Version old_version = 0;
      Version new_version = 0;
      get_at(then, reads.key_at(i), [&](const Seen& seen) { old_version = seen.version; });
      get_at(later, reads.key_at(i), [&](const Seen& seen) { new_version = seen.version; });
      if (old_version == new_version) continue;
      count_conflict(reads.key_at(i));
      return false;
    }
    for (const ReadSet::Range& range : reads.ranges()) {
      MergedView before(transaction.state, then.version, then.time_micros, range.begin, range.end, ScanUse::lookup);
      MergedView after(now.state, later.version, later.time_micros, range.begin, range.end, ScanUse::lookup);
      bool more_before = before.first();
      bool more_after = after.first();
      while (more_before && more_after && before.key() == after.key() &&
             before.seen().version == after.seen().version) {
        more_before = before.next();
        more_after = after.next();
      }
      if (before.failed()) throw_read_failure(before.why());
      if (after.failed()) throw_read_failure(after.why());
      if (!more_before && !more_after) continue;
      count_conflict(range.begin);
      return false;
    }
    transaction.state = now.state;
    transaction.version = now.version;
  }
}

void Engine::count_conflict(std::string_view key) {
  const std::string_view space = space_of(key);
  const std::lock_guard lock(figures_mutex_);
  const auto found = conflicts_by_space_.find(space);
  if (found != conflicts_by_space_.end()) {
    ++found->second;
  } else {
    conflicts_by_space_.emplace(space, 1);
  }
}

void Engine::wait_after_loss(std::uint32_t losses, bool& elder) {
  constexpr std::uint32_t kLossesBeforeElder = 5;
  if (elder) return;
  if (losses >= kLossesBeforeElder) {
    // Not for long: the elder's function may itself wait for this thread, or be further up on its stack.
    std::unique_lock lock(elder_mutex_);
    const base::Instant patience = base::now() + kElderPatience;
    while (elder_active_.load(std::memory_order_relaxed)) {
      if (!elder_changed_.wait_until(lock, patience)) return;
    }
    elder_active_.store(true, std::memory_order_relaxed);
    elder = true;
    base::probe("engine: a transaction became the elder");
    return;
  }
  if (losses <= 1) return base::yield_thread();
  base::Random random(base::random_u64());
  base::sleep_for(std::chrono::microseconds(random.below(20ULL << losses)));
}

void Engine::end_elder() {
  if (base::fork_generation() != fork_generation_) return;  // the parent's, which it ends itself
  const std::lock_guard lock(elder_mutex_);
  elder_active_.store(false, std::memory_order_relaxed);
  elder_changed_.notify_all();
}

// Undecided, it may be in the log: what it names must stay. (What lies in a bucket stays anyway: see remove_written.)
Error Engine::edit_not_kept(log::Append outcome) const {
  return {outcome == log::Append::undecided && !remote_ ? ErrorCode::closed : ErrorCode::unavailable, log().why()};
}

void Engine::seal_memtable() {
  append_empty_edit(true);
}

void Engine::append_empty_edit(bool new_segment) {
  const base::Instant deadline = base::deadline_after(base::now(), options_.deadline);
  const std::lock_guard append_lock(append_mutex_);
  require_writable();
  prepare_log(deadline);
  for (;;) {
    const std::lock_guard lock(commit_mutex_);
    catch_up();
    if (new_segment && state_owner_->active->empty()) return;
    Edit edit;
    edit.number = state_owner_->edit_number + 1;
    const std::string payload = encode_edit(edit);
    const std::string_view part = payload;
    log::Draft draft;
    draft.kind = log::EntryKind::edit;
    draft.time_micros = entry_time_micros();
    draft.parts = {&part, 1};
    draft.new_segment = new_segment;
    const log::Append outcome = append(draft, deadline);
    if (outcome == log::Append::lost || outcome == log::Append::collected) continue;
    if (outcome != log::Append::kept) throw edit_not_kept(outcome);
    apply_own_edit(edit, {});
    return;
  }
}

bool Engine::commit_edit(Edit edit, std::uint64_t flushed_before,
                         const std::vector<std::shared_ptr<runs::Run>>& added) {
  const base::Instant deadline = base::deadline_after(base::now(), options_.deadline);
  const std::lock_guard append_lock(append_mutex_);
  require_writable();
  prepare_log(deadline);
  for (;;) {
    const std::lock_guard lock(commit_mutex_);
    catch_up();
    const State& state = *state_owner_;
    // Its premises: nobody flushed the same segments, and the runs that it removes are there, side by side.
    if (edit.flushed_segment != 0 && state.flushed_segment != flushed_before) return false;
    const auto first = edit.removed.empty()
                           ? state.sorted_runs.begin()
                           : std::find_if(state.sorted_runs.begin(), state.sorted_runs.end(),
                                          [&](const SortedRun& sorted) { return sorted.id == edit.removed.front(); });
    if (edit.removed.size() > static_cast<std::size_t>(state.sorted_runs.end() - first)) return false;
    for (std::size_t i = 0; i < edit.removed.size(); ++i) {
      if ((first + static_cast<std::ptrdiff_t>(i))->id != edit.removed[i]) return false;
    }
    std::optional<storage::BucketDate> until;
    for (const runs::RunSummary& summary : edit.added) {
      const std::optional<storage::BucketDate> one = medium_->adoptable_until(summary.name);
      if (one && (!until || *one < *until)) until = one;
    }
    if (base::broken(base::Break::bucket_adopt_old_run)) until.reset();
    if (until && std::chrono::microseconds(until->time_since_epoch()).count() < clock_micros()) {
      base::probe("engine: an edit came too late for the runs that it names");
      throw Error(ErrorCode::unavailable, where_ + ": runs were written so long ago that they may be collected by now");
    }
    edit.number = state.edit_number + 1;
    edit.added_id = edit.number;
    if (edit.flushed_segment != 0) {
      const std::optional<log::Start> start = log().start_of(edit.flushed_segment + 1);
      if (start) edit.floor_time_micros = start->time_micros;
    }
    const std::string payload = encode_edit(edit);
    const std::string_view part = payload;
    log::Draft draft;
    draft.kind = log::EntryKind::edit;
    draft.time_micros = entry_time_micros();
    draft.parts = {&part, 1};
    draft.sign_until = until;
    const log::Append outcome = append(draft, deadline);
    if (outcome == log::Append::collected) {
      catch_up();  // from the newest checkpoint: if the edit is in it, its runs are there
      if (has_run(edit)) return true;
    }
    if (outcome == log::Append::lost || outcome == log::Append::collected) continue;
    if (outcome != log::Append::kept) throw edit_not_kept(outcome);
    apply_own_edit(edit, added);
    return true;
  }
}

bool Engine::has_run(const Edit& edit) const {
  return !edit.added.empty() &&
         std::any_of(state_owner_->sorted_runs.begin(), state_owner_->sorted_runs.end(), [&](const SortedRun& sorted) {
           return !sorted.files.empty() && sorted.files.front()->summary().name == edit.added.front().name;
         });
}

// It is in the log, and true.
void Engine::apply_own_edit(const Edit& edit, const std::vector<std::shared_ptr<runs::Run>>& added) {
  try {
    const std::uint64_t segment = log().position().segment;
    if (segment > state_owner_->active->segment()) cut_memtable(segment);
    for (const auto& run : added) open_runs_.emplace(run->summary().name, run);
    apply_edit(edit);
    open_runs_.clear();
    settle_undecided();
  } catch (...) {
    break_down_half_way("an edit is in the log and could not be applied");
    throw;
  }
}

}  // namespace ingot::engine
