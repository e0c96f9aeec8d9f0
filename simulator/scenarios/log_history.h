// What happened to one log, as all its processes together saw it, and whether that can be: the checker of the log
// scenario. It belongs to the host; the processes' fibers call it.
//
// Each append is an *attempt* with a number, which its payload carries, together with what its writer believed to stand
// before it. The *canonical log* is the order of attempts as anybody has seen it: every reader's sequence must be a
// piece of it, from where its reader began. Rules (each is checked where a comment says so):
//   1. An entry is whole, is what its writer wrote, stands where its writer believed, and stands there once.
//   2. Versions are dense, times never go back, and every reader sees the same sequence.
//   3. An attempt that was refused (`lost`, `unavailable`), or that a recovery did not find, never appears.
//   4. What was acknowledged, or seen by anybody, stays as long as the power does; but entries that are not durable may
//   be
//      lost with their writer, after a sync that failed, if the log says so.
//   5. What is durable stays for ever: acknowledged or visible durable entries, what a sync covered, what durable()
//   said,
//      what a recovery served; and everything before them.
//   6. After a power loss the log is a prefix of what it was, and possibly entries that nobody had seen or been
//   promised.
//   7. published() never goes back, in any process, and covers what was acknowledged before it was called.
//   8. Damage within the redundancy is healed; beyond it, it is reported, and nothing is cut off.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "log/log.h"
#include "scenario.h"

namespace ingot::simulator {

class LogHistory {
 public:
  explicit LogHistory(World& world) : world_(world) {}

  /// What one process has read: a point of the canonical log. The process's own.
  struct View {
    std::uint64_t index = 0;  // entries before this point
    log::Version version = 0;
    std::int64_t time_micros = 0;
    std::uint64_t segment = 0;
    bool opening = true;
    std::uint64_t must_reach = 0;    // how many entries the opening must find
    std::uint64_t number = 0;        // of the view
    std::uint64_t from_segment = 0;  // where the opening began
  };

  /// Where openings start: a checkpoint that an application would have written.
  struct Checkpoint {
    log::Start start;
    std::uint64_t index = 0;
  };
  [[nodiscard]] const Checkpoint& checkpoint() const { return checkpoint_; }

  // An opening.
  View begin_open();
  void opened(View& view, bool alone);
  void open_failed(const View& view, log::Read outcome, std::string_view why);

  // An append: the payload to write, and what it came to.
  struct Draft {
    std::uint64_t attempt = 0;
    log::EntryKind kind = log::EntryKind::commit;
    std::uint32_t transactions = 1;
    bool durable = true;
    std::int64_t time_micros = 0;
    std::size_t payload_bytes = 0;
  };
  std::uint64_t begin_append(const View& view, const Draft& draft);
  /// The bytes of an attempt's payload.
  static std::string payload(const View& view, const Draft& draft);
  void append_kept(View& view, std::uint64_t attempt, const log::Position& position);
  void append_refused(std::uint64_t attempt);

  /// An entry, from a sink.
  void observe(View& view, const log::Entry& entry);
  /// After a read that caught up: it began when `began_at` was known to be published.
  void caught_up(const View& view, const log::Position& position, log::Version began_at);

  // published(): `floor` is what published_floor() said before the call.
  [[nodiscard]] log::Version published_floor() const { return published_; }
  void published(log::Version version, log::Version floor);
  // sync() and durable().
  [[nodiscard]] std::uint64_t entries() const { return canonical_.size(); }
  void synced(std::uint64_t entries_before) {
    if (!lossy_) raise_floor(entries_before);
  }
  void durable(log::Version version);

  /// A checkpoint at the start of the segment that `start` names, which begins behind `index` entries: all durable.
  void set_checkpoint(const log::Start& start, std::uint64_t index);

  // The world.
  void power_lost();
  /// Nobody has the log open; `unsynced_may_be_gone`: a sync had failed, and the cache may have let go.
  void all_gone(bool unsynced_may_be_gone);
  void process_died(std::uint32_t process);
  /// A process said that entries were lost after a failed sync, and goes on without them: from the floor on.
  void unsynced_lost();
  [[nodiscard]] bool has_lost_unsynced() const { return lossy_; }
  void damaged_beyond_redundancy() { beyond_redundancy_ = true; }
  [[nodiscard]] bool is_beyond_redundancy() const { return beyond_redundancy_; }
  [[nodiscard]] std::uint64_t opens() const { return opens_; }
  [[nodiscard]] log::Version end_version() const;

 private:
  static constexpr std::uint64_t kNowhere = ~0ULL;
  enum class State {
    pending,  // under way, or its process died in it
    kept,     // acknowledged
    refused,  // never happened
    gone,     // a recovery has settled that it did not happen, or a power loss took it
  };
  struct Attempt {
    std::uint32_t process = 0;
    bool process_died = false;
    Draft draft;
    std::uint64_t believed_index = 0;
    log::Version believed_version = 0;
    State state = State::pending;
    std::uint64_t index = kNowhere;  // in the canonical log
  };
  struct Place {
    std::uint64_t attempt = 0;
    log::Version version_after = 0;
    std::optional<base::Hash128> link;  // once somebody knew it
  };

  void place(std::uint64_t index, std::uint64_t attempt);
  void cut(std::uint64_t entries);
  void settle(const View& view);
  void raise_floor(std::uint64_t entries);
  [[noreturn]] void fail(const std::string& why);
  [[nodiscard]] std::string describe(std::uint64_t attempt) const;
  std::vector<std::uint64_t>& found_by(const View& view) { return found_[view.number]; }

  World& world_;
  std::vector<Attempt> attempts_;
  std::vector<Place> canonical_;
  std::uint64_t floor_ = 0;         // so many entries are durable
  log::Version floor_version_ = 0;  // and so many versions
  log::Version published_ = 0;      // the newest that anybody was told, or was acknowledged
  bool undetermined_ = false;       // the power failed, and nobody has opened the log since
  bool lossy_ = false;              // while others went on, un-synced entries were lost with their writer
  bool beyond_redundancy_ = false;
  std::map<std::uint64_t, std::vector<std::uint64_t>> found_;  // by view that is opening: the attempts it found
  std::uint64_t views_ = 0;
  std::uint64_t opens_ = 0;
  Checkpoint checkpoint_;
};

}  // namespace ingot::simulator
