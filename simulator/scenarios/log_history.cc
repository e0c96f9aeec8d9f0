#include "log_history.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/random.h"

namespace ingot::simulator {

namespace {

constexpr std::uint64_t kPayloadMagic = 0x7061'796c'6f61'6421ULL;
constexpr std::size_t kPayloadHead = 40;  // magic, attempt, believed index, believed version, bytes

std::string versions_text(std::uint64_t have, std::uint64_t want) {
  return std::to_string(have) + ", not " + std::to_string(want);
}

}  // namespace

void LogHistory::fail(const std::string& why) {
  world_.scheduler.fail("log: " + why);
}

std::string LogHistory::describe(std::uint64_t attempt) const {
  const Attempt& about = attempts_[attempt];
  static constexpr const char* kStates[] = {"pending", "kept", "refused", "gone"};
  std::string text = "attempt " + std::to_string(attempt) + " (process " + std::to_string(about.process) + ", " +
                     (about.draft.durable ? "durable, " : "not durable, ") + kStates[static_cast<int>(about.state)];
  if (about.index != kNowhere) text += ", entry " + std::to_string(about.index);
  return text + ")";
}

std::string LogHistory::payload(const View& view, const Draft& draft) {
  std::string bytes;
  bytes.reserve(draft.payload_bytes);
  base::append_little(bytes, kPayloadMagic);
  base::append_little(bytes, draft.attempt);
  base::append_little(bytes, view.index);
  base::append_little(bytes, view.version);
  base::append_little(bytes, static_cast<std::uint64_t>(draft.payload_bytes));
  base::Random filler(draft.attempt);
  while (bytes.size() < draft.payload_bytes) {
    char word[8];
    base::store_little(word, filler.next());
    bytes.append(word, std::min<std::size_t>(8, draft.payload_bytes - bytes.size()));
  }
  return bytes;
}

LogHistory::View LogHistory::begin_open() {
  HostMemory host;
  View view;
  view.number = ++views_;
  view.from_segment = checkpoint_.start.segment;
  view.index = checkpoint_.index;
  view.version = checkpoint_.start.version;
  view.time_micros = checkpoint_.start.time_micros;
  view.must_reach = undetermined_ || lossy_ ? floor_ : canonical_.size();
  found_[view.number];
  return view;
}

void LogHistory::opened(View& view, bool alone) {
  HostMemory host;
  if (view.index < view.must_reach) {  // 4, 5
    fail("an opening found " + std::to_string(view.index) + " entries; " + std::to_string(view.must_reach) +
         " must be there; the first that is not is " + describe(canonical_[view.index].attempt));
  }
  if (undetermined_) {
    settle(view);
  } else {
    std::uint64_t index = view.index - found_by(view).size();
    for (const std::uint64_t attempt : found_by(view)) {
      place(index++, attempt);
      if (attempts_[attempt].draft.durable) raise_floor(index);  // 5: visible is durable
    }
  }
  found_.erase(view.number);
  if (alone && lossy_) cut(view.index);
  if (alone) {
    // All who wrote before are dead: what was not found never happened. What was found has been synced.
    for (Attempt& attempt : attempts_) {
      if (attempt.state == State::pending && attempt.process_died && attempt.index == kNowhere)
        attempt.state = State::gone;
    }
    raise_floor(view.index);  // 5
  }
  published_ = std::max(published_, view.version);
  view.opening = false;
  ++opens_;
}

// The first who opened the log after a power loss says what is left of it.
void LogHistory::settle(const View& view) {
  if (view.version < floor_version_) {  // 5
    fail("after a power loss the log ends at version " + std::to_string(view.version) + "; durable was said of " +
         std::to_string(floor_version_));
  }
  undetermined_ = false;
  const std::vector<std::uint64_t>& found = found_by(view);
  const std::uint64_t first = view.index - found.size();
  for (std::uint64_t i = 0; i < found.size() && first + i < canonical_.size(); ++i) {
    if (canonical_[first + i].attempt != found[i]) {  // 6
      fail("after a power loss entry " + std::to_string(first + i) + " is " + describe(found[i]) + "; it was " +
           describe(canonical_[first + i].attempt));
    }
  }
  for (std::uint64_t index = view.index; index < canonical_.size(); ++index) {
    world_.report.outcome("entries that a power loss took");
  }
  cut(view.index);
  for (std::uint64_t i = 0; i < found.size(); ++i) {
    if (first + i >= canonical_.size()) world_.report.outcome("entries found that nobody had seen");
    place(first + i, found[i]);
  }
  published_ = std::min(published_, view.version);
}

// Entries from there on are gone, and must not come back.
void LogHistory::cut(std::uint64_t entries) {
  for (std::uint64_t index = entries; index < canonical_.size(); ++index) {
    Attempt& lost = attempts_[canonical_[index].attempt];
    lost.state = State::gone;
    lost.index = kNowhere;
  }
  if (entries < canonical_.size()) canonical_.resize(entries);
}

void LogHistory::unsynced_lost() {
  HostMemory host;
  world_.trace.event("lost", floor_, canonical_.size());
  world_.report.outcome("un-synced entries lost with their writer");
  if (world_.report.counted(Fault::sync_error) == 0) fail("entries are said to be lost, and no sync has failed");
  lossy_ = true;
}

void LogHistory::open_failed(const View& view, log::Read outcome, std::string_view why) {
  HostMemory host;
  found_.erase(view.number);
  if (outcome == log::Read::corrupt && !beyond_redundancy_) {  // 8
    fail("an opening says corrupt: " + std::string(why));
  }
  if (outcome == log::Read::gone && view.from_segment == checkpoint_.start.segment && !lossy_) {
    fail("an opening from the newest checkpoint says gone: " + std::string(why));
  }
  if (outcome == log::Read::caught_up) fail("an opening caught up and gave no log");
}

std::uint64_t LogHistory::begin_append(const View& view, const Draft& draft) {
  HostMemory host;
  Attempt attempt;
  attempt.process = world_.scheduler.current_process()->number();
  attempt.draft = draft;
  attempt.draft.attempt = attempts_.size();
  attempt.believed_index = view.index;
  attempt.believed_version = view.version;
  attempts_.push_back(attempt);
  world_.trace.event("append", attempt.draft.attempt, draft.payload_bytes);
  return attempt.draft.attempt;
}

void LogHistory::append_kept(View& view, std::uint64_t number, const log::Position& position) {
  HostMemory host;
  Attempt& attempt = attempts_[number];
  world_.trace.event("kept", number, view.index);
  attempt.state = State::kept;
  place(view.index, number);
  view.index += 1;
  view.version += attempt.draft.transactions;
  view.time_micros = attempt.draft.time_micros;
  if (position.version != view.version)
    fail("after an append the version is " + versions_text(position.version, view.version));
  if (position.time_micros != view.time_micros) fail("after an append the position has another time");
  Place& here = canonical_[view.index - 1];
  if (here.link.has_value() && !(*here.link == position.link)) fail("two links of one entry");
  here.link = position.link;
  published_ = std::max(published_, view.version);  // 7
  if (attempt.draft.durable) raise_floor(view.index);
}

void LogHistory::append_refused(std::uint64_t number) {
  HostMemory host;
  world_.trace.event("refused", number);
  if (attempts_[number].index != kNowhere) fail("refused, and in the log: " + describe(number));  // 3
  attempts_[number].state = State::refused;
}

void LogHistory::observe(View& view, const log::Entry& entry) {
  HostMemory host;
  const std::string_view bytes = entry.payload;
  const std::string where = "entry " + std::to_string(view.index);
  if (bytes.size() < kPayloadHead || base::load_little<std::uint64_t>(bytes.data()) != kPayloadMagic) {
    fail(where + " holds what nobody wrote");  // 1
  }
  const auto number = base::load_little<std::uint64_t>(bytes.data() + 8);
  if (number >= attempts_.size()) fail(where + " holds what nobody wrote");
  Attempt& attempt = attempts_[number];
  world_.trace.event("sees", number, view.index);
  View believed;
  believed.index = attempt.believed_index;
  believed.version = attempt.believed_version;
  if (bytes != payload(believed, attempt.draft)) fail(where + " is not what was written: " + describe(number));
  if (entry.kind != attempt.draft.kind || entry.transaction_count != attempt.draft.transactions ||
      entry.time_micros != attempt.draft.time_micros) {
    fail(where + " has another kind, count or time than " + describe(number));
  }
  if (attempt.believed_index != view.index || attempt.believed_version != view.version) {
    fail(where + " was written to be entry " + std::to_string(attempt.believed_index) + ": " + describe(number));
  }
  if (entry.base_version != view.version + 1)
    fail(where + " has version " + versions_text(entry.base_version, view.version + 1));  // 2
  if (entry.time_micros < view.time_micros) fail(where + ": time goes back");
  if (entry.segment < view.segment) fail(where + ": the segment goes back");
  if (attempt.state == State::refused || attempt.state == State::gone)
    fail(where + " should not be: " + describe(number));  // 3
  if (view.opening) {
    // Not served yet: if this opening dies, nobody has seen it.
    const bool may_differ = undetermined_ || (lossy_ && view.index >= floor_);
    if (view.index < canonical_.size() && canonical_[view.index].attempt != number && !may_differ) {
      fail(where + " is " + describe(number) + "; others saw " + describe(canonical_[view.index].attempt));
    }
    found_by(view).push_back(number);
  } else {
    place(view.index, number);
    if (attempt.draft.durable) raise_floor(view.index + 1);  // 5: visible is durable
  }
  view.index += 1;
  view.version += attempt.draft.transactions;
  view.time_micros = entry.time_micros;
  view.segment = entry.segment;
}

void LogHistory::place(std::uint64_t index, std::uint64_t number) {
  Attempt& attempt = attempts_[number];
  if (attempt.index != kNowhere && attempt.index != index) {  // 1: once
    fail(describe(number) + " is also entry " + std::to_string(index));
  }
  if (lossy_ && index >= floor_ && index < canonical_.size() && canonical_[index].attempt != number) cut(index);  // 4
  if (index < canonical_.size()) {
    if (canonical_[index].attempt != number) {  // 2
      fail("entry " + std::to_string(index) + " is " + describe(number) + "; others saw " +
           describe(canonical_[index].attempt));
    }
    return;
  }
  if (index != canonical_.size()) fail("entry " + std::to_string(index) + " stands behind a gap");
  const log::Version before = index == 0 ? 0 : canonical_.back().version_after;
  canonical_.push_back({number, before + attempt.draft.transactions, std::nullopt});
  attempt.index = index;
}

void LogHistory::caught_up(const View& view, const log::Position& position, log::Version began_at) {
  HostMemory host;
  if (lossy_) return;
  if (view.version < began_at) {  // 7
    fail("a read that caught up ends at version " + std::to_string(view.version) + "; published was " +
         std::to_string(began_at));
  }
  if (position.version != view.version)
    fail("after a read the version is " + versions_text(position.version, view.version));
  if (view.index == 0 || view.index > canonical_.size() || view.index <= checkpoint_.index) return;
  Place& here = canonical_[view.index - 1];
  if (here.link.has_value() && !(*here.link == position.link)) fail("two links of one entry");
  here.link = position.link;
}

void LogHistory::published(log::Version version, log::Version floor) {
  HostMemory host;
  if (version < floor && !lossy_) {  // 7
    fail("published() is " + std::to_string(version) + "; it was " + std::to_string(floor) + " before the call");
  }
  published_ = std::max(published_, version);
}

void LogHistory::durable(log::Version version) {
  HostMemory host;
  floor_version_ = std::max(floor_version_, version);
}

void LogHistory::raise_floor(std::uint64_t entries) {
  if (entries <= floor_) return;
  floor_ = entries;
}

void LogHistory::set_checkpoint(const log::Start& start, std::uint64_t index) {
  HostMemory host;
  if (start.segment <= checkpoint_.start.segment) return;
  // The segment begins where its caller first saw an entry of it; earlier, if entries were written again into it after
  // a failing sync.
  std::vector<std::uint64_t> candidates;
  for (std::uint64_t i = 0; i <= canonical_.size(); ++i) {
    const log::Version version = i == 0 ? 0 : canonical_[i - 1].version_after;
    const std::int64_t time = i == 0 ? 0 : attempts_[canonical_[i - 1].attempt].draft.time_micros;
    if (version != start.version || time != start.time_micros) continue;
    if (i > 0 && canonical_[i - 1].link.has_value() && !(*canonical_[i - 1].link == start.link)) continue;
    candidates.push_back(i);
  }
  const bool rewritten = world_.report.counted(Fault::sync_error) != 0;
  const bool expected = std::find(candidates.begin(), candidates.end(), index) != candidates.end();
  if (candidates.empty() || (!expected && !rewritten)) {
    fail("segment " + std::to_string(start.segment) + " starts behind entry " + std::to_string(index) +
         ", at version " + std::to_string(start.version) + ": no such place");
  }
  if (rewritten && candidates.size() != 1) return;
  if (rewritten) index = candidates.front();
  if (index < checkpoint_.index) return;
  world_.trace.event("checkpoint", start.segment, index);
  checkpoint_ = {start, index};
}

void LogHistory::power_lost() {
  HostMemory host;
  undetermined_ = true;
  lossy_ = false;
  found_.clear();
  for (Attempt& attempt : attempts_) attempt.process_died = true;
}

void LogHistory::all_gone(bool unsynced_may_be_gone) {
  HostMemory host;
  if (unsynced_may_be_gone || lossy_) undetermined_ = true;
  lossy_ = false;
  found_.clear();
}

void LogHistory::process_died(std::uint32_t process) {
  HostMemory host;
  for (Attempt& attempt : attempts_) {
    if (attempt.process == process) attempt.process_died = true;
  }
}

log::Version LogHistory::end_version() const {
  return canonical_.empty() ? 0 : canonical_.back().version_after;
}

}  // namespace ingot::simulator
