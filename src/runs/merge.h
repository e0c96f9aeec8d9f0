// Merges sorted sources of different age into one sequence.
#pragma once

#include <memory>
#include <vector>

#include "runs/record.h"

namespace ingot::runs {

// For each key the record of the newest source that has it: sources are given newest first. Range erasures are not
// applied. failed() if any source failed. The cost of a step is one comparison while one source keeps winning.
std::unique_ptr<Cursor> merge_cursors(std::vector<std::unique_ptr<Cursor>> newest_first);

}  // namespace ingot::runs
