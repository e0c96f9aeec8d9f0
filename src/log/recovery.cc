// Opening: alone, the log is walked to its end, healed, and what is found beyond what is provably durable is synced
// before anybody reads it; next to others, it is walked to what they published.
#include <cerrno>
#include <utility>

#include "base/testing.h"
#include "log/directory_log_internal.h"

namespace ingot::log {

// A new store, or a copy of one: segment 1 follows on `options_.start`.
Read DirectoryLog::create_first_segment(std::string& why) {
  SegmentFiles::Spare spare;
  auto failed = files_.take(false, spare);
  if (failed) failed = files_.make(files_.segment_bytes(), spare);
  if (failed) {
    why = "making the log in " + directory_.where() + ": " + failed.text();
    return Read::unavailable;
  }
  const Start& start = options_.start;
  const SegmentHeader header{
      files_.store_id(), start.segment, spare.bytes, {0, start.version, start.time_micros, start.link}};
  image_.restart(kEntriesStart);
  if (install(spare, header)) return Read::caught_up;
  why = this->why();
  return Read::unavailable;
}

Read DirectoryLog::open(const Sink& sink, std::string& why) {
  SegmentFiles::Listing listing;
  storage::IoError failed;
  const bool alone = live_handle_.recovers();
  if (alone && !options_.read_only) failed = files_.make_directory();
  if (!failed) failed = files_.list(listing);
  if (failed && !(options_.read_only && failed.code() == ENOENT)) {
    why = "opening the log in " + directory_.where() + ": " + failed.text();
    return Read::unavailable;
  }
  if (alone) files_.tidy();
  if (listing.segments.empty() && options_.start.segment == 1) {
    if (options_.read_only) {
      why = "there is no log in " + directory_.where() + " yet";
      return Read::unavailable;
    }
    const Read made = create_first_segment(why);
    if (made != Read::caught_up) return made;
  }
  starts_[options_.start.segment] = options_.start;
  if (!options_.read_only) losses_seen_ = tail_losses_ = memory_.number(kLiveLossesAt);
  reader_.on_healed = [this](const std::string& sentence) {
    const std::lock_guard guard(words_mutex_);
    healed_by_opening_.push_back(sentence);
  };
  if (options_.pass_damage) reader_.on_damage = [this](const std::string& sentence) { tell_damage(sentence); };
  Read outcome = reader_.begin(options_.start);
  if (outcome == Read::caught_up) outcome = alone || options_.read_only ? recover(sink, why) : join(sink, why);
  reader_.on_healed = {};
  healed_ += reader_.healed();
  if (outcome != Read::caught_up) {
    if (why.empty()) why = reader_.why();
    return outcome;
  }
  seen_version_.store(reader_.cursor().chain.version, std::memory_order_release);
  if (options_.read_only) {
    scout_ = std::make_unique<LogReader>(files_, options_.on_message);
    if (options_.pass_damage) scout_->on_damage = [](const std::string&) {};  // the owner tells
    scout_->begin(reader_.cursor(), reader_.segment());
  }
  start_threads();
  return Read::caught_up;
}

void DirectoryLog::adopt_tail(const Cursor& cursor, std::shared_ptr<SegmentFile> segment) {
  tail_ = cursor;
  tail_segment_ = std::move(segment);
  if (!tail_.in_group() && tail_.durable >= tail_.chain.sequence) tail_.settle();
  written_end_ = sector_up(tail_.offset);
  durable_version_.store(tail_.settled_chain.version, std::memory_order_release);
}

// Segments behind a gap. If a name could not be made durable the next number was tried; a power loss may then have
// taken the first name and left the second. Nothing was acknowledged in that, for a sync of the directory would have
// made both durable; but once the gap is filled it would be taken for what follows.
Read DirectoryLog::remove_leftovers(std::string& why) {
  SegmentFiles::Listing listing;
  storage::IoError failed = files_.list(listing);
  for (const std::uint64_t number : listing.segments) {
    if (failed || number <= tail_.segment) continue;
    std::shared_ptr<SegmentFile> segment;
    switch (files_.open(number, segment, failed)) {
      case OpenSegment::good:
        break;
      case OpenSegment::missing:
      case OpenSegment::failed:
        continue;
      case OpenSegment::damaged:
        why = "both headers of segment " + SegmentFiles::name_of(number) + " of the log are damaged";
        return Read::corrupt;
      case OpenSegment::newer_format:
        why = "segment " + SegmentFiles::name_of(number) + " of the log was written by a newer release";
        return Read::unavailable;
    }
    if (segment->header.start.sequence > tail_.chain.sequence) {
      why = "the log ends with segment " + SegmentFiles::name_of(tail_.segment) + " at version " +
            std::to_string(tail_.chain.version) + ", and segment " + SegmentFiles::name_of(number) +
            " starts behind version " + std::to_string(segment->header.start.version) + ": what is between is missing";
      return Read::corrupt;
    }
    base::probe("log: removed a segment behind a gap");
    segment.reset();
    failed = directory_.remove(SegmentFiles::path_of(number));
  }
  if (!failed) return Read::caught_up;
  why = "looking for segments of the log behind its end in " + directory_.where() + ": " + failed.text();
  return Read::unavailable;
}

// Alone, or read-only.
// What can't be read now might be read later, and bring back what everybody has seen missing by then.
storage::IoError DirectoryLog::clear_unreadable_end() {
  if (!reader_.ends_unreadable() || tail_.offset % kSectorBytes != 0) return {};
  base::probe("log: an unreadable end was written over");
  const std::string zeros(kSectorBytes, '\0');
  if (const auto failed = tail_segment_->file->write_at(tail_.offset, zeros)) return failed;
  return tail_segment_->file->sync_data();
}

Read DirectoryLog::recover(const Sink& sink, std::string& why) {
  Goal goal;
  if (options_.pass_damage) {
    // Of what nobody can write to any more: the reader itself goes as far as it can, and tells what it passes over.
    if (!published_end(goal)) return Read::unavailable;
    goal.thorough = true;
  } else if (options_.read_only) {
    LogReader finder(files_, {});
    Read end = finder.begin(options_.start);
    if (end != Read::caught_up) why = finder.why();
    if (end == Read::caught_up && (end = find_end(finder, true, goal)) != Read::caught_up) why = this->why();
    if (end != Read::caught_up) return end;
  }
  Read outcome = reader_.walk(goal, &sink);
  if (options_.read_only) outcome = look_again(outcome, goal, sink);
  if (outcome != Read::caught_up) return outcome;
  if (!reader_.reached_start()) {
    why = "the log does not hold the entry that the checkpoint starts from, in or after segment " +
          SegmentFiles::name_of(options_.start.segment);
    return Read::corrupt;
  }
  adopt_tail(reader_.cursor(), reader_.segment());
  if (options_.read_only) {
    if (goal.alone) ignored_news_.store(goal.news, std::memory_order_relaxed);
    return Read::caught_up;
  }
  if (const Read left = remove_leftovers(why); left != Read::caught_up) return left;
  if (reader_.has_repairs()) repair(reader_);
  if (const auto failed = clear_unreadable_end()) {
    why = "writing the end of the log: " + failed.text();
    return Read::unavailable;
  }

  // Nobody else has the store open, so the lock is free.
  Lock lock(mutex_);
  const base::Instant deadline = base::deadline_after(base::now(), kInternalDeadline);
  const Busy busy(*this, lock, deadline);
  if (!base::broken(base::Break::log_skip_recovery_sync)) {
    // Always: who named the last segment may have been killed, or told of an error, before its name was durable.
    if (const auto failed = directory_.sync_directory("log")) {
      why = "syncing the log's directory: " + failed.text();
      return Read::unavailable;
    }
  }
  if (base::broken(base::Break::log_skip_recovery_sync)) {
    tail_.settle();
    tail_.group_start = tail_.settled = tail_.offset = sector_up(tail_.offset);
  }
  // What `live` holds is old: from here on it tells what was found.
  memory_.store(kLivePublishedAt, {0, 0, 0});
  memory_.store(kLiveDurableAt, {0, 0, 0});
  if (!acquire(lock, deadline)) {
    why = this->why();
    return Read::unavailable;
  }
  publish_durable();
  publish();
  live_handle_.finish_opening();
  return Read::caught_up;
}

// Others have the store open: what they published is there, and they have synced it or will.
Read DirectoryLog::join(const Sink& sink, std::string& why) {
  Goal goal;
  adopt_tail(reader_.cursor(), reader_.segment());
  if (!published_end(goal)) {
    why = this->why();
    return Read::unavailable;
  }
  const Read outcome = read_to(goal, sink);
  if (outcome != Read::caught_up) return outcome;
  if (!reader_.reached_start()) {
    why = "the log does not hold the entry that the checkpoint starts from, in or after segment " +
          SegmentFiles::name_of(options_.start.segment);
    return Read::corrupt;
  }
  Lock lock(mutex_);
  if (!held_) adopt_tail(reader_.cursor(), reader_.segment());
  return Read::caught_up;
}

std::unique_ptr<Log> open_directory_log(storage::Directory& directory, Live& live, const DirectoryLogOptions& options,
                                        const Sink& sink, Read& outcome, std::string& why) {
  auto log = std::make_unique<DirectoryLog>(directory, live, options);
  why.clear();
  outcome = log->open(sink, why);
  if (outcome != Read::caught_up) return nullptr;
  return log;
}

}  // namespace ingot::log
