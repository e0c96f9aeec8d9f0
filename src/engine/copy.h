// An online copy of a store: all run files of one State, byte for byte and under their names, and one more sorted run
// of what its memtables say; under a checkpoint that begins a log of its own.
//
// A copy that was interrupted goes on where it was: what the new State's runs have in common with the old one's is
// there.
#pragma once

#include <cstdint>

#include "base/function_ref.h"
#include "engine/copy_target.h"
#include "engine/engine.h"

namespace ingot::engine {

struct CopyFigures {
  std::uint64_t done = 0;   // bytes that are there
  std::uint64_t total = 0;  // of all; memtables are estimated
  std::uint64_t found = 0;  // of `done`: what an interrupted copy had left
};

// Copies what the engine holds now. An exception from `progress` ends it. If the files of the snapshot are removed
// under it (a handle that pins nothing), it goes on with a newer snapshot. Throws Error.
void copy_store(Engine& engine, CopyTarget& target, base::FunctionRef<void(const CopyFigures&)> progress);

}  // namespace ingot::engine
