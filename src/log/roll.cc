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

// Waits until an entry can be appended at the tail. False: the deadline passed, and nothing was written.
bool DirectoryLog::make_room(Lock& lock, std::uint64_t payload_bytes, EntryKind kind, base::Instant deadline) {
  for (;;) {
    if (closing() || broken_) {
      set_why(closing() ? "the store is closed" : problem());
      return false;
    }
    const bool full = unsynced() && tail_.offset - tail_.settled + payload_bytes > kUnsyncedBytesMax;
    if (!must_roll_ && !roll_wanted_ && !failing_ && !full && fits(payload_bytes)) return true;
    if (failing_) {
      if (!end_failure(lock, deadline)) return false;
    } else if (syncing_) {
      if (!wait_for_sync(lock, deadline)) return false;
    } else if (!must_roll_ && !roll_wanted_ && full) {
      if (sync_tail(lock, deadline, nullptr) != Sync::done) return false;
    } else if (!roll(lock, payload_bytes, kind, deadline)) {
      return false;
    }
  }
}

// Goes on in a new segment. Everything before it is made durable first, so that only the last segment ever has entries
// that are not.
bool DirectoryLog::roll(Lock& lock, std::uint64_t payload_bytes, EntryKind kind, base::Instant deadline) {
  if (unsynced()) {
    const std::uint64_t segment = tail_.segment;
    if (sync_tail(lock, deadline, nullptr) != Sync::done) return false;
    if (tail_.segment != segment) return true;  // that went wrong, and has already moved on
  }
  base::Duration pause = std::chrono::milliseconds(1);
  for (;;) {
    SegmentFiles::Spare spare;
    if (choose_number() && take_spare(payload_bytes, kind, spare)) {
      auto segment = std::make_shared<SegmentFile>();
      segment->header = {files_.store_id(), next_number_, spare.bytes, tail_.chain};
      segment->seed = PlaceSeed(files_.store_id(), next_number_);
      image_.restart(kEntriesStart);
      if (install(spare, segment->header)) {
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
      image_.restart(tail_.offset);
    }
    set_problem(why());
    const base::Instant now = base::now();
    if (closing() || now >= deadline) return false;
    (void)changed_.wait_until(lock, std::min(deadline, now + pause));
    pause = std::min<base::Duration>(2 * pause, kBackOffMax);
  }
}

// A file for a segment that the entry fits in.
bool DirectoryLog::take_spare(std::uint64_t payload_bytes, EntryKind kind, SegmentFiles::Spare& spare) {
  const std::uint64_t needed = kEntriesStart + group_extent(entry_bytes(payload_bytes)) + 2 * kSectorBytes;
  storage::IoError failed;
  if (needed <= files_.segment_bytes()) {
    failed = files_.take(kind == EntryKind::edit, spare);
  } else {
    base::probe("log: a segment of its own for a large entry");
    failed = files_.make(round_up(needed, 1ULL << 20), spare);
  }
  if (!failed) return true;
  base::probe("log: no room for a new segment");
  set_why("the log needs a new segment in " + directory_.where() + ": " + failed.text());
  spare_wanted_ = true;
  work_by(base::now());
  return false;
}

// The number of the next segment. Names that could not be made durable may be there: theirs are used up, and no others,
// for readers look for the next number. False: a directory that can't be looked at does not tell.
bool DirectoryLog::choose_number() {
  if (!must_roll_) {
    next_number_ = tail_.segment + 1;
    return true;
  }
  for (;; ++next_number_) {
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
