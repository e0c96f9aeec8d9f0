// A transaction in the making: what it read (to be validated), and what it writes (in the log's form). One thread at a
// time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/mutation.h"
#include "engine/state.h"
#include "ingot/options.h"

namespace ingot::engine {

class Engine;

// The keys and ranges that a transaction has read, bounded: beyond kReadSetBytesMax neighbouring keys become ranges,
// which may only make more conflicts, never fewer.
class ReadSet {
 public:
  static constexpr std::size_t kReadSetBytesMax = 4 << 20;
  struct Range {
    std::string begin;
    std::string end;  // empty: to the last key
  };

  void add_key(std::string_view key);
  // A scan's range, which grows while the scan goes on: the scan changes it in place. Counted in full once the scan
  // lets go.
  std::shared_ptr<Range> open_range(std::string_view begin, std::string_view end);
  // An expiry that was seen alive: the read is a conflict if the commit comes later.
  void saw_expiry(std::int64_t expires_micros) {
    if (expires_micros != 0 && (expiry_min_ == 0 || expires_micros < expiry_min_)) expiry_min_ = expires_micros;
  }
  [[nodiscard]] bool empty() const {
    return key_ends_.empty() && ranges_.empty() && open_ranges_.empty() && expiry_min_ == 0;
  }
  [[nodiscard]] std::size_t key_count() const { return key_ends_.size(); }
  [[nodiscard]] std::string_view key_at(std::size_t index) const {
    const std::size_t begin = index == 0 ? 0 : key_ends_[index - 1];
    return std::string_view(keys_).substr(begin, key_ends_[index] - begin);
  }
  // All ranges, those of scans under way included. Call once, before looking at them: gathers.
  const std::vector<Range>& ranges();
  [[nodiscard]] std::int64_t expiry_min() const { return expiry_min_; }
  [[nodiscard]] std::size_t bytes() const {
    return keys_.size() + key_ends_.size() * sizeof(std::size_t) + range_bytes_;
  }

 private:
  void add_range(std::string_view begin, std::string_view end);
  void shrink();
  std::string keys_;
  std::vector<std::size_t> key_ends_;
  std::vector<Range> ranges_;
  std::vector<std::shared_ptr<Range>> open_ranges_;
  std::size_t range_bytes_ = 0;
  std::int64_t expiry_min_ = 0;
};

// A transaction's own newest word on a key.
struct OwnWrite {
  enum class Kind : std::uint8_t { value, erased, add };
  Kind kind = Kind::value;
  std::string value;  // value
  std::int64_t expires_micros = 0;
  std::int64_t delta = 0;  // add: the sum; its base lies in the snapshot
};

class TransactionState {
 public:
  TransactionState(std::shared_ptr<Engine> engine, std::shared_ptr<const State> state, Version version,
                   std::int64_t time_micros, Durability durability);
  ~TransactionState();

  // Own writes, as reads must see them. Indexing happens when a read follows a write, not before.
  const OwnWrite* own(std::string_view key);
  // Whether `key`, which has no OwnWrite, was erased by a range erasure of this transaction.
  [[nodiscard]] bool own_erased(std::string_view key) const;
  // The first own write with a key >= (last: < ) the given one, or null; for scans. Valid until the next write or read.
  const std::pair<const std::string, OwnWrite>* own_from(std::string_view key);
  const std::pair<const std::string, OwnWrite>* own_before(std::string_view key);
  [[nodiscard]] bool has_own() const { return !mutations.empty(); }

  void put(std::string_view key, std::string_view value, std::int64_t expires_micros);
  void erase(std::string_view key);
  void erase_range(std::string_view begin, std::string_view end);
  void add(std::string_view key, std::int64_t delta);
  void put_stamped_key(std::string_view key, std::string_view value, std::int64_t expires_micros);
  void put_stamped_value(std::string_view key, std::string_view value, std::int64_t expires_micros, std::size_t offset);

  // Whether put_stamped_value was the last to write `key`: its value is not known before the commit.
  [[nodiscard]] bool is_stamped(std::string_view key) const { return stamped_.contains(key); }

  // Throws `closed` if it was committed or rolled back already.
  void require_open() const;

  const std::shared_ptr<Engine> engine;
  std::shared_ptr<const State> state;  // null once it has ended
  Version version;                     // of the snapshot
  std::int64_t time_micros;            // of the snapshot
  Durability durability;
  ReadSet reads;
  MutationBuffer mutations;
  bool elder = false;  // it lost often: it goes first now

 private:
  void index();
  void forget_stamp(std::string_view key);
  void require_room(std::size_t bytes) const;
  std::map<std::string, OwnWrite, std::less<>> own_;
  std::vector<ReadSet::Range> own_erasures_;
  std::set<std::string, std::less<>> stamped_;
  std::size_t indexed_bytes_ = 0;
};

}  // namespace ingot::engine
