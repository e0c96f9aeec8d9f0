// See reader.h.
#include "log/reader.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/ranges.h"
#include "base/testing.h"

namespace ingot::log {
namespace {

constexpr std::size_t kRepairsMax = 1024;  // more is written back another time
constexpr std::uint64_t kUnknown = ~0ULL;  // the start of a segment whose headers are both damaged

}  // namespace

std::string LogReader::place() const {
  return "segment " + SegmentFiles::name_of(cursor_.segment) + " at offset " + std::to_string(cursor_.offset);
}

Read LogReader::damage(const std::string& what) {
  why_ = "the log is damaged in " + place() + ": " + what + "; the newest version before it is " +
         std::to_string(cursor_.chain.version);
  return Read::corrupt;
}

// Keeps a damaged copy of the header as a repair.
OpenSegment LogReader::open(std::uint64_t number, std::shared_ptr<SegmentFile>& segment, storage::IoError& error) {
  const OpenSegment outcome = files_.open(number, segment, error);
  if (outcome != OpenSegment::good || !segment->damaged_header.has_value()) return outcome;
  tell_healed(number, {*segment->damaged_header}, "a copy of the header");
  if (repairs_.size() < kRepairsMax && !passed_damage_) {
    std::string sector(kSectorBytes, '\0');
    encode_segment_header(segment->header, sector.data());
    repairs_.push_back({segment, *segment->damaged_header, std::move(sector)});
  }
  return outcome;
}

Read LogReader::begin(const Start& start) {
  storage::IoError error;
  std::shared_ptr<SegmentFile> segment;
  switch (open(start.segment, segment, error)) {
    case OpenSegment::good:
      break;
    case OpenSegment::missing: {
      SegmentFiles::Listing listing;
      error = files_.list(listing);
      if (error) {
        why_ = "listing the log: " + error.text();
        return Read::unavailable;
      }
      const bool later = !listing.segments.empty() && listing.segments.back() > start.segment;
      why_ = "segment " + SegmentFiles::name_of(start.segment) + " of the log is missing";
      return later ? Read::gone : Read::corrupt;
    }
    case OpenSegment::damaged:
      why_ = "both headers of segment " + SegmentFiles::name_of(start.segment) + " of the log are damaged";
      if (!open_headless(start.segment, segment)) return Read::corrupt;
      segment->header.start = {0, start.version, start.time_micros, start.link};
      break;
    case OpenSegment::newer_format:
      why_ = "segment " + SegmentFiles::name_of(start.segment) + " of the log was written by a newer release";
      return Read::unavailable;
    case OpenSegment::failed:
      why_ = "opening segment " + SegmentFiles::name_of(start.segment) + " of the log: " + error.text();
      if (error.code() != EIO || !open_headless(start.segment, segment)) return Read::unavailable;
      segment->header.start = {0, start.version, start.time_micros, start.link};
      break;
  }
  begin(Cursor::at_start(segment->header), segment);
  skip_to_ = start.link;
  skip_version_ = start.version;
  if (on_damage) return Read::caught_up;  // the entry that is to be looked for may be what is damaged
  skipping_ = segment->header.start.link != start.link;
  if (!skipping_ && segment->header.start.version != start.version) {
    return damage("the checkpoint and the segment's header disagree on the version before it");
  }
  home_ = 0;
  return Read::caught_up;
}

void LogReader::begin(const Cursor& cursor, std::shared_ptr<SegmentFile> segment) {
  cursor_ = cursor;
  segment_ = std::move(segment);
  window_ = std::make_unique<Window>(*segment_);
  successor_.reset();
  delivered_ = cursor.chain.sequence;
  delivered_link_ = cursor.chain.link;
  home_ = cursor.home;
  skipping_ = false;
}

bool LogReader::begin_at_newest() {
  SegmentFiles::Listing listing;
  storage::IoError error;
  std::shared_ptr<SegmentFile> segment;
  if (files_.list(listing) || listing.segments.empty()) return false;
  if (open(listing.segments.back(), segment, error) != OpenSegment::good) return false;
  const Cursor start = Cursor::at_start(segment->header);
  begin(start, std::move(segment));
  return true;
}

void LogReader::appended(const Cursor& cursor, const std::shared_ptr<SegmentFile>& segment, const Chain& before) {
  if (segment_ != segment) {
    segment_ = segment;
    window_ = std::make_unique<Window>(*segment_);
    successor_.reset();
  }
  cursor_ = cursor;
  delivered_ = cursor.chain.sequence;
  delivered_link_ = cursor.chain.link;
  if (cursor.home != home_ && on_start) on_start({cursor.home, before.version, before.link, before.time_micros});
  home_ = cursor.home;
}

LogReader::Successor LogReader::look_for_successor(Read& trouble) {
  if (successor_) return Successor::there;
  storage::IoError error;
  const std::uint64_t number = cursor_.segment + 1;
  switch (open(number, successor_, error)) {
    case OpenSegment::good:
      return Successor::there;
    case OpenSegment::missing:
      return Successor::none;
    case OpenSegment::damaged:
      why_ = "both headers of segment " + SegmentFiles::name_of(number) + " of the log are damaged";
      if (open_headless(number, successor_)) return Successor::there;
      trouble = Read::corrupt;
      break;
    case OpenSegment::newer_format:
      why_ = "segment " + SegmentFiles::name_of(number) + " of the log was written by a newer release";
      trouble = Read::unavailable;
      break;
    case OpenSegment::failed:
      why_ = "opening segment " + SegmentFiles::name_of(number) + " of the log: " + error.text();
      if (error.code() == EIO && open_headless(number, successor_)) return Successor::there;
      trouble = Read::unavailable;
      break;
  }
  successor_.reset();
  return Successor::trouble;
}

// Our segment was collected. What we have read may have been carried over to a later one, which is still there.
bool LogReader::reattach() {
  SegmentFiles::Listing listing;
  if (files_.list(listing)) return false;
  for (auto number = listing.segments.rbegin(); number != listing.segments.rend(); ++number) {
    storage::IoError error;
    if (*number <= cursor_.segment || open(*number, successor_, error) != OpenSegment::good) break;
    if (successor_->header.start.sequence <= cursor_.chain.sequence) {
      base::probe("log: a slow reader went on in a later segment");
      return true;
    }
  }
  successor_.reset();
  return false;
}

bool LogReader::enter_successor() {
  const Chain& start = successor_->header.start;
  if (start.sequence == cursor_.chain.sequence && !(start == cursor_.chain)) return false;
  if (start.sequence < cursor_.chain.sequence) base::probe("log: entries were carried over to a new segment");
  const std::uint64_t durable = cursor_.durable;
  const std::uint64_t home = cursor_.home;
  segment_ = std::move(successor_);
  successor_.reset();
  cursor_ = Cursor::at_start(segment_->header);
  if (durable > cursor_.durable) cursor_.durable = durable;
  cursor_.home = home;
  window_ = std::make_unique<Window>(*segment_);
  return true;
}

void LogReader::deliver(const Found& found, const Chain& before, const Sink* sink) {
  if (skipping_) {
    skipping_ = found.identity != skip_to_;
    home_ = 0;
    delivered_ = found.header.sequence;
    delivered_link_ = found.identity;
    return;
  }
  delivered_ = found.header.sequence;
  delivered_link_ = found.identity;
  if (found.header.home != home_ && on_start) {
    on_start({found.header.home, before.version, before.link, before.time_micros});
  }
  home_ = found.header.home;
  if (on_damage && found.header.kind == RecordKind::commit && found.header.base_version <= skip_version_) return;
  if (sink != nullptr) (*sink)(found.entry());
}

void LogReader::tell_healed(std::uint64_t segment, const std::vector<std::uint64_t>& sectors, const char* what) {
  healed_ += sectors.size();
  const std::string sentence =
      SegmentFiles::path_of(segment) + ": " + base::ranges_text(sectors, kSectorBytes) + " were damaged (" + what + ")";
  if (on_message_) on_message_(sentence + ", and have been rebuilt");
  if (on_healed && !passed_damage_) on_healed(sentence);
}

bool LogReader::heal() {
  std::vector<std::uint64_t> sectors;
  if (!heal_at(*window_, cursor_, sectors)) return false;
  base::probe("log: healed a group");
  std::sort(sectors.begin(), sectors.end());
  tell_healed(cursor_.segment, sectors, "entries");
  for (const std::uint64_t sector : sectors) {
    if (repairs_.size() >= kRepairsMax || passed_damage_) break;
    repairs_.push_back({segment_, sector, std::string(window_->at(sector, kSectorBytes), kSectorBytes)});
  }
  return true;
}

bool LogReader::copy(std::uint64_t from, std::uint64_t to, char* out) {
  const char* bytes = window_->at(from, to - from);
  if (bytes == nullptr) return false;
  std::memcpy(out, bytes, to - from);
  return true;
}

// The parity of a segment's last group is not walked over: the next segment says that nothing follows. Returns whether
// a seal stands behind it.
bool LogReader::check_end() {
  Cursor behind = cursor_;
  Found found;
  if (next_entry(*window_, behind, found) != Step::end) return true;  // entries that were carried over, or came since
  if (behind.in_group()) {
    found.bare_start = cursor_.group_start;
    found.bare_end = cursor_.offset;
    found.bare_chain = cursor_.chain;
  }
  if (found.bare_end > 0) heal_parity(found);
  return behind.sealed;
}

// Else a second damage to this group could not be healed.
void LogReader::heal_parity(const Found& found) {
  if (passed_damage_) return;
  const std::string bytes = rebuild_parity(*window_, found.bare_start, found.bare_end, found.bare_chain);
  if (bytes.empty() || repairs_.size() >= kRepairsMax) return;
  const std::uint64_t at = sector_up(found.bare_end);
  std::vector<std::uint64_t> sectors;
  for (std::uint64_t sector = at; sector < at + bytes.size(); sector += kSectorBytes) sectors.push_back(sector);
  tell_healed(segment_->header.number, sectors, "parity");
  repairs_.push_back({segment_, at, bytes});
}

std::uint64_t LogReader::write_repairs() {
  std::uint64_t failed_segment = 0;
  for (std::size_t index = 0; index < repairs_.size(); ++index) {
    const Repair& repair = repairs_[index];
    if (still_ours(*repair.segment) != Belongs::ours) continue;
    auto failed = repair.segment->file->write_at(repair.offset, repair.bytes);
    const bool last = index + 1 == repairs_.size() || repairs_[index + 1].segment != repair.segment;
    if (!failed && last) {
      failed = repair.segment->file->sync_data();
      if (failed) failed_segment = repair.segment->header.number;
    }
    if (failed && on_message_) on_message_("log: writing a healed sector back failed: " + failed.text());
  }
  drop_repairs();
  return failed_segment;
}

// Whether the file is still the segment that it was when it was opened. Unknown: why_ says why.
LogReader::Belongs LogReader::still_ours(const SegmentFile& segment) {
  for (std::uint64_t copy = 0; copy < 2; ++copy) {
    std::array<char, kSegmentHeaderBytes> bytes{};
    std::size_t got = 0;
    SegmentHeader header;
    if (segment.file->read_at(copy * kSectorBytes, bytes, got) || got != bytes.size()) continue;
    if (decode_segment_header(bytes.data(), header) != HeaderCheck::good) continue;
    if (header.number != segment.header.number) return Belongs::gone;  // recycled
  }
  // Without a name it was collected, and may be half overwritten.
  storage::IoError error;
  switch (files_.presence(segment.header.number, error)) {
    case SegmentFiles::Presence::there:
      return Belongs::ours;
    case SegmentFiles::Presence::missing:
      return Belongs::gone;
    case SegmentFiles::Presence::unknown:
      break;
  }
  base::probe("log: whether a segment still has its name could not be seen");
  why_ = "opening segment " + SegmentFiles::name_of(segment.header.number) + " of the log: " + error.text();
  return Belongs::unknown;
}

Read LogReader::nothing_follows(const Goal& goal) {
  const bool missing = successor_ || goal.sequence != kToTheEnd;
  EntryHeader evidence;
  std::optional<std::uint64_t> where;
  if (!missing) where = durable_beyond(*window_, cursor_, evidence);
  // What is known to be there may be readable another time. At the end one unreadable sector is damage like any other:
  // if an acknowledged entry began there, its parity would have been found; two may hide both.
  bool here = false;
  const std::size_t unreadable = window_->unreadable_from(cursor_.offset, here);
  if (missing ? unreadable > 0 : here && unreadable > 1) {
    why_ = "reading " + place() + ": " + storage::IoError(window_->error()).text();
    return Read::unavailable;
  }
  const std::string first = std::to_string(cursor_.chain.version + 1);
  if (successor_) {
    return damage("versions " + first + " to " + std::to_string(successor_->header.start.version) +
                  " can't be read, and the next segment follows them");
  }
  if (missing) return damage("version " + first + " was published and can't be read");
  if (where && !base::broken(base::Break::log_cut_damage)) {
    return damage("versions from " + first + " can't be read, and the entry at offset " + std::to_string(*where) +
                  " (version " + std::to_string(evidence.base_version) + ") says that they were durable");
  }
  ends_unreadable_ = here;
  return Read::caught_up;
}

// A segment whose headers are both damaged, if damage is passed over. Where it starts is what is read before it.
bool LogReader::open_headless(std::uint64_t number, std::shared_ptr<SegmentFile>& segment) {
  if (!on_damage || files_.open_headless(number, segment)) return false;
  base::probe("log: a segment without a header was read");
  segment->header.start.sequence = kUnknown;
  on_damage(SegmentFiles::path_of(number) + ": bytes 0 to 8191, both copies of the header, are damaged");
  return true;
}

// Over what can't be read, to what can. False: nothing follows.
bool LogReader::pass_damage(const Goal& goal) {
  base::probe("log: damage was passed over");
  repairs_.resize(std::min(repairs_.size(), repairs_verified_));  // by what, is not known any more
  const Cursor before = cursor_;
  const bool headless = successor_ && successor_->header.start.sequence == kUnknown;
  const std::uint64_t most = successor_ && !headless ? successor_->header.start.sequence : goal.sequence;
  std::uint64_t end = segment_->header.bytes;
  const bool here = skip_damage(*window_, cursor_, most, end);
  passed_damage_ = true;
  if (!here && successor_) {
    cursor_.group_start = cursor_.offset;
    if (headless) successor_->header.start = before.chain;
    cursor_.chain = successor_->header.start;
    if (headless) return true;
  }
  delivered_ = cursor_.chain.sequence;
  delivered_link_ = cursor_.chain.link;
  const Version first = before.chain.version + 1;
  const Version last = cursor_.chain.version;
  std::string what = ": bytes " + std::to_string(before.offset);
  if (!here && !successor_) {
    what += " and what follows can't be read; the versions from " + std::to_string(first) + " on are lost";
  } else {
    what += " to " + std::to_string(end - 1) + " are damaged beyond healing; ";
    what += last < first ? "no version is missing"
                         : "the versions from " + std::to_string(first) + " to " + std::to_string(last) + " are lost";
  }
  on_damage(SegmentFiles::path_of(before.segment) + what);
  return here || successor_;
}

Read LogReader::walk(const Goal& goal, const Sink* sink) {
  bool looked = successor_ != nullptr;
  bool looked_again = false;
  while (cursor_.chain.sequence < goal.sequence) {
    Read trouble = Read::caught_up;
    if (!looked && goal.segment > cursor_.segment) {
      looked = true;
      const Successor successor = look_for_successor(trouble);
      if (successor == Successor::trouble) return trouble;
      if (successor == Successor::none && goal.segment != kToTheEnd && !reattach()) {
        // It is known to be there, or to have been: it was collected, and ours before it. Nothing in ours can be
        // believed without it, for it says where ours ends: what was refused may stand there.
        base::probe("log: a segment was collected before the one that ends it was seen");
        why_ = "the log was collected under a slow reader, in " + place();
        return Read::gone;
      }
    }
    if (successor_ && cursor_.chain.sequence >= successor_->header.start.sequence) {
      const bool carried = cursor_.chain.sequence > successor_->header.start.sequence;
      if (!carried && cursor_.in_group()) check_end();
      if (!enter_successor()) return damage("the next segment does not follow from it");
      looked = false;
      if (!carried) continue;
    }
    Found found;
    const Chain before = cursor_.chain;
    const Step step = next_entry(*window_, cursor_, found);
    switch (step) {
      case Step::entry:
        repairs_verified_ = repairs_.size();
        if (found.header.sequence > delivered_) {
          deliver(found, before, sink);
        } else if (found.header.sequence == delivered_ && found.identity != delivered_link_) {
          why_ = "entries that were not synced are gone after an error of the device, in " + place();
          return Read::gone;
        }
        if (found.bare_end > 0) heal_parity(found);
        looked_again = false;
        continue;
      case Step::newer_format:
        why_ = "an entry in " + place() + " was written by a newer release";
        return Read::unavailable;
      case Step::end:
        if (found.bare_end > 0) heal_parity(found);
        break;
    }
    if (!looked) {
      looked = true;
      const Successor successor = look_for_successor(trouble);
      if (successor == Successor::trouble) return trouble;
      if (successor == Successor::there) continue;
    }
    if (!successor_ && goal.sequence == kToTheEnd && !goal.thorough) return Read::caught_up;
    const Belongs belongs = still_ours(*segment_);
    if (belongs == Belongs::unknown) return Read::unavailable;
    if (belongs == Belongs::gone) {
      if (reattach()) continue;
      base::probe("log: a segment went away under a reader");
      why_ = "the log was collected under a slow reader, in " + place();
      return Read::gone;
    }
    if (heal()) continue;
    const Read end = nothing_follows(goal);
    if (end == Read::corrupt && !looked_again) {
      // Who reads while others append may have looked here before, and behind it after, they did.
      looked_again = true;
      window_->refresh();
      looked = successor_ != nullptr;
      continue;
    }
    if (end == Read::caught_up || !on_damage) return end;
    if (!pass_damage(goal)) return Read::caught_up;
    looked_again = false;
  }
  return Read::caught_up;
}

}  // namespace ingot::log
