// Making the tail durable, and what follows if that fails: what is not known durable is written again, from memory, to
// the start of a new segment, which says where it follows on; entries that were refused are left out, and are cut off
// by that. A sync that failed is never believed on a second try: the kernel may have dropped the pages' dirty marks.
//
// While a sync is under way the mutex is free (appends without durability go on, in a new group), and the commit lock
// is kept, so that no other process builds on bytes whose sync may have failed. `live` says that a sync is under way:
// if its process dies in it, the next holder of the lock does not trust a sync of its own either.
#include <cassert>
#include <utility>

#include "base/testing.h"
#include "log/directory_log_internal.h"

namespace ingot::log {

bool DirectoryLog::write_range(std::uint64_t from, std::uint64_t to) {
  const auto failed = tail_segment_->file->write_at(from, image_.view(from, to));
  if (failed) {
    base::probe("log: a write failed");
    set_why("writing to segment " + SegmentFiles::name_of(tail_.segment) + " of the log: " + failed.text());
    return false;
  }
  written_end_ = std::max(written_end_, to);
  bytes_written_.fetch_add(to - from, std::memory_order_relaxed);
  return true;
}

// Builds the parity of the group that the tail is in, behind it in the image, and moves the tail to the next group.
void DirectoryLog::append_parity() {
  const std::uint64_t at = sector_up(tail_.offset);
  image_.pad(at);
  if (base::broken(base::Break::log_rewrite_synced_sector)) return;
  if (base::broken(base::Break::log_skip_parity)) {
    tail_.offset = tail_.group_start = at;
    return;
  }
  const std::uint64_t group_bytes = tail_.offset - tail_.group_start;
  EntryHeader header;
  header.kind = RecordKind::parity;
  header.payload_bytes = parity_payload_bytes(group_bytes);
  header.sequence = tail_.chain.sequence;
  header.base_version = tail_.chain.version + 1;
  header.time_micros = tail_.chain.time_micros;
  header.durable_mark = tail_.durable;
  header.nonce = next_nonce();
  header.link = tail_.chain.link;
  header.home = tail_.segment;
  const std::uint64_t end = at + entry_bytes(header.payload_bytes);
  image_.extend(end);
  char* entry = image_.at(at);
  encode_entry_header(header, entry);
  encode_parity(tail_.group_start, image_.view(tail_.group_start, tail_.offset), entry + kEntryHeaderBytes);
  finish_entry(entry, header.payload_bytes, tail_segment_->seed, at);
  image_.pad(sector_up(end));
  tail_.offset = tail_.group_start = sector_up(end);
}

// Ends the group that the tail is in: false if the write failed.
bool DirectoryLog::close_group() {
  if (!tail_.in_group()) return true;
  const std::uint64_t from = tail_.offset;
  image_.cut(from);
  append_parity();
  return write_range(from, image_.end());
}

// Makes everything up to the tail durable. `undo`: what to go back to if that is not possible by the deadline (the
// entry behind it was not published); then the outcome may be `cut`. Nothing else is under way: the caller has seen to
// that.
DirectoryLog::Sync DirectoryLog::sync_tail(Lock& lock, base::Instant deadline, const Cursor* undo) {
  if (must_roll_ || !close_group()) return fail_over(lock, deadline, undo);
  const Cursor upto = tail_;
  syncing_ = true;
  memory_.set_number(kLiveSyncingAt, tail_.segment);
  if (base::broken(base::Break::log_publish_before_sync)) publish();
  const std::shared_ptr<SegmentFile> segment = tail_segment_;
  lock.unlock();
  storage::IoError failed;
  if (!base::broken(base::Break::log_skip_sync)) failed = segment->file->sync_data();
  if (failed && base::broken(base::Break::log_retry_failed_sync)) failed = segment->file->sync_data();
  syncs_.fetch_add(1, std::memory_order_relaxed);
  lock.lock();
  syncing_ = false;
  if (carrying_ || tail_segment_ != segment) {
    // A write failed meanwhile, and what this sync was to cover is written again elsewhere: whether that is there
    // counts.
    base::probe("log: entries were carried over while a sync of them was under way");
    changed_.notify_all();
    while (carrying_ && tail_segment_ == segment && !closing() && base::now() < deadline) {
      (void)changed_.wait_until(lock, deadline);
    }
    return tail_.settled_chain.sequence >= upto.chain.sequence ? Sync::done : Sync::failed;
  }
  if (failed) {
    base::probe("log: a sync failed");
    set_why("syncing segment " + SegmentFiles::name_of(segment->header.number) + " of the log: " + failed.text());
    return fail_over(lock, deadline, undo);
  }
  memory_.set_number(kLiveSyncingAt, 0);
  // The tail may have moved on meanwhile, in the next group.
  tail_.settled = upto.offset;
  tail_.settled_chain = upto.chain;
  tail_.durable = std::max(tail_.durable, upto.chain.sequence);
  image_.drop_before(tail_.settled);
  unsynced_since_ = unsynced() ? base::now() : base::kNever;
  publish_durable();
  durable_at_ = base::now();
  changed_.notify_all();
  return Sync::done;
}

// Entries that could not be made durable are to be carried over; a thread is at it, or was and gave up: then it is ours
// to try again. (The caller is Busy, so the worker can't.) False: not done by the deadline.
bool DirectoryLog::end_failure(Lock& lock, base::Instant deadline) {
  while (failing_) {
    if (base::now() >= deadline || closing()) {
      set_why(closing() ? "the store is closed" : problem());
      return false;
    }
    if (carrying_) {
      (void)changed_.wait_until(lock, deadline);
    } else if (fail_over(lock, deadline, nullptr) != Sync::done) {
      return false;
    }
  }
  return true;
}

// The tail is where it was before the entry that is refused.
void DirectoryLog::take_back(const Cursor& undo) {
  tail_.offset = undo.offset;
  tail_.group_start = undo.group_start;
  tail_.chain = undo.chain;
  tail_.home = undo.home;
  image_.cut(tail_.offset);
}

// Not while another thread is at it: see carrying_.
DirectoryLog::Sync DirectoryLog::fail_over(Lock& lock, base::Instant deadline, const Cursor* undo) {
  base::probe("log: entries are carried over to a new segment");
  assert(!carrying_);
  failing_ = true;
  exposed_ = undo != nullptr && stands_in_file(*undo);
  carrying_ = true;
  Cursor upto = tail_;
  bool cut = false;
  base::Duration pause = std::chrono::milliseconds(1);
  const base::Instant give_up = base::deadline_after(std::max(deadline, base::now()), kUndecidedMax);
  for (;;) {
    if (carry_over(upto)) break;
    set_problem(why());
    const base::Instant now = base::now();
    if (undo != nullptr && !exposed_ && now >= deadline) {
      // The write failed before the entry was whole, and no new segment has it: nobody will ever find it.
      base::probe("log: an entry that was never written is forgotten");
      take_back(*undo);
      carrying_ = failing_ = false;
      changed_.notify_all();
      return Sync::cut;
    }
    if (undo != nullptr && !cut && now >= deadline) {
      // What was refused must never be there: from here on, the new segment starts without it. Until that is durable
      // nothing is answered. The zeros are for a process that finds the old segment if this one dies meanwhile.
      base::probe("log: an entry is cut off");
      upto = *undo;
      cut = true;
      const std::string zeros(sector_up(tail_.offset) - undo->offset, '\0');
      (void)tail_segment_->file->write_at(undo->offset, zeros);
      continue;
    }
    if (closing() || now >= give_up || (undo == nullptr && now >= deadline)) {
      carrying_ = false;
      failing_ = undo == nullptr && !closing();  // not undone: who comes next goes on trying, or the background
      if (undo != nullptr) {
        // What still is to be carried over, by the background, is without the entry that is refused now.
        must_roll_ = true;
        take_back(*undo);
        broken_ = true;
        set_problem("an entry of the log could be neither made durable nor taken back (" + why() +
                    "): this handle commits no more");
      }
      changed_.notify_all();
      return Sync::failed;
    }
    (void)changed_.wait_until(lock, now + pause);
    pause = std::min<base::Duration>(2 * pause, kBackOffMax);
  }
  carrying_ = false;
  failing_ = false;
  must_roll_ = false;
  memory_.set_number(kLiveSyncingAt, 0);
  unsynced_since_ = base::kNever;
  durable_at_ = base::now();
  set_problem("");
  publish_durable();
  say("the log went on in a new segment, " + SegmentFiles::name_of(tail_.segment) + ": " + why());
  spare_wanted_ = true;
  work_by(base::now());
  changed_.notify_all();
  return cut ? Sync::cut : Sync::done;
}

// Whether a whole entry stands behind `before` in the tail's file. What never stood there as a whole, in the page
// cache, never will on the disk.
bool DirectoryLog::stands_in_file(const Cursor& before) {
  const std::uint64_t bytes = tail_.offset - before.offset;
  std::string entry(bytes, '\0');
  std::size_t got = 0;
  EntryHeader header;
  base::Hash128 identity;
  if (tail_segment_->file->read_at(before.offset, {entry.data(), entry.size()}, got)) return true;  // who knows
  return got == bytes &&
         decode_entry_header(entry.data(), tail_segment_->seed, before.offset, bytes, header) != HeaderCheck::bad &&
         check_identity(entry.data(), header.payload_bytes, identity);
}

// Writes the commits and edits of the image, up to there, to a new segment that starts where the last sync left off,
// and makes that the tail, all of it durable. They keep their identity.
bool DirectoryLog::carry_over(const Cursor& upto) {
  if (!choose_number()) return false;
  SegmentFiles::Spare spare;
  const std::uint64_t needed = kEntriesStart + sector_up(upto.offset - tail_.settled) +
                               group_extent(std::max<std::uint64_t>(1, upto.offset - tail_.settled)) + 2 * kSectorBytes;
  storage::IoError failed(ENOSPC);
  if (needed <= files_.segment_bytes()) failed = files_.take(true, spare);
  if (failed) failed = files_.make(std::max(files_.segment_bytes(), round_up(needed, 1ULL << 20)), spare);
  if (failed) {
    set_why("making a segment of the log: " + failed.text());
    return false;
  }
  must_roll_ = true;
  auto segment = std::make_shared<SegmentFile>();
  segment->header = {files_.store_id(), next_number_, spare.bytes, tail_.settled_chain};
  segment->seed = PlaceSeed(files_.store_id(), next_number_);

  GroupImage old = std::move(image_);
  image_ = GroupImage();
  image_.restart(kEntriesStart);
  Cursor moved = Cursor::at_start(segment->header);
  moved.durable = tail_.durable;
  moved.home = tail_.home;
  for (std::uint64_t at = tail_.settled; at + kEntryFrameBytes <= upto.offset;) {
    EntryHeader header;
    if (decode_entry_header(old.at(at), tail_segment_->seed, at, old.end() - at, header) != HeaderCheck::good) {
      at = sector_up(at + 1);  // what fills a sector up
      continue;
    }
    const std::uint64_t bytes = entry_bytes(header.payload_bytes);
    if (takes_sequence(header.kind) && header.sequence <= upto.chain.sequence) {
      image_.extend(moved.offset + bytes);
      char* entry = image_.at(moved.offset);
      std::memcpy(entry, old.at(at), bytes);
      base::store_little<std::uint64_t>(entry, segment->seed.place(entry, moved.offset));
      moved.offset += bytes;
      moved.chain = {header.sequence, header.base_version - 1 + header.transaction_count, header.time_micros,
                     base::load_hash(entry + kEntryHeaderBytes + header.payload_bytes)};
    }
    at += bytes;
  }
  const Cursor before = tail_;
  const auto old_segment = tail_segment_;
  bool good = moved.chain == upto.chain;
  if (!good) {
    set_why("what is to be carried over does not follow from the log: a defect of this program");
    broken_ = true;
  }
  if (good) {
    tail_ = moved;
    tail_segment_ = segment;
    if (tail_.in_group()) append_parity();
    good = install(spare, segment->header);
  }
  if (!good) {
    tail_ = before;
    tail_segment_ = old_segment;
    image_ = std::move(old);
    return false;
  }
  segment->file = std::move(spare.file);
  tail_.settle();
  written_end_ = sector_up(tail_.offset);
  image_.restart(tail_.offset);
  image_segment_ = tail_.segment;
  return true;
}

// Says, after a while without commits, that all before it was durable: then damage to the last group is no torn tail.
// Called when nothing else is under way.
void DirectoryLog::seal(Lock& lock) {
  durable_at_ = base::kNever;
  if (unsynced() || tail_.in_group() || must_roll_ || tail_.sealed || tail_.offset == kEntriesStart ||
      tail_.offset + 2 * kSectorBytes > tail_segment_->header.bytes) {
    return;
  }
  EntryHeader header;
  header.kind = RecordKind::seal;
  header.sequence = tail_.chain.sequence;
  header.base_version = tail_.chain.version + 1;
  header.time_micros = tail_.chain.time_micros;
  header.durable_mark = tail_.durable;
  header.nonce = next_nonce();
  header.link = tail_.chain.link;
  header.home = tail_.segment;
  const std::uint64_t at = tail_.offset;
  image_.restart(at);
  image_.extend(at + entry_bytes(0));
  encode_entry_header(header, image_.at(at));
  finish_entry(image_.at(at), 0, tail_segment_->seed, at);
  image_.pad(at + kSectorBytes);
  if (!write_range(at, at + kSectorBytes)) {  // the next entry is written over it
    image_.restart(at);
    return;
  }
  tail_.offset = tail_.group_start = at + kSectorBytes;
  tail_.sealed = true;
  (void)sync_tail(lock, base::deadline_after(base::now(), kSpareRetry), nullptr);
  durable_at_ = base::kNever;
}

}  // namespace ingot::log
