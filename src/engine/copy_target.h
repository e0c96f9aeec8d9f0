// Where a copy of a store goes: a directory (directory_target.h), or a bucket (bucket_target.h). It knows what is
// there, how run files come there, and what makes a store of them; nothing of where they come from. One thread at a
// time.
//
// 1. From take() to finish() the place is marked, and is no store: whoever opens it is told so. Killed anywhere
//    between, or failed, the next copy takes the same place again, with the runs that are there.
// 2. Runs have the names that they have in the source, which are random and never used again; so a run of that name,
//    once has() has looked at it, is that run.
#pragma once

#include <string_view>
#include <vector>

#include "engine/checkpoint.h"
#include "engine/store_header.h"
#include "runs/run.h"
#include "storage/directory.h"

namespace ingot::engine {

class CopyTarget {
 public:
  virtual ~CopyTarget() = default;

  // Takes an empty place, or what an interrupted copy left; of anything else nothing is changed. Throws Error:
  // invalid_argument (it holds something else, or is the source itself), unavailable.
  virtual void take(const StoreHeader& source) = 0;

  // Where run files are made: "runs/<name>". A file that is synced there, with its name, is whole.
  [[nodiscard]] virtual storage::Directory& files() = 0;
  // Whether it waits for a network, so that several files should be made at once.
  [[nodiscard]] virtual bool is_remote() const = 0;

  // Whether an earlier copy left this run, every byte of it. If it did not, there is nothing of that name afterwards.
  virtual bool has(const runs::RunSummary& run) = 0;

  // Runs that are there and not among `names`, sorted, won't be needed: they go now, or when it is finished. Before the
  // first has().
  virtual void drop_others(const std::vector<std::string_view>& names) = 0;

  // Whatever waits for a network, here or on files(), ends soon, with an error. It is of no use afterwards. Any thread.
  virtual void stop() = 0;

  // Brings all that makes it a store of the runs that the checkpoint names, but for the last. Throws Error.
  virtual void prepare(const Checkpoint& checkpoint) = 0;
  // The last: it is a store, durably. Throws Error.
  virtual void finish() = 0;
};

}  // namespace ingot::engine
