// Processes that write to one store at the same time, each with some threads that commit one small transaction after
// the other: a put of a record of bench/data.h that nobody has written before. What was acknowledged is counted in
// memory that outlives them, so they may be killed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../histogram.h"
#include "ingot/ingot.h"

namespace bench {

inline constexpr unsigned kCrewProcessesMax = 16;
inline constexpr unsigned kCrewThreadsMax = 64;

struct CrewPlan {
  std::string where;
  unsigned processes = 1;
  unsigned threads = 1;  // of each
  double warmup_seconds = 1;
  double seconds = 10;
  bool is_killed = false;  // at the end, by SIGKILL, in the middle of their work
};

struct CrewResult {
  double seconds = 0;
  Histogram latency;                   // of what ended while it was measured; of all that ended if they were killed
  std::vector<std::uint64_t> commits;  // of each process, while it was measured
  std::uint64_t groups = 0;            // entries of the log that carried them
  ingot::BucketStats requests;         // of all of them together, while it was measured
  std::vector<std::uint64_t> acknowledged;  // by lane (process * threads + thread), in all

  [[nodiscard]] std::uint64_t total() const;
};

// Throws std::runtime_error if one of them failed.
CrewResult run_crew(const CrewPlan& plan);

// Reads all of the store, and throws std::runtime_error unless everything acknowledged is there and whole, and nothing
// else but at most one more of each lane, which was under way when it was killed. Returns how many records there are.
std::uint64_t verify_crew(const ingot::Store& store, const std::vector<std::uint64_t>& acknowledged);

}  // namespace bench
