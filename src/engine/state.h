// What a process knows of a store at a moment: memtables over sorted runs. A State is immutable but for its newest
// memtable, which keeps versions. Snapshots, scans and merges hold the State that they began with; while one is held,
// none of its files is deleted (PinRegistry publishes the oldest edit that any State here still reads).
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/thread.h"
#include "engine/memtable.h"
#include "runs/run.h"

namespace ingot::engine {

using Version = std::uint64_t;

// A sequence of run files that do not overlap, in key order: one layer of history. `id` is the number of the edit that
// made it, times kSortedRunsPerEdit.
struct SortedRun {
  std::uint64_t id = 0;
  std::vector<std::shared_ptr<runs::Run>> files;

  [[nodiscard]] std::uint64_t file_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& file : files) sum += file->summary().file_bytes;
    return sum;
  }
  [[nodiscard]] std::uint64_t records() const {
    std::uint64_t sum = 0;
    for (const auto& file : files) sum += file->summary().records;
    return sum;
  }
  [[nodiscard]] std::uint64_t erased() const {
    std::uint64_t sum = 0;
    for (const auto& file : files) sum += file->summary().erased + file->summary().range_erasures;
    return sum;
  }
  // The file that could hold `key`, or null.
  [[nodiscard]] const runs::Run* file_for(std::string_view key) const;
};

// The oldest edit number whose files some State of this process still reads.
class PinRegistry {
 public:
  void add(std::uint64_t edit_number);
  void remove(std::uint64_t edit_number);
  [[nodiscard]] std::uint64_t oldest() const;
  static constexpr std::uint64_t kNoPin = ~0ULL;  // there is none

 private:
  mutable base::Mutex mutex_;
  std::multiset<std::uint64_t> pinned_;
};

struct State : std::enable_shared_from_this<State> {
  // In a fork's child the last holder leaves it as it lies: another of the parent's threads may have had any of the
  // locks that its end takes, and in the child nobody ever gives them back.
  static std::shared_ptr<State> make(std::shared_ptr<PinRegistry> pins, std::uint64_t edit_number);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  std::shared_ptr<PinRegistry> pins;
  const std::uint64_t edit_number;

  std::shared_ptr<Memtable> active;
  std::vector<std::shared_ptr<Memtable>> sealed;  // newest first
  std::vector<SortedRun> sorted_runs;             // newest first
  Version floor = 0;                              // everything in sorted_runs has a version <= floor
  std::uint64_t flushed_segment = 0;              // segments up to this one are in sorted_runs
  std::int64_t floor_time_micros = 0;             // every record above sorted_runs was committed at this time or later
  bool runs_have_erasures = false;

  // A new State with the same contents, to be changed before it is published.
  [[nodiscard]] std::shared_ptr<State> copy(std::uint64_t new_edit_number) const;
  void note_erasures();

 private:
  State(std::shared_ptr<PinRegistry> pins, std::uint64_t edit_number);
};

}  // namespace ingot::engine
