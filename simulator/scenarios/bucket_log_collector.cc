// The collector of the bucket-log scenario, as an engine's maintenance has to do it. Any number of processes do this at
// once; each is killed, stands still, and is taken over by the others.
#include <algorithm>
#include <chrono>

#include "bucket_log_session.h"
#include "log/boundary.h"

namespace ingot::simulator {

using namespace std::chrono_literals;

namespace {
constexpr base::Duration kCollectorPatience = 1min;
}

void BucketLogSession::collect() {
  base::Random random(base::random_u64());
  const auto most = static_cast<std::uint64_t>(plan_.collect_every.count());
  base::Duration pause{};
  const auto next = [&] {
    // By the clock, all of these come at once.
    const base::Duration to_the_hour = base::Duration(1h) - base::now().time_since_epoch() % base::Duration(1h);
    return plan_.collects_by_the_clock ? to_the_hour : pause + base::Duration(random.below(most));
  };
  while (!wait_or_stop(next())) {
    const std::shared_ptr<log::BucketLog> log = this->log();
    if (log == nullptr) return;
    const std::uint64_t before = history().boundary_slot();
    collect_once(*log);
    pause = history().boundary_slot() != before ? base::Duration{} : base::Duration(1h);
  }
}

std::optional<std::vector<storage::ListedObject>> BucketLogSession::list(std::string_view prefix) {
  std::vector<storage::ListedObject> objects;
  std::string continuation;
  int failures = 0;
  do {
    storage::Listing page = world().bucket.list(prefix, continuation, base::now() + 10s);
    if (page.outcome != storage::Outcome::done) {
      if (++failures > 3) return std::nullopt;
      continue;
    }
    objects.insert(objects.end(), page.objects.begin(), page.objects.end());
    continuation = page.continuation;
    if (continuation.empty()) return objects;
  } while (true);
}

bool BucketLogSession::remove_all(const std::vector<std::string>& keys) {
  bool all = true;
  for (const std::string& key : keys) {
    const storage::Answer answer = world().bucket.remove(key, base::now() + 10s);
    all = all && answer.outcome == storage::Outcome::done;
  }
  return all;
}

// One turn: goes on with what is under way, or begins it.
void BucketLogSession::collect_once(log::BucketLog& log) {
  if (log.confirm(base::now() + kCollectorPatience) != log::Read::caught_up) return;
  const log::Confirmation confirmation = log.confirmation();
  if (const std::optional<log::Boundary> boundary = log.boundary(); boundary.has_value()) {
    if (boundary->number != confirmation.number) return;  // it comes with the next one
    const storage::BucketDate now{std::chrono::seconds(log.clock_micros() / 1'000'000)};
    const log::Seen seen = log::record_seen(world().bucket, boundary->number, std::max(boundary->read_at, now),
                                            kBucketStoreId, base::now() + kCollectorPatience);
    if (seen.outcome == log::Seen::Outcome::corrupt) fail("seen/ is corrupt: " + seen.why);
    if (seen.outcome != log::Seen::Outcome::known) return;
    if (!log::grace_is_over(seen.date, log.clock_micros(), kBucketGrace)) {
      outcome("collect: waits");
      return;
    }
    if (!remove_below(log, *boundary, seen.date)) return;
    outcome("collect: removed");
  }
  // The newest checkpoint, read back.
  const auto objects = list(log::kCheckpointPrefix);
  if (!objects.has_value()) return;
  std::optional<log::CheckpointName> newest;
  for (const storage::ListedObject& object : *objects) {
    const auto name = log::parse_checkpoint_key(object.key);
    if (name.has_value() && (!newest.has_value() || log::is_newer(*name, *newest))) newest = name;
  }
  if (!newest.has_value() || newest->start - 1 <= confirmation.slot) return;
  const std::string key = log::checkpoint_key(*newest);
  const storage::Got got = world().bucket.get(key, {}, base::now() + 10s);
  BucketState state;
  log::Start start;
  if (got.outcome != storage::Outcome::done || !BucketState::decode(got.bytes, state, start)) return;
  const log::Advanced advanced = log::advance_boundary(world().bucket, confirmation, newest->start - 1, key,
                                                       kBucketStoreId, base::now() + kCollectorPatience);
  outcome(advanced == log::Advanced::done    ? "collect: boundary made"
          : advanced == log::Advanced::taken ? "collect: another made the boundary"
                                             : "collect: boundary not made");
  // Who reads it notes that it was seen; so the wait begins.
  if (log.confirm(base::now() + kCollectorPatience) != log::Read::caught_up) return;
  const std::optional<log::Boundary> made = log.boundary();
  if (!made.has_value() || made->number == confirmation.number) return;
  const storage::BucketDate now{std::chrono::seconds(log.clock_micros() / 1'000'000)};
  (void)log::record_seen(world().bucket, made->number, std::max(made->read_at, now), kBucketStoreId,
                         base::now() + kCollectorPatience);
}

// The grace is over: slots, what replays they were for, and what nothing names. True: all of it is gone.
bool BucketLogSession::remove_below(log::BucketLog& log, const log::Boundary& boundary, storage::BucketDate seen) {
  const auto slots = list(log::kLogPrefix);
  const auto checkpoints = list(log::kCheckpointPrefix);
  const auto bulk = list(log::kBulkPrefix);
  if (!slots.has_value() || !checkpoints.has_value() || !bulk.has_value()) return false;
  std::vector<std::string> keys;
  for (const storage::ListedObject& object : *slots) {
    if (log::parse_slot_key(object.key).value_or(~0ULL) <= boundary.slot) keys.push_back(object.key);
  }
  const std::uint64_t start = log::parse_checkpoint_key(boundary.checkpoint).value_or(log::CheckpointName{}).start;
  if (start <= boundary.slot) fail("a boundary stands on a checkpoint that starts below it");
  for (const storage::ListedObject& object : *checkpoints) {
    const auto name = log::parse_checkpoint_key(object.key);
    const auto tail = log::parse_tail_key(object.key);
    const bool is_old = (name.has_value() && name->start < start) || (tail.has_value() && tail->upto < start);
    if (is_old) keys.push_back(object.key);
  }
  // The tail is read after the listing, and before anything is removed.
  if (log.look(base::now() + kCollectorPatience) != log::Read::caught_up) return false;
  {
    const Lock lock(owner_);
    if (&log != log_.get() || !read() || &log != log_.get()) return false;
  }
  const log::BucketLog::Bulk named = log.bulk_named();
  if (named.from <= boundary.slot + 1) {
    for (const storage::ListedObject& object : *bulk) {
      const bool is_named = std::find(named.keys.begin(), named.keys.end(), object.key) != named.keys.end();
      if (object.modified < seen && !is_named) {
        outcome("collect: a payload that nothing names");
        keys.push_back(object.key);
      }
    }
  }
  return remove_all(keys);
}

}  // namespace ingot::simulator
