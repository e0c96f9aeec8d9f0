#include "engine/collector.h"

#include <algorithm>
#include <utility>

#include "base/testing.h"
#include "engine/bucket_header.h"
#include "engine/engine.h"
#include "engine/run_output.h"
#include "engine/store_header.h"
#include "ingot/error.h"
#include "log/bucket_format.h"
#include "storage/persist.h"

namespace ingot::engine {

namespace {

using storage::BucketDate;
using storage::Outcome;

// One round of requests takes no longer than this, or is begun again.
constexpr base::Duration kRoundPatience = std::chrono::minutes(2);
// It costs some requests: not for less than this.
constexpr std::uint64_t kSlotsWorthIt = 64;
// Bulk payloads live so much longer than half the grace before the first slot that is left: see sweep().
constexpr std::chrono::seconds kSlack = std::chrono::hours(1);

std::string swept_key(std::uint32_t number) {
  return "swept/" + log::boundary_key(number).substr(log::kBoundaryPrefix.size());
}

// Whether a key under `prefix` is one that we make: another store's prefix may begin with ours, and go on as our names
// do.
bool is_named_by_us(std::string_view key, std::string_view prefix) {
  constexpr std::size_t kNameBytes = 32;
  return key.size() == prefix.size() + kNameBytes && key.starts_with(prefix) &&
         key.find_first_not_of("0123456789abcdef", prefix.size()) == std::string_view::npos;
}

}  // namespace

base::Instant Collector::deadline() const {
  return base::now() + kRoundPatience;
}

void Collector::require_going_on() const {
  if (place_.stopping()) throw Error(ErrorCode::closed, engine_.where() + ": the store is closed");
}

template <class Visit>
void Collector::list(std::string_view prefix, Visit visit) {
  std::string continuation;
  do {
    require_going_on();
    const base::Instant until = deadline();
    const storage::Listing page = storage::persist(
        until, [&](base::Instant end_of_try) { return bucket_.list(prefix, continuation, end_of_try); },
        [this] { return place_.stopping(); });
    if (page.outcome != Outcome::done)
      throw Error(ErrorCode::unavailable, bucket_.where() + "/" + std::string(prefix) + ": can't list it: " + page.why);
    for (const storage::ListedObject& object : page.objects) visit(object);
    continuation = page.continuation;
  } while (!continuation.empty());
}

void Collector::remove(const std::string& key) {
  require_going_on();
  const base::Instant until = deadline();
  const storage::Answer answer = storage::persist(
      until, [&](base::Instant end_of_try) { return bucket_.remove(key, end_of_try); },
      [this] { return place_.stopping(); });
  if (answer.outcome != Outcome::done)
    throw Error(ErrorCode::unavailable, bucket_.where() + "/" + key + ": can't remove it: " + answer.why);
  ++deleted_;
}

bool Collector::read_checkpoint(const std::string& key, Checkpoint& checkpoint) {
  const base::Instant until = deadline();
  const storage::Got got = storage::persist(
      until, [&](base::Instant end_of_try) { return bucket_.get(key, {}, end_of_try); },
      [this] { return place_.stopping(); });
  if (got.outcome == Outcome::absent) return false;
  if (got.outcome != Outcome::done)
    throw Error(ErrorCode::unavailable, bucket_.where() + "/" + key + ": can't read it: " + got.why);
  return decode_checkpoint(store_id_, got.bytes, checkpoint) == CheckpointRead::found;
}

bool Collector::was_swept(std::uint32_t number) {
  if (number <= swept_) return true;
  const base::Instant until = deadline();
  const storage::Got got = storage::persist(
      until, [&](base::Instant end_of_try) { return bucket_.get(swept_key(number), {}, end_of_try); },
      [this] { return place_.stopping(); });
  if (got.outcome != Outcome::done && got.outcome != Outcome::absent)
    throw Error(ErrorCode::unavailable, bucket_.where() + ": can't see what was collected: " + got.why);
  if (got.outcome == Outcome::done) swept_ = number;
  return got.outcome == Outcome::done;
}

std::optional<base::Duration> Collector::step() {
  const std::shared_ptr<log::BucketLog> log = place_.bucket_log();
  if (log == nullptr || log->confirm(deadline()) != log::Read::caught_up) {
    throw Error(ErrorCode::unavailable, engine_.where() + ": can't ask for the boundary" +
                                            (log == nullptr ? std::string() : ": " + log->why()));
  }
  const log::Confirmation known = log->confirmation();
  if (known.number == 0 || was_swept(known.number)) return begin(known);
  // What the boundary says is read, not remembered: whoever waits has seen it.
  log::Confirmation before = known;
  before.number -= 1;
  before.slot = 0;
  const log::Confirmed confirmed = log::confirm_boundary(bucket_, before, store_id_, deadline());
  if (confirmed.outcome != log::Confirmed::Outcome::confirmed || !confirmed.boundary)
    throw Error(ErrorCode::unavailable, engine_.where() + ": can't read the boundary: " + confirmed.why);
  const log::Boundary& boundary = *confirmed.boundary;
  if (boundary.number != known.number) return base::Duration(std::chrono::seconds(1));  // somebody goes on already
  const std::optional<BucketDate> seen = seen_since(boundary);
  if (!seen) throw Error(ErrorCode::unavailable, engine_.where() + ": can't note that the boundary was seen");
  const std::int64_t clock = engine_.clock_micros();
  if (!log::grace_is_over(*seen, clock, grace_) && !base::broken(base::Break::bucket_collect_early)) {
    const auto over = std::chrono::duration_cast<std::chrono::microseconds>((*seen + grace_).time_since_epoch());
    return std::max<base::Duration>(std::chrono::microseconds(over.count() - clock), std::chrono::seconds(1)) +
           std::chrono::seconds(2);
  }
  sweep(boundary, *seen);
  return base::Duration(std::chrono::seconds(1));
}

// Begins a boundary, if it is worth it.
std::optional<base::Duration> Collector::begin(const log::Confirmation& known) {
  swept_ = std::max(swept_, known.number);
  const std::string key = place_.hold_own_checkpoint();
  if (key.empty()) return {};
  const std::optional<log::CheckpointName> name = log::parse_checkpoint_key(key);
  Checkpoint checkpoint;
  if (!name || name->start <= known.slot + 1) return {};
  if (name->start - 1 - known.slot < kSlotsWorthIt) {
    const std::shared_ptr<log::BucketLog> log = place_.bucket_log();
    bool has_garbage = false;
    {
      const std::lock_guard lock(engine_.commit_mutex_);
      has_garbage = !engine_.graveyard_.empty();
    }
    if (!has_garbage) return {};
  }
  if (!read_checkpoint(key, checkpoint)) return {};
  const log::Advanced advanced = log::advance_boundary(bucket_, known, name->start - 1, key, store_id_, deadline());
  if (advanced == log::Advanced::unavailable)
    throw Error(ErrorCode::unavailable, engine_.where() + ": can't make a boundary");
  if (advanced == log::Advanced::done) base::probe("engine: a boundary was begun");
  return base::Duration(std::chrono::milliseconds(1));
}

// Since when all can read it, as noted; noted now if nobody has.
std::optional<BucketDate> Collector::seen_since(const log::Boundary& boundary) {
  if (seen_ && seen_number_ == boundary.number) return seen_;
  log::Seen seen = log::read_seen(bucket_, boundary.number, store_id_, deadline());
  if (seen.outcome == log::Seen::Outcome::absent) {
    const auto clock = std::chrono::floor<std::chrono::seconds>(
        std::chrono::sys_time<std::chrono::microseconds>(std::chrono::microseconds(engine_.clock_micros())));
    BucketDate date = std::max(boundary.read_at, clock);
    if (base::broken(base::Break::bucket_second_collector_no_wait)) date -= grace_ + std::chrono::seconds(10);
    seen = log::record_seen(bucket_, boundary.number, date, store_id_, deadline());
  }
  if (seen.outcome != log::Seen::Outcome::known) return {};
  seen_ = seen.date;
  seen_number_ = boundary.number;
  return seen_;
}

std::set<std::string, std::less<>> Collector::named_runs(std::uint64_t& edit_number) const {
  std::set<std::string, std::less<>> names;
  const std::lock_guard lock(engine_.commit_mutex_);
  edit_number = engine_.state_owner_->edit_number;
  for (const SortedRun& sorted : engine_.state_owner_->sorted_runs) {
    for (const auto& file : sorted.files) names.insert(file->summary().name);
  }
  for (const RemovedRun& removed : engine_.graveyard_) names.insert(removed.name);
  return names;
}

void Collector::sweep(const log::Boundary& boundary, BucketDate seen) {
  base::probe("engine: swept below a boundary");
  Checkpoint checkpoint;
  const bool known = read_checkpoint(boundary.checkpoint, checkpoint);

  std::vector<std::string> gone;
  list(log::kLogPrefix, [&](const storage::ListedObject& object) {
    const std::optional<std::uint64_t> slot = log::parse_slot_key(object.key);
    if (slot && *slot <= boundary.slot) gone.push_back(object.key);
  });
  // Checkpoints: all but the newest, and what may be younger than it seems.
  std::vector<std::pair<log::CheckpointName, storage::ListedObject>> checkpoints;
  std::optional<log::CheckpointName> newest;
  list(log::kCheckpointPrefix, [&](const storage::ListedObject& object) {
    if (const std::optional<log::CheckpointName> name = log::parse_checkpoint_key(object.key)) {
      if (!newest || log::is_newer(*name, *newest)) newest = name;
      checkpoints.emplace_back(*name, object);
    } else if (const std::optional<log::TailName> tail = log::parse_tail_key(object.key)) {
      if (tail->upto <= boundary.slot) gone.push_back(object.key);
    }
  });
  for (const auto& [name, object] : checkpoints) {
    if (newest && *newest != name && object.modified <= seen && name.start <= boundary.slot) gone.push_back(object.key);
  }
  // Begun before the boundary was seen, so too old to be named by anything that is still to come.
  std::vector<std::string> runs;
  list(kRunsPrefix, [&](const storage::ListedObject& object) {
    if (is_named_by_us(object.key, kRunsPrefix) && object.modified <= seen)
      runs.push_back(object.key.substr(kRunsPrefix.size()));
  });
  // A payload is named by an entry that was won within half the grace of its making. So what is older than that before
  // the first slot that is left is named by none of these.
  const BucketDate first_left = std::chrono::floor<std::chrono::seconds>(
      std::chrono::sys_time<std::chrono::microseconds>(std::chrono::microseconds(checkpoint.start.time_micros)));
  const BucketDate payloads_before = first_left - grace_ / 2 - std::min(kSlack, grace_ / 2);
  list(log::kBulkPrefix, [&](const storage::ListedObject& object) {
    if (known && is_named_by_us(object.key, log::kBulkPrefix) && object.modified < payloads_before)
      gone.push_back(object.key);
  });
  gone.emplace_back(kCopyingMark);  // of a copy that was killed when this was a store already
  list(kProbePrefix, [&](const storage::ListedObject& object) {
    if (is_named_by_us(object.key, kProbePrefix) && object.modified <= seen) gone.push_back(object.key);
  });
  std::string continuation;
  std::vector<storage::OpenUpload> uploads;
  do {
    require_going_on();
    const base::Instant until = deadline();
    const storage::OpenUploads page = storage::persist(
        until, [&](base::Instant end_of_try) { return bucket_.list_uploads(kRunsPrefix, continuation, end_of_try); },
        [this] { return place_.stopping(); });
    if (page.outcome != Outcome::done) break;  // some servers can't: their own rules must do
    for (const storage::OpenUpload& upload : page.uploads) {
      if (is_named_by_us(upload.key, kRunsPrefix) && upload.begun <= seen) uploads.push_back(upload);
    }
    continuation = page.continuation;
  } while (!continuation.empty());

  // What was there before `seen` could only be named by what was signed not long after; that has come by now, or never
  // will. So what the log says now is all there is to be known.
  if (!base::broken(base::Break::bucket_sweep_unread_tail)) engine_.refresh(true);
  std::uint64_t edit_number = 0;
  const std::set<std::string, std::less<>> named = named_runs(edit_number);
  for (const std::string& run : runs) {
    if (!named.contains(run)) gone.push_back(run_path(run));
  }
  std::uint64_t swept_edit = 0;
  if (known) {
    swept_edit = checkpoint.edit_number;
    for (const RemovedRun& removed : checkpoint.graveyard) gone.push_back(run_path(removed.name));
  }
  for (const std::string& key : gone) remove(key);
  for (const storage::OpenUpload& upload : uploads) {
    require_going_on();
    (void)bucket_.abort_upload(upload.key, upload.id, deadline()).outcome;
  }
  {
    const std::lock_guard lock(engine_.commit_mutex_);
    std::erase_if(engine_.graveyard_, [&](const RemovedRun& removed) { return removed.edit_number <= swept_edit; });
  }
  const base::Instant until = deadline();
  const storage::Answer answer = storage::persist(
      until,
      [&](base::Instant end_of_try) {
        return bucket_.put(swept_key(boundary.number), "", storage::PutMode::create, {}, end_of_try);
      },
      [this] { return place_.stopping(); });
  if (answer.outcome != Outcome::done && answer.outcome != Outcome::exists)
    throw Error(ErrorCode::unavailable, engine_.where() + ": can't note what was collected: " + answer.why);
  swept_ = std::max(swept_, boundary.number);
  // Notes of boundaries before it, which nobody looks for any more.
  std::vector<std::string> notes;
  list(log::kSeenPrefix, [&](const storage::ListedObject& object) {
    if (object.key < log::seen_key(boundary.number)) notes.push_back(object.key);
  });
  list("swept/", [&](const storage::ListedObject& object) {
    if (object.key < swept_key(boundary.number)) notes.push_back(object.key);
  });
  for (const std::string& key : notes) remove(key);
}

}  // namespace ingot::engine
