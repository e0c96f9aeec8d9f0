// Memtables become a sorted run: what a flush and a copy have in common.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/function_ref.h"
#include "engine/run_output.h"
#include "engine/state.h"

namespace ingot::engine {

// A counter was added to, and the runs could not be read for what it was.
class CounterUnreadable : public OutputFailed {
 public:
  CounterUnreadable(std::string sentence, std::string why_not)
      : OutputFailed(std::move(sentence)), why(std::move(why_not)) {}
  const std::string why;  // as the run says it
};

struct Flushed {
  std::vector<runs::RunSummary> files;  // in key order
  std::uint64_t bytes = 0;
};

// Writes into files of `file_bytes` what `memtables` (some of `state`'s, newest first) say up to `version`: one record
// a key, on top of state.sorted_runs, with the range erasures that these still need. An operand meets its base here,
// for runs hold whole values only. `go_on` is asked before each record; nothing: it said no. Throws OutputFailed.
std::optional<Flushed> flush_memtables(storage::Directory& directory, const State& state,
                                       const std::vector<std::shared_ptr<Memtable>>& memtables, Version version,
                                       std::uint64_t file_bytes, base::FunctionRef<bool(const runs::Record&)> go_on);

}  // namespace ingot::engine
