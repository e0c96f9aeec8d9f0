// Opening, and what is asked of the log; see bucket_log_internal.h.
#include "log/bucket_log.h"

#include <algorithm>
#include <cassert>
#include <new>

#include "base/random.h"
#include "base/testing.h"
#include "log/bucket_log_internal.h"

namespace ingot::log {

namespace {

base::Hash128 draw_session() {
  char bytes[16];
  base::random_bytes(bytes);
  return base::load_hash(bytes);
}

std::int64_t count_of(base::Instant instant) {
  return instant.time_since_epoch().count();
}

}  // namespace

BucketLogHandle::BucketLogHandle(storage::Bucket& bucket, storage::RequestPool& pool, BucketLogOptions options)
    : bucket_(bucket),
      pool_(pool),
      options_(std::move(options)),
      fork_generation_(base::fork_generation()),
      session_(draw_session()) {
  const std::int64_t long_ago = count_of(base::now()) - base::Duration(std::chrono::hours(1)).count();
  clock_offset_ = options_.start.time_micros - monotonic_micros(base::now());  // until there is an answer
  interest_at_ = looked_at_ = look_failed_at_ = long_ago;
  poll_pause_ = kPollMin;
  const Start& start = options_.start;
  assert(start.segment > 0);
  end_.slot = consumed_ = start.segment - 1;
  end_.version = start.version;
  end_.link = start.link;
  end_.time_micros = start.time_micros;
  end_version_ = start.version;
  position_.segment = start.segment;
  position_.version = start.version;
  position_.time_micros = start.time_micros;
  position_.link = start.link;
  replay_from_ = bulk_from_ = start.segment;
  starts_[start.segment] = start;
}

BucketLogHandle::~BucketLogHandle() {
  if (is_child()) {  // the thread is the parent's, and may have held the mutex
    if (has_follower_) (void)new (std::nothrow) base::Thread(std::move(follower_));
    (void)new (std::nothrow) std::shared_ptr<Shared>(shared_);
    return;
  }
  close();
}

void BucketLogHandle::close() {
  if (is_child() || std::exchange(closed_, true)) return;
  {
    const Lock lock(shared_->mutex);
    closing_ = true;
    shared_->changed.notify_all();
  }
  if (has_follower_) follower_.join();
}

// Opening.

Read BucketLogHandle::open(BucketOpening opening, const Sink& sink, base::Instant deadline, std::string& why) {
  const Read outcome = open_from(std::move(opening), sink, deadline);
  if (outcome != Read::caught_up) {
    why = this->why();
    return outcome;
  }
  follower_ = base::Thread("ingot-log", [this] { follow(); });
  has_follower_ = true;
  return outcome;
}

Read BucketLogHandle::open_from(BucketOpening opening, const Sink& sink, base::Instant deadline) {
  Lock lock(shared_->mutex);
  asks_until_ = deadline;
  take_opening(lock, opening);
  opening = {};
  const Looker looker(lookers_);
  constexpr std::uint64_t wanted = 1;
  round_wanted_ = wanted;
  for (;;) {
    read_arrived(lock, sink);
    if (is_stopped()) return stopped_as();
    if (rounds_done_ >= wanted) {
      asks_until_ = base::kNever;
      return Read::caught_up;
    }
    const base::Instant now = base::now();
    if (now >= deadline) {
      if (problem().empty()) set_why("the bucket did not answer in time");
      return Read::unavailable;
    }
    if (now < retry_at_) {
      wait_for_change(lock, std::min(retry_at_, deadline));
    } else {
      fetch_once(lock);
    }
  }
}

// What was fetched ahead, as far as it can be used: all else is asked for again.
void BucketLogHandle::take_opening(Lock& lock, BucketOpening& opening) {
  for (const DateSample& date : opening.dates) note_date(date);
  old_tails_ = std::move(opening.tails);
  if (opening.boundary.has_value() && !(opening.boundary->store_id == options_.store_id)) {
    set_corrupt(boundary_key(opening.boundary->number) + " belongs to another store");
    return;
  }
  boundary_ = std::move(opening.boundary);
  if (opening.confirmation.has_value()) {
    const Confirmation& confirmation = *opening.confirmation;
    confirmation_ = confirmation;
    if (clock_.is_plausible({confirmation.date, confirmation.sent, confirmation.sent})) {
      confirms_begun_ = confirms_done_ = 1;
    }
  }
  take_tail(lock, opening);
  if (confirmation_.slot > end_.slot) set_gone();
  if (!is_stopped()) take_slots(lock, opening);
}

// A tail holds entries that its writer had read by the rules: they need no confirmation.
void BucketLogHandle::take_tail(Lock& lock, const BucketOpening& opening) {
  if (opening.tail.empty()) return;
  Tail tail;
  if (decode_tail(opening.tail, options_.store_id, tail) != Decoded::good) {
    base::probe("bucket: a tail that can't be read");
    return;  // the slots are there
  }
  if (tail.from > end_.slot + 1) return;
  std::vector<ArrivedEntry> entries;
  for (std::uint64_t i = end_.slot + 1 - tail.from; i < tail.entries.size(); ++i) {
    std::string misfit;
    ArrivedEntry entry = decode(std::string(tail.entries[i]), tail.from + i, misfit);
    if (entry == nullptr) break;
    entries.push_back(std::move(entry));
  }
  (void)fetch_payloads(lock, entries);
  for (const ArrivedEntry& entry : entries) {
    if (is_stopped() || !accept_or_compare(entry)) return;
  }
}

void BucketLogHandle::take_slots(Lock& lock, BucketOpening& opening) {
  std::vector<ArrivedEntry> entries;
  std::uint64_t absent = 0;
  for (BucketOpening::Slot& slot : opening.slots) {
    const std::uint64_t next = end_.slot + 1 + entries.size();
    if (slot.slot < next) continue;
    const bool counts = slot.slot == next && is_covered(slot.slot, slot.got.date, slot.answered, slot.answered);
    if (counts && slot.got.outcome == storage::Outcome::absent) absent = slot.slot;
    const bool is_there = counts && slot.got.outcome == storage::Outcome::done;
    std::string misfit;
    ArrivedEntry entry = is_there ? decode(std::move(slot.got.bytes), slot.slot, misfit) : nullptr;
    if (entry == nullptr) break;
    ++stats_.slots_read;
    entries.push_back(std::move(entry));
  }
  (void)fetch_payloads(lock, entries);
  for (const ArrivedEntry& entry : entries) {
    if (is_stopped() || !accept_or_compare(entry)) return;
  }
  if (!opening.slots.empty() && entries.size() == opening.slots.size()) {
    width_ = kWindow;
    full_rounds_ = 1;
  }
  if (absent != end_.slot + 1 || is_stopped()) return;
  // That was the end when the opening asked: as good as a round of our own.
  ++stats_.slots_absent;
  rounds_done_ = ++rounds_begun_;
  looked_at_ = count_of(opening.asked);
}

// Reading.

Version BucketLogHandle::published() const {
  const Version version = end_version_.load(std::memory_order_acquire);
  if (is_child()) return version;
  if (is_stopped_.load(std::memory_order_relaxed)) return kMustLook;
  const std::int64_t now = count_of(base::now());
  note_interest(now);
  const bool is_old = now - looked_at_.load(std::memory_order_relaxed) > base::Duration(kMustLookAfter).count();
  const bool has_failed =
      now - look_failed_at_.load(std::memory_order_relaxed) < base::Duration(kLookAgainAfter).count();
  return is_old && !has_failed ? kMustLook : version;
}

// Somebody wants to know what others append: the follower asks for it for a while.
void BucketLogHandle::note_interest(std::int64_t now) const {
  constexpr std::int64_t kOften = 1'000'000'000;  // nanoseconds: not each time
  if (now - interest_at_.load(std::memory_order_relaxed) < kOften) return;
  interest_at_.store(now);
  if (!is_asleep_.load()) return;
  const std::lock_guard lock(shared_->mutex);
  shared_->changed.notify_all();
}

Read BucketLogHandle::read(const Sink& sink) {
  if (is_child()) return Read::unavailable;
  Lock lock(shared_->mutex);
  read_arrived(lock, sink);
  return is_stopped() ? stopped_as() : Read::caught_up;
}

// The mutex is free while `sink` runs: others may add to what has arrived, but only the owner takes from it.
void BucketLogHandle::read_arrived(Lock& lock, const Sink& sink) {
  while (!arrived_.empty()) {
    const ArrivedEntry arrived = arrived_.front();
    const SlotEntry& from = arrived->entry;
    if (from.kind != SlotKind::nothing) {
      Entry entry;
      entry.kind = static_cast<EntryKind>(from.kind);
      entry.base_version = from.base_version;
      entry.transaction_count = from.transaction_count;
      entry.time_micros = from.time_micros;
      entry.segment = from.segment;
      entry.payload = from.bulk.empty() ? from.payload : std::string_view(*arrived->payload);
      entry.session = from.session;
      entry.sequence = from.sequence;
      lock.unlock();
      sink(entry);
      lock.lock();
    }
    arrived_.pop_front();
    arrived_bytes_ -= from.payload_bytes;
    consume(*arrived);
  }
}

// The owner has it now. The mutex is held.
void BucketLogHandle::consume(const Arrived& arrived) {
  const SlotEntry& entry = arrived.entry;
  assert(entry.slot == consumed_ + 1);
  consumed_ = entry.slot;
  position_.segment = entry.segment;
  position_.version = entry.base_version - 1 + entry.transaction_count;
  position_.time_micros = entry.time_micros;
  position_.link = entry.identity;
  if (entry.kind != SlotKind::nothing) {
    position_.session = entry.session;
    position_.sequence = entry.sequence;
  }
}

Read BucketLogHandle::look(base::Instant deadline) {
  if (is_child()) return Read::unavailable;
  note_interest(count_of(base::now()));
  Lock lock(shared_->mutex);
  want_look();
  const std::uint64_t wanted = round_wanted_;
  const Looker looker(lookers_);
  while (rounds_done_ < wanted && !is_stopped() && !closing_) {
    if (base::now() >= deadline) {
      look_failed_at_ = count_of(base::now());
      if (problem().empty()) set_why("the bucket did not answer in time");
      return Read::unavailable;
    }
    if (round_wanted_ < wanted) round_wanted_ = wanted;
    wait_for_change(lock, deadline);
  }
  if (is_stopped()) return stopped_as();
  return closing_ ? Read::unavailable : Read::caught_up;
}

Read BucketLogHandle::confirm(base::Instant deadline) {
  if (is_child()) return Read::unavailable;
  Lock lock(shared_->mutex);
  const std::uint64_t wanted = want_confirmation();
  const Looker looker(lookers_);
  while (confirms_done_ < wanted && !is_stopped() && !closing_) {
    if (base::now() >= deadline) return Read::unavailable;
    if (confirm_wanted_ < wanted) confirm_wanted_ = wanted;
    wait_for_change(lock, deadline);
  }
  if (is_stopped()) return stopped_as();
  return closing_ ? Read::unavailable : Read::caught_up;
}

Version BucketLogHandle::wait(Version version, base::Instant deadline) {
  if (is_child()) return end_version_.load();
  Lock lock(shared_->mutex);
  ++waiters_;
  shared_->changed.notify_all();
  while (end_.version <= version && !is_stopped() && !closing_ && base::now() < deadline) {
    wait_for_change(lock, deadline);
  }
  --waiters_;
  interest_at_ = count_of(base::now());
  return is_stopped() ? kMustLook : end_.version;
}

// The rest.

std::int64_t BucketLogHandle::clock_micros() const {
  if (is_child()) return base::wall_micros();
  return monotonic_micros(base::now()) + clock_offset_.load(std::memory_order_relaxed);
}

Log::Attempt BucketLogHandle::attempt() const {
  if (is_child()) return {};
  const Lock lock(shared_->mutex);
  return {.session = session_, .sequence = sequence_, .time_micros = attempt_micros_};
}

Position BucketLogHandle::position() const {
  if (is_child()) return {};
  const Lock lock(shared_->mutex);
  Position position = position_;
  position.slot = consumed_;
  return position;
}

std::uint64_t BucketLogHandle::slot() const {
  if (is_child()) return 0;
  const Lock lock(shared_->mutex);
  return consumed_;
}

std::optional<Start> BucketLogHandle::start_of(std::uint64_t segment) const {
  if (is_child()) return std::nullopt;
  const Lock lock(shared_->mutex);
  const auto found = starts_.find(segment);
  return found == starts_.end() ? std::nullopt : std::optional(found->second);
}

bool BucketLogHandle::sync(base::Instant /*deadline*/) {
  return !is_child();  // what is published is durable
}

Version BucketLogHandle::durable() const {
  return end_version_.load(std::memory_order_acquire);
}

void BucketLogHandle::release(std::uint64_t segment) {
  if (is_child()) return;
  const Lock lock(shared_->mutex);
  replay_from_ = std::max(replay_from_, std::min(segment, end_.slot + 1));
  starts_.erase(starts_.begin(), starts_.lower_bound(replay_from_));
  forget_raw();
}

std::string BucketLogHandle::why() const {
  if (is_child()) return "the store was opened before a fork, by the parent: open it again";
  const std::lock_guard lock(words_mutex_);
  return why_;
}

std::string BucketLogHandle::problem() const {
  if (is_child()) return {};
  const std::lock_guard lock(words_mutex_);
  return trouble_;
}

LogStats BucketLogHandle::stats() const {
  if (is_child()) return {};
  const Lock lock(shared_->mutex);
  LogStats stats = stats_;
  stats.segment_bytes = raw_bytes_;
  return stats;
}

bool BucketLogHandle::leads() const {
  if (is_child()) return false;
  const Lock lock(shared_->mutex);
  return leads_;
}

Confirmation BucketLogHandle::confirmation() const {
  if (is_child()) return {};
  const Lock lock(shared_->mutex);
  return confirmation_;
}

std::optional<Boundary> BucketLogHandle::boundary() const {
  if (is_child()) return std::nullopt;
  const Lock lock(shared_->mutex);
  return boundary_;
}

BucketLog::Bulk BucketLogHandle::bulk_named() const {
  Bulk bulk;
  if (is_child()) return bulk;
  const Lock lock(shared_->mutex);
  bulk.from = bulk_from_;
  for (const auto& [slot, name] : bulk_) {
    if (slot <= consumed_) bulk.keys.push_back(bulk_key(name));
  }
  return bulk;
}

void BucketLogHandle::set_why(const std::string& sentence) {
  const std::lock_guard lock(words_mutex_);
  why_ = sentence;
}

void BucketLogHandle::set_trouble(const std::string& sentence) {
  const std::lock_guard lock(words_mutex_);
  trouble_ = corrupt_ ? why_ : sentence;
}

void BucketLogHandle::set_corrupt(const std::string& sentence) {
  if (!corrupt_) say_later(sentence);
  corrupt_ = true;
  is_stopped_ = true;
  set_why(bucket_.where() + ": " + sentence);
  set_trouble({});
  shared_->changed.notify_all();
}

void BucketLogHandle::set_gone() {
  if (!gone_) base::probe("bucket: the boundary has passed a handle");
  gone_ = true;
  is_stopped_ = true;
  set_why("what follows slot " + std::to_string(end_.slot) + " may be collected: boundary " +
          std::to_string(confirmation_.number) + " is at slot " + std::to_string(confirmation_.slot));
  shared_->changed.notify_all();
}

Read BucketLogHandle::stopped_as() {
  return corrupt_ ? Read::corrupt : Read::gone;
}

void BucketLogHandle::say(Lock& lock) {
  if (to_say_.empty()) return;
  const std::vector<std::string> messages = std::move(to_say_);
  to_say_.clear();
  lock.unlock();
  for (const std::string& message : messages) {
    if (options_.on_message) options_.on_message(message);
  }
  lock.lock();
}

void BucketLogHandle::note_date(const DateSample& date) {
  clock_.add(date);
  clock_offset_.store(clock_.offset().value_or(0), std::memory_order_relaxed);
  if (knows_boundary() && date.date - confirmation_.date >= options_.grace / 2) is_outdated_ = true;
}

BucketLogHandle::CallOf<storage::Got> BucketLogHandle::get(Lock& lock, std::string key, base::Duration patience) {
  return call<storage::Got>(lock, storage::Urgency::prompt,
                            [&bucket = bucket_, key = std::move(key), patience, most = asks_until_] {
                              return bucket.get(key, {}, std::min(most, base::now() + patience));
                            });
}

std::unique_ptr<BucketLog> open_bucket_log(storage::Bucket& bucket, storage::RequestPool& pool,
                                           BucketLogOptions options, const Sink& sink, base::Instant deadline,
                                           Read& outcome, std::string& why) {
  BucketOpening opening = std::move(options.opening);
  options.opening = {};
  auto log = std::make_unique<BucketLogHandle>(bucket, pool, std::move(options));
  outcome = log->open(std::move(opening), sink, deadline, why);
  if (outcome != Read::caught_up) return nullptr;
  return log;
}

}  // namespace ingot::log
