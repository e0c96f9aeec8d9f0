// New segments: when the tail's is full, and making spares ready ahead.
//
// A spare becomes a segment in this order: header (and, after a failed sync, the entries that are carried over), sync,
// rename, sync of the directory; only then is anything acknowledged that stands in it. If the last step fails the name
// may be there or not, so the old segment gets no more entries, and the next try takes the next number.
#include <cassert>

#include "base/testing.h"
#include "log/directory_log_internal.h"

namespace ingot::log {

// Whether an entry, the parity of its group, and a seal behind that have room in the tail's segment.
bool DirectoryLog::fits(std::uint64_t payload_bytes) const {
  const std::uint64_t group_bytes = tail_.offset + entry_bytes(payload_bytes) - tail_.group_start;
  return tail_.group_start + group_extent(group_bytes) + kSectorBytes <= tail_segment_->header.bytes;
}

// Waits until an entry can be appended at the tail, unless the disk has no room for that. Not ready: nothing was
// written.
DirectoryLog::Room DirectoryLog::make_room(Lock& lock, std::uint64_t payload_bytes, Claim claim,
                                           base::Instant deadline) {
  for (;;) {
    if (closing() || broken_) {
      set_why(closing() ? "the store is closed" : problem());
      return Room::failed;
    }
    const bool full = unsynced() && tail_.offset - tail_.settled + payload_bytes > kUnsyncedBytesMax;
    if (!must_roll_ && !roll_wanted_ && !failing_ && !full && fits(payload_bytes)) {
      return claim == Claim::ordinary && !look_for_room() ? Room::none : Room::ready;
    }
    if (failing_) {
      if (!end_failure(lock, deadline)) return Room::failed;
    } else if (syncing_) {
      if (!wait_for_sync(lock, deadline)) return Room::failed;
    } else if (!must_roll_ && !roll_wanted_ && full) {
      if (sync_tail(lock, deadline, nullptr) != Sync::done) return Room::failed;
    } else if (const Room room = roll(lock, payload_bytes, claim, deadline); room != Room::ready) {
      return room;
    }
  }
}

// What becomes the next segment. An ordinary claim leaves the disk so much room that everything in the log can still
// become runs, and then go: a store that filled its disk to the last byte could never free any of it again.
DirectoryLog::Found DirectoryLog::find_spare(std::uint64_t payload_bytes, Claim claim, SegmentFiles::Spare& spare) {
  const std::uint64_t needed = kEntriesStart + group_extent(entry_bytes(payload_bytes)) + 2 * kSectorBytes;
  const bool large = needed > files_.segment_bytes();
  const std::uint64_t bytes = large ? round_up(needed, 1ULL << 20) : files_.segment_bytes();
  storage::IoError failed;
  if (claim == Claim::ordinary) failed = files_.headroom(large ? 2 * bytes : bytes);
  const bool full = static_cast<bool>(failed);
  if (!failed && large) {
    base::probe("log: a segment of its own for a large entry");
    failed = files_.make(bytes, spare);
  } else if (!failed) {
    failed = files_.take(claim == Claim::reserve, spare);
  }
  if (!failed) return Found::there;
  set_why("the log needs a new segment in " + directory_.where() + ": " + failed.text());
  return full || large ? Found::full : Found::none;
}

// An edit, or what erases, may have begun the tail's segment without room for it to be filled by others.
bool DirectoryLog::look_for_room() {
  if (room_known_) return true;
  const auto failed = files_.headroom(0);
  room_known_ = !failed;
  if (room_known_) set_room_problem("");
  if (failed) {
    base::probe("log: a segment may be filled only by what frees room");
    set_why("the log is not to grow in " + directory_.where() + ": " + failed.text());
    set_room_problem(why());
    spare_wanted_ = true;
    work_by(base::now());
  }
  return room_known_;
}

// Goes on in a new segment. Everything before it is made durable first, so that only the last segment ever has entries
// that are not.
DirectoryLog::Room DirectoryLog::roll(Lock& lock, std::uint64_t payload_bytes, Claim claim, base::Instant deadline) {
  if (unsynced()) {
    const std::uint64_t segment = tail_.segment;
    if (sync_tail(lock, deadline, nullptr) != Sync::done) return Room::failed;
    if (tail_.segment != segment) return Room::ready;  // that went wrong, and has already moved on
  }
  base::Duration pause = std::chrono::milliseconds(1);
  spare_error_ = {};
  for (;;) {
    SegmentFiles::Spare spare;
    const Found found = find_spare(payload_bytes, claim, spare);
    if (found == Found::there && begin_segment(spare)) {
      room_known_ = claim == Claim::ordinary;
      if (room_known_) set_room_problem("");
      return Room::ready;
    }
    if (found == Found::full || (found == Found::none && spare_error_)) {
      base::probe("log: no room for a new segment");
      if (found == Found::none)
        set_why("the log needs a new segment in " + directory_.where() + ": " + spare_error_.text());
      set_room_problem(why());
      return Room::none;
    }
    if (found == Found::none) {
      spare_wanted_ = true;
      spare_retry_at_ = {};
      work_by(base::Instant{} + std::chrono::nanoseconds(1));
    } else {
      set_problem(why());
    }
    const base::Instant now = base::now();
    if (closing() || now >= deadline) return Room::failed;
    (void)changed_.wait_until(lock, std::min(deadline, now + pause));
    pause = std::min<base::Duration>(2 * pause, kBackOffMax);
  }
}

// Makes the spare the tail's segment. False: why() says why not.
bool DirectoryLog::begin_segment(SegmentFiles::Spare& spare) {
  if (!choose_number()) return false;
  auto segment = std::make_shared<SegmentFile>();
  segment->header = {files_.store_id(), next_number_, spare.bytes, tail_.chain};
  segment->seed = PlaceSeed(files_.store_id(), next_number_);
  image_.restart(kEntriesStart);
  if (!install(spare, segment->header)) {
    image_.restart(tail_.offset);
    return false;
  }
  segment->file = std::move(spare.file);
  const std::uint64_t home = tail_.home;
  tail_ = Cursor::at_start(segment->header);
  tail_.home = home;
  tail_segment_ = std::move(segment);
  image_segment_ = tail_.segment;
  written_end_ = kEntriesStart;
  must_roll_ = false;
  roll_wanted_ = false;
  spare_wanted_ = true;
  set_problem("");
  work_by(base::now());
  publish();  // readers look for the segment that it names
  publish_durable();
  return true;
}

// The number of the next segment. Names that could not be made durable may be there: theirs are used up, and no others,
// for readers look for the next number. False: a directory that can't be looked at does not tell.
bool DirectoryLog::choose_number() {
  if (!must_roll_) {
    next_number_ = tail_.segment + 1;
    return true;
  }
  // Others may have gone on since the roll became due.
  for (next_number_ = std::max(next_number_, tail_.segment + 1);; ++next_number_) {
    storage::IoError failed;
    switch (files_.presence(next_number_, failed)) {
      case SegmentFiles::Presence::missing:
        return true;
      case SegmentFiles::Presence::there:
        break;
      case SegmentFiles::Presence::unknown:
        set_why("looking for segment " + SegmentFiles::name_of(next_number_) + " of the log: " + failed.text());
        return false;
    }
  }
}

// Writes header and image to the spare, and names it. False: why() says why, and the name may be there or not.
bool DirectoryLog::install(SegmentFiles::Spare& spare, const SegmentHeader& header) {
  const std::string before = spare.path;
  storage::IoError failed = files_.write_header(spare, header);
  if (!failed && image_.bytes() > 0) {
    exposed_ = true;  // also if it fails: the spare may become this very segment another time, with what stands in it
    failed = spare.file->write_at(image_.begin(), image_.view(image_.begin(), image_.end()));
    bytes_written_.fetch_add(image_.bytes(), std::memory_order_relaxed);
  }
  if (!failed) failed = spare.file->sync_data();
  syncs_.fetch_add(1, std::memory_order_relaxed);
  if (failed) {
    (void)directory_.remove(before);
    set_why("writing a new segment of the log: " + failed.text());
    return false;
  }
  failed = files_.name_it(spare, header.number);
  if (!failed) return true;
  base::probe("log: a segment's name could not be made durable");
  must_roll_ = true;
  next_number_ = header.number;
  set_why("naming a new segment of the log: " + failed.text());
  return false;
}

}  // namespace ingot::log
