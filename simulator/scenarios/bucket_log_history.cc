#include "bucket_log_history.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/random.h"

namespace ingot::simulator {

namespace {

constexpr std::uint64_t kBucketPayloadMagic = 0x7061'796c'6f61'6422ULL;

}  // namespace

BucketLogHistory::BucketLogHistory(World& world) : world_(world) {
  world_.bucket.on_change([this](std::string_view key, const std::string* bytes) { changed(key, bytes); });
}

void BucketLogHistory::fail(const std::string& why) const {
  world_.scheduler.fail("bucket-log: " + why);
}

std::string BucketLogHistory::describe(std::uint64_t attempt) const {
  const Attempt& about = attempts_[attempt];
  static constexpr const char* kStates[] = {"open", "kept", "refused"};
  std::string text = "attempt " + std::to_string(attempt) + " (process " + std::to_string(about.process) + ", " +
                     kStates[static_cast<int>(about.state)];
  if (about.index != kNowhere) text += ", entry " + std::to_string(about.index);
  return text + ")";
}

std::int64_t BucketLogHistory::bucket_micros() const {
  return std::chrono::microseconds(world_.bucket.date().time_since_epoch()).count();
}

// The bucket.

void BucketLogHistory::changed(std::string_view key, const std::string* bytes) {
  if (key.starts_with(log::kLogPrefix)) {
    const std::uint64_t slot = log::parse_slot_key(key).value_or(0);
    if (bytes != nullptr) {
      slot_won(slot, *bytes);
    } else if (slot > boundary_slot_) {
      fail("slot " + std::to_string(slot) + " was removed, and the boundary is at " + std::to_string(boundary_slot_));
    }
  } else if (key.starts_with(log::kBulkPrefix) && bytes != nullptr) {
    payloads_.insert_or_assign(std::string(key), *bytes);
  } else if (key.starts_with(log::kBoundaryPrefix)) {
    log::BoundaryObject boundary;
    if (bytes == nullptr || log::decode_boundary(*bytes, boundary) != log::Decoded::good) fail("a boundary is no more");
    if (boundary.slot < boundary_slot_ || boundary.slot > slots_.size()) fail("a boundary went back, or too far");
    boundary_slot_ = boundary.slot;
  }
}

void BucketLogHistory::slot_won(std::uint64_t slot, const std::string& bytes) {
  const std::string name = "slot " + std::to_string(slot);
  if (slot <= slots_.size()) fail(name + " was won again");  // 1
  if (slot != slots_.size() + 1) fail(name + " was won; there were " + std::to_string(slots_.size()) + " slots");
  slots_.push_back(bytes);
  log::SlotEntry entry;
  if (log::decode_slot(bytes, kBucketStoreId, entry) != log::Decoded::good) fail(name + " holds no entry");
  if (entry.time_micros < time_micros_) fail(name + ": time goes back");  // 5
  time_micros_ = entry.time_micros;
  // A late put is older than the present; nothing is newer.
  constexpr std::int64_t kApart = 180'000'000;
  if (entry.time_micros > bucket_micros() + kApart && world_.report.counted(Fault::wrong_date) <= 1) {
    fail(name + " is " + std::to_string((entry.time_micros - bucket_micros()) / 1'000'000) + " s in the future");
  }
  if (entry.base_version != version_ + 1) fail(name + " has the wrong version");
  version_ += entry.transaction_count;
  if (entry.kind == log::SlotKind::nothing) return;
  std::string_view payload = entry.payload;
  if (!entry.bulk.empty()) {
    const auto found = payloads_.find(log::bulk_key(entry.bulk));
    if (found == payloads_.end()) fail(name + " names a payload that is not there");
    payload = found->second;
  }
  const std::uint64_t number = attempt_in(payload, name);
  Attempt& attempt = attempts_[number];
  if (attempt.index != kNowhere) fail(describe(number) + " is also in " + name);                          // 2: once
  if (attempt.state == State::refused) fail(name + " should not be: " + describe(number));                // 3
  if (attempt.believed_index != entries_.size() || attempt.believed_version + 1 != entry.base_version) {  // 2
    fail(name + " is entry " + std::to_string(entries_.size()) + "; its writer believed it would be entry " +
         std::to_string(attempt.believed_index) + ": " + describe(number));
  }
  if (attempt.is_known_as && (!(attempt.as.session == entry.session) || attempt.as.sequence != entry.sequence)) {
    fail(name + " has another session or sequence than " + describe(number));
  }
  attempt.is_known_as = true;
  attempt.as = {entry.session, entry.sequence};
  attempt.index = entries_.size();
  entries_.push_back(number);
  world_.trace.event("won", number, slot);
}

std::uint64_t BucketLogHistory::attempt_in(std::string_view bytes, const std::string& where) const {
  if (bytes.size() < kPayloadBytesMin || base::load_little<std::uint64_t>(bytes.data()) != kBucketPayloadMagic) {
    fail(where + " holds what nobody wrote");  // 2
  }
  const auto number = base::load_little<std::uint64_t>(bytes.data() + 8);
  if (number >= attempts_.size() || bytes != payload(number)) fail(where + " is not what was written");
  return number;
}

void BucketLogHistory::check_end() {
  HostMemory host;
  for (std::uint64_t slot = boundary_slot_ + 1; slot <= slots_.size(); ++slot) {
    if (world_.bucket.peek(log::slot_key(slot)) != slots_[slot - 1]) {
      fail("slot " + std::to_string(slot) + " is gone, or another");
    }
  }
  for (std::uint64_t number = 0; number < attempts_.size(); ++number) {
    if (attempts_[number].state == State::kept && attempts_[number].index == kNowhere) fail(describe(number));
  }
}

// Appends.

std::string BucketLogHistory::payload(std::uint64_t attempt) const {
  const std::size_t size = attempts_[attempt].draft.payload_bytes;
  std::string bytes;
  bytes.reserve(size + 8);
  base::append_little(bytes, kBucketPayloadMagic);
  base::append_little(bytes, attempt);
  base::Random filler(attempt);
  while (bytes.size() < size) base::append_little(bytes, filler.next());
  bytes.resize(size);
  return bytes;
}

std::uint64_t BucketLogHistory::begin_append(const View& view, const Draft& draft) {
  HostMemory host;
  Attempt attempt;
  attempt.process = world_.scheduler.current_process()->number();
  attempt.draft = draft;
  attempt.believed_index = view.index;
  attempt.believed_version = view.version;
  attempts_.push_back(attempt);
  world_.trace.event("append", attempts_.size() - 1, draft.payload_bytes);
  return attempts_.size() - 1;
}

void BucketLogHistory::sent_as(std::uint64_t number, const log::Log::Attempt& as) {
  Attempt& attempt = attempts_[number];
  if (attempt.is_known_as && (!(attempt.as.session == as.session) || attempt.as.sequence != as.sequence)) {
    fail("an append says that it is another one than is in the log: " + describe(number));
  }
  attempt.is_known_as = true;
  attempt.as = as;
}

void BucketLogHistory::kept(View& view, std::uint64_t number, const log::Position& position) {
  HostMemory host;
  Attempt& attempt = attempts_[number];
  world_.trace.event("kept", number, view.index);
  if (attempt.index != view.index)
    fail("said to be kept as entry " + std::to_string(view.index) + ": " + describe(number));
  attempt.state = State::kept;
  view.index += 1;
  view.version += attempt.draft.transactions;
  view.time_micros = position.time_micros;
  view.segment = position.segment;
  if (position.version != view.version) fail("after an append the version is " + std::to_string(position.version));
}

void BucketLogHistory::refused(std::uint64_t number) {
  HostMemory host;
  world_.trace.event("refused", number);
  if (attempts_[number].index != kNowhere) fail("said not to be, and is in the log: " + describe(number));  // 3
  attempts_[number].state = State::refused;
}

void BucketLogHistory::resolved(std::uint64_t number, bool was_kept) {
  HostMemory host;
  Attempt& attempt = attempts_[number];
  world_.trace.event("resolved", number, was_kept ? 1 : 0);
  if (was_kept != (attempt.index != kNowhere)) {  // 3
    fail(std::string("found out to be ") + (was_kept ? "kept" : "lost") + ": " + describe(number));
  }
  attempt.state = was_kept ? State::kept : State::refused;
}

// Reading.

std::uint64_t BucketLogHistory::observe(View& view, const log::Entry& entry) {
  HostMemory host;
  const std::string where = "entry " + std::to_string(view.index);
  const std::uint64_t number = attempt_in(entry.payload, where);
  const Attempt& attempt = attempts_[number];
  world_.trace.event("sees", number, view.index);
  if (attempt.index != view.index) fail("seen as " + where + ": " + describe(number));  // 4
  if (entry.kind != attempt.draft.kind || entry.transaction_count != attempt.draft.transactions) {
    fail(where + " has another kind or count than " + describe(number));
  }
  if (!(entry.session == attempt.as.session) || entry.sequence != attempt.as.sequence) {
    fail(where + " has another session or sequence than " + describe(number));
  }
  if (entry.base_version != view.version + 1) fail(where + " has version " + std::to_string(entry.base_version));  // 5
  if (entry.time_micros < view.time_micros) fail(where + ": time goes back");
  if (entry.segment < view.segment) fail(where + ": the segment goes back");
  view.index += 1;
  view.version += attempt.draft.transactions;
  view.time_micros = entry.time_micros;
  view.segment = entry.segment;
  return number;
}

void BucketLogHistory::caught_up(const View& view, std::uint64_t floor, const char* what) {
  if (view.index >= floor) return;
  fail(std::string(what) + " ends with entry " + std::to_string(view.index) + "; there were " + std::to_string(floor) +
       " when it began");  // 4
}

void BucketLogHistory::published(log::Version version) {
  if (version > version_) fail("published() is " + std::to_string(version) + ", which nobody has written");
}

void BucketLogHistory::check_applied(const std::vector<std::uint64_t>& applied) {
  HostMemory host;
  if (applied.size() > entries_.size() || !std::equal(applied.begin(), applied.end(), entries_.begin())) {
    fail("a checkpoint holds what is not in the log");
  }
}

void BucketLogHistory::clock(std::int64_t micros) {
  constexpr std::int64_t kApart = 60'000'000;
  const std::int64_t ahead = micros - bucket_micros();
  // Behind is whose machine has stood still, until it hears of it.
  const bool may_be_behind = world_.scheduler.current_process()->clock_behind() > base::Duration::zero();
  if (world_.report.counted(Fault::wrong_date) > 1 || (ahead < kApart && (ahead > -kApart || may_be_behind))) return;
  fail("a process's clock is " + std::to_string((micros - bucket_micros()) / 1'000'000) +
       " s ahead of the bucket's");  // 5
}

}  // namespace ingot::simulator
