// Following the log from a cursor over one segment after the other, healing what is damaged on the way. Nothing is
// written: what was healed is served from memory, and kept as repairs, for whoever holds the commit lock to write back.
// (Without the lock the file may be recycled at any moment, and be another segment.) One thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "log/segment_files.h"
#include "log/walker.h"

namespace ingot::log {

inline constexpr std::uint64_t kToTheEnd = ~0ULL;

/// What a walk is to reach, and how hard it looks where no entry follows.
struct Goal {
  std::uint64_t sequence = kToTheEnd;  // known to be there; kToTheEnd: as far as entries follow each other
  std::uint64_t segment = kToTheEnd;   // there is no later segment than this, so do not look for one
  bool thorough = true;                // at the end: heal, and look for what says that more was durable
  bool alone = false;                  // a reader that follows nobody: what `live` said before it read is `news`
  std::uint64_t news = 0;
};

class LogReader {
 public:
  LogReader(SegmentFiles& files, std::function<void(const std::string&)> on_message)
      : files_(files), on_message_(std::move(on_message)) {}

  /// To the start of a segment; then `skip_to` passes over what was before `start`, silently.
  Read begin(const Start& start);
  /// To a cursor of a segment that is open.
  void begin(const Cursor& cursor, std::shared_ptr<SegmentFile> segment);

  /// To the start of the newest segment there is. The commit lock is held, else it may be a leftover. False: not found.
  bool begin_at_newest();

  /// Moves towards the goal. caught_up: it is reached (or, kToTheEnd, no entry follows and none is missing).
  Read walk(const Goal& goal, const Sink* sink);

  /// The owner appended an entry itself: the cursor moves over it.
  void appended(const Cursor& cursor, const std::shared_ptr<SegmentFile>& segment, const Chain& before);

  /// Whether begin's start was found: until then entries are passed over silently.
  [[nodiscard]] bool reached_start() const { return !skipping_; }
  [[nodiscard]] const Cursor& cursor() const { return cursor_; }
  [[nodiscard]] const std::shared_ptr<SegmentFile>& segment() const { return segment_; }
  [[nodiscard]] const std::string& why() const { return why_; }
  [[nodiscard]] std::uint64_t healed() const { return healed_; }
  /// The window may show what the file held before others appended.
  void refresh() {
    if (window_) window_->refresh();
  }
  /// The bytes [from, to) of segment(), with what was healed. False: some can't be read.
  bool copy(std::uint64_t from, std::uint64_t to, char* out);
  /// Writes back what was healed, if its segments are still what they were, and syncs it. The commit lock is held, and
  /// no sync is under way. Returns the last segment whose sync failed (0: none): if that is the tail's, nothing in it
  /// that was not durable can be trusted to a later sync.
  std::uint64_t write_repairs();
  void drop_repairs() {
    repairs_.clear();
    repairs_verified_ = 0;
  }
  /// The log ends here because the sector that would come next can't be read. Another time it may be.
  [[nodiscard]] bool ends_unreadable() const { return ends_unreadable_; }
  [[nodiscard]] bool has_repairs() const { return !repairs_.empty(); }
  /// Called before the first entry of each home segment, with what precedes it.
  std::function<void(const Start&)> on_start;
  /// Called with a sentence for each damaged place that was healed.
  std::function<void(const std::string&)> on_healed;
  /// If set, damage that can't be healed is told, a sentence each, and passed over: the walk goes on with what can be
  /// read behind it. What is delivered has gaps then.
  std::function<void(const std::string&)> on_damage;
  /// Where the walk has ended, and all before it is durable: heals the parity of the last group. Returns whether a seal
  /// stands behind it.
  bool check_end();

 private:
  enum class Successor { none, there, trouble };
  OpenSegment open(std::uint64_t number, std::shared_ptr<SegmentFile>& segment, storage::IoError& error);
  Successor look_for_successor(Read& trouble);
  bool reattach();
  bool enter_successor();
  void deliver(const Found& found, const Chain& before, const Sink* sink);
  bool heal();
  void tell_healed(std::uint64_t segment, const std::vector<std::uint64_t>& sectors, const char* what);
  void heal_parity(const Found& found);
  Read nothing_follows(const Goal& goal);
  bool pass_damage(const Goal& goal);
  bool open_headless(std::uint64_t number, std::shared_ptr<SegmentFile>& segment);
  Read damage(const std::string& what);
  enum class Belongs { ours, gone, unknown };
  Belongs still_ours(const SegmentFile& segment);
  std::string place() const;

  SegmentFiles& files_;
  std::function<void(const std::string&)> on_message_;
  Cursor cursor_;
  std::shared_ptr<SegmentFile> segment_;
  std::unique_ptr<Window> window_;
  std::shared_ptr<SegmentFile> successor_;
  std::uint64_t delivered_ = 0;  // sequence of the newest entry passed over
  base::Hash128 delivered_link_;
  std::uint64_t home_ = 0;  // of the last entry delivered
  bool skipping_ = false;   // until the entry that `start` names
  base::Hash128 skip_to_;
  Version skip_version_ = 0;          // damage passed over: commits up to it are not delivered
  std::size_t repairs_verified_ = 0;  // those before the last entry
  bool passed_damage_ = false;        // from then on nothing is written back: what it would rest on is not known
  struct Repair {
    std::shared_ptr<SegmentFile> segment;
    std::uint64_t offset;
    std::string bytes;
  };
  bool ends_unreadable_ = false;
  std::vector<Repair> repairs_;  // at most what one read heals
  std::string why_;
  std::uint64_t healed_ = 0;
};

}  // namespace ingot::log
