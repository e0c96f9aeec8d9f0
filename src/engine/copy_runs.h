// Copies run files, byte for byte, several at once where each waits for a network.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/function_ref.h"
#include "runs/run.h"
#include "storage/directory.h"

namespace ingot::engine {

struct CopiedRun {
  runs::Passed passed = runs::Passed::stopped;  // all: it is there, durably with its name
  storage::IoError error;                       // of the target, else
};

// Copies `sources` to `target`, in their order, `at_once` of them at a time, until one fails. What is begun and not
// finished stays as it is: that a later attempt finds it of no use is safer than a removal, which in a bucket may be
// carried out when that one has finished it.
//   tell, stop  as WatchedWork has them (watched_work.h)
//   returns     what became of each
std::vector<CopiedRun> copy_runs(const std::vector<std::shared_ptr<runs::Run>>& sources, storage::Directory& target,
                                 std::size_t at_once, base::FunctionRef<void(std::uint64_t bytes)> tell,
                                 base::FunctionRef<void()> stop);

}  // namespace ingot::engine
