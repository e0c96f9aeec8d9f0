// The rows of the benchmark. docs/benchmarks.md says what each one means.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "measure.h"
#include "stage.h"

namespace bench {

enum class Unit { operations, records, scans, milliseconds };

struct Workload {
  std::string name;     // as given to --workloads
  std::string summary;  // for the table
  Durability durability = Durability::process;
  std::uint64_t threads = 1;
  Unit unit = Unit::operations;
  bool deterministic = false;  // all engines must report the same checksum
  // Runs it; null: the team does it, with several processes (open-clean, open-killed).
  Measured (*run)(Stage& stage, const Workload& workload) = nullptr;
};

const std::vector<Workload>& workloads();

// The store of all reads and mixed workloads.
inline constexpr const char* kMainStore = "main";

}  // namespace bench
