// What the public API promises, in the most naive way: every state is a whole copy of all records. The model test
// compares a real store with it.
//
// Conflicts are judged twice, because an engine may see more of them than there are: a transaction *must* lose when
// something that it read is different now, and *must* win when nobody has touched what it may have read. Between the
// two (touched, but the same) either is right.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingot/ingot.h"

namespace ingot::model {

struct Cell {
  std::string value;
  Version version = 0;
  // The expiry lies between these; both 0: never.
  std::int64_t expires_low = 0;
  std::int64_t expires_high = 0;
  // It expires before anybody else can look: the runner waits for that after each commit.
  bool brief = false;
};

// All spaces in one map: the space's number as a character, then the key.
using Records = std::map<std::string, Cell, std::less<>>;

inline bool same(const Cell* a, const Cell* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return a->value == b->value && a->version == b->version;
}
inline const Cell* find(const Records& records, const std::string& key) {
  const auto found = records.find(key);
  return found == records.end() ? nullptr : &found->second;
}

// From `begin` up to, not including, `end`. Full keys; always bounded, since a space's number bounds it.
struct Stretch {
  std::string begin;
  std::string end;
  [[nodiscard]] bool holds(std::string_view key) const { return key >= begin && key < end; }
  [[nodiscard]] bool meets(const Stretch& other) const { return begin < other.end && other.begin < end; }
};
inline Stretch just(const std::string& key) {
  return {key, key + '\0'};
}

inline std::int64_t counter_of(std::string_view value) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8 && i < value.size(); ++i) {
    number |= static_cast<std::uint64_t>(static_cast<unsigned char>(value[i])) << (8 * i);
  }
  return static_cast<std::int64_t>(number);
}
inline std::string counter_value(std::int64_t number) {
  std::string value(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) {
    value[i] = static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * i));
  }
  return value;
}

struct Mutation {
  enum class Kind { put, erase, erase_range, add };
  Kind kind = Kind::put;
  Stretch where;  // one key, or the range
  Cell cell;      // put
  std::int64_t delta = 0;
};

inline void apply(Records& records, const Mutation& mutation, Version version) {
  switch (mutation.kind) {
    case Mutation::Kind::put: {
      Cell cell = mutation.cell;
      cell.version = version;
      records[mutation.where.begin] = cell;
      break;
    }
    case Mutation::Kind::erase:
      records.erase(mutation.where.begin);
      break;
    case Mutation::Kind::erase_range:
      records.erase(records.lower_bound(mutation.where.begin), records.lower_bound(mutation.where.end));
      break;
    case Mutation::Kind::add: {
      Cell& cell = records[mutation.where.begin];
      const auto sum = static_cast<std::uint64_t>(counter_of(cell.value)) + static_cast<std::uint64_t>(mutation.delta);
      cell.value = counter_value(static_cast<std::int64_t>(sum));
      cell.version = version;
      break;
    }
  }
}

class Store {
 public:
  [[nodiscard]] const Records& now() const { return now_; }
  [[nodiscard]] std::size_t commits() const { return touched_.size(); }

  void commit(const std::vector<Mutation>& mutations, Version version) {
    std::vector<Stretch>& touched = touched_.emplace_back();
    for (const Mutation& mutation : mutations) {
      apply(now_, mutation, version);
      touched.push_back(mutation.where);
    }
    for (auto cell = now_.begin(); cell != now_.end();) {
      cell = cell->second.brief ? now_.erase(cell) : std::next(cell);
    }
  }
  // Whether a commit from number `first` on touched the stretch.
  [[nodiscard]] bool touched_since(std::size_t first, const Stretch& stretch) const {
    for (std::size_t i = first; i < touched_.size(); ++i) {
      for (const Stretch& touched : touched_[i]) {
        if (touched.meets(stretch)) return true;
      }
    }
    return false;
  }

 private:
  Records now_;
  std::vector<std::vector<Stretch>> touched_;  // by commit
};

class Transaction {
 public:
  explicit Transaction(const Store& store) : first_(store.commits()), begin_(store.now()), view_(store.now()) {}

  // What its reads see: the state at its begin, and its own writes.
  [[nodiscard]] const Records& view() const { return view_; }
  [[nodiscard]] const std::vector<Mutation>& mutations() const { return mutations_; }

  void write(const Mutation& mutation) {
    apply(view_, mutation, 0);
    mutations_.push_back(mutation);
    if (mutation.kind != Mutation::Kind::add) own_.push_back(mutation.where);
  }
  // Everything in `stretch` was looked at: `recorded` as far as it was not its own.
  void read(const Stretch& stretch) {
    Read& read = reads_.emplace_back();
    read.stretch = stretch;
    read.own = own_;
  }

  [[nodiscard]] bool must_lose(const Store& store) const {
    if (mutations_.empty()) return false;
    for (const Read& read : reads_) {
      std::set<std::string> keys;
      for (const Records* records : {&begin_, &store.now()}) {
        for (auto cell = records->lower_bound(read.stretch.begin);
             cell != records->end() && cell->first < read.stretch.end; ++cell) {
          keys.insert(cell->first);
        }
      }
      for (const std::string& key : keys) {
        bool own = false;
        for (const Stretch& stretch : read.own) own = own || stretch.holds(key);
        if (!own && !same(find(begin_, key), find(store.now(), key))) return true;
      }
    }
    return false;
  }
  [[nodiscard]] bool must_win(const Store& store) const {
    if (mutations_.empty()) return true;
    for (const Read& read : reads_) {
      if (store.touched_since(first_, read.stretch)) return false;
    }
    return true;
  }

 private:
  struct Read {
    Stretch stretch;
    std::vector<Stretch> own;  // written by itself before: what others do there need not matter
  };
  std::size_t first_;
  Records begin_;
  Records view_;
  std::vector<Mutation> mutations_;
  std::vector<Stretch> own_;
  std::vector<Read> reads_;
};

}  // namespace ingot::model
