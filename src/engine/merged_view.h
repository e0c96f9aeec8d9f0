// A State at a version as one ordered sequence of records: memtables and sorted runs merged, erasures applied, counters
// folded, what has expired left out. What scans, flushes and copies read.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/read.h"
#include "runs/merge.h"

namespace ingot::engine {

// Erased ranges, made disjoint: for each stretch of keys the newest erasure over it.
class ErasureMap {
 public:
  struct Fragment {
    std::string begin;
    std::string end;  // empty: to the last key
    Version version = 0;
  };
  // `erasures` may overlap and need no order.
  explicit ErasureMap(const std::vector<runs::RangeErasure>& erasures);
  [[nodiscard]] bool empty() const { return fragments_.empty(); }
  // The fragment over `key`, or null.
  [[nodiscard]] const Fragment* over(std::string_view key) const;
  [[nodiscard]] const std::vector<Fragment>& fragments() const { return fragments_; }

 private:
  std::vector<Fragment> fragments_;
};

// One sorted run as a cursor: its files, one after the other.
std::unique_ptr<runs::Cursor> sorted_run_cursor(const SortedRun& sorted, bool sequential);

enum class ScanUse : std::uint8_t {
  lookup,      // through the block cache
  sequential,  // reads ahead, leaves the cache alone
};

// The visible records of [begin, end) (an empty `end`: to the last key). Not thread-safe. Holds the state.
class MergedView {
 public:
  // `on_lost`: keys that can't be read are told, and passed over with all that anybody says of them; without it they
  // are a failure.
  MergedView(std::shared_ptr<const State> state, Version version, std::int64_t time_micros, std::string begin,
             std::string end, ScanUse use, std::function<void(const std::string&)> on_lost = {});
  ~MergedView();

  // Moves to the first (last) record, or on. False at the end, or after a failure: then failed() says so.
  bool first();
  bool last();
  bool next();
  bool previous();
  // To the first record >= key (the last < key).
  bool seek(std::string_view key);
  bool seek_before(std::string_view key);

  // The record, until the next move. Its value is folded and it has not expired.
  [[nodiscard]] const Seen& seen() const { return seen_; }
  [[nodiscard]] std::string_view key() const { return key_; }
  [[nodiscard]] bool failed() const { return !why_.empty(); }
  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  enum class Direction : std::uint8_t { forward, backward };
  bool settle(Direction direction);
  bool find(Direction direction);
  bool pass_unreadable(Direction direction);
  bool fold();

  std::function<void(const std::string&)> on_lost_;
  std::shared_ptr<const State> state_;
  View view_;
  std::string begin_;
  std::string end_;
  std::unique_ptr<runs::Cursor> cursor_;
  std::unique_ptr<ErasureMap> erasures_;
  Seen seen_;
  std::string_view key_;
  std::string folded_;
  std::string passed_;  // the last key of what was passed over just now
  std::string why_;
};

}  // namespace ingot::engine
