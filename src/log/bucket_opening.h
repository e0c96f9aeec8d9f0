// Opening a store in a bucket, the two round trips of it, without knowing what a store's header or a checkpoint say:
//
//   1. the names under checkpoints/  ‖  the object `store`
//   2. the newest checkpoint  ‖  the newest tail  ‖  is there a boundary after the one the names know of  ‖  the 16
//   slots
//      behind the tail (or where the checkpoint's replay starts)
//
// A checkpoint or a tail may go between the two, and a boundary may come that says so: then all is asked again.
// What it returns is raw: the engine decodes store and checkpoint, and hands the rest to open_bucket_log.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "log/boundary.h"
#include "log/bucket_clock.h"
#include "log/bucket_format.h"
#include "storage/bucket.h"
#include "storage/request_pool.h"

namespace ingot::log {

inline constexpr std::uint64_t kOpeningSlots = 16;

struct BucketOpening {
  enum class Outcome : std::uint8_t {
    opened,
    no_store,     // the object `store` is absent. `objects` says whether there is anything else
    unavailable,  // the deadline passed; why
    corrupt,      // a boundary can't be read; why
  };
  Outcome outcome = Outcome::unavailable;
  std::string why;
  bool is_refused = false;  // unavailable: and asking again won't help

  std::string store;                         // its bytes
  std::uint64_t objects = 0;                 // names under checkpoints/
  std::optional<CheckpointName> checkpoint;  // the newest; nothing: none was ever made, the replay starts at slot 1
  std::string checkpoint_key;
  std::string checkpoint_bytes;

  // For open_bucket_log:
  struct Slot {
    std::uint64_t slot = 0;
    storage::Got got;
    base::Instant answered{};
  };
  std::optional<Confirmation> confirmation;
  std::optional<Boundary> boundary;  // if one was read
  std::string tail;                  // the newest tail object; empty: none
  std::vector<std::string> tails;    // keys of all
  std::vector<Slot> slots;           // behind the tail, or from the replay's start on
  base::Instant asked{};             // before any of them was
  std::vector<DateSample> dates;
};

/// See the head of this file.
///   unreadable  keys of checkpoints that could not be decoded: the newest other one is taken
///   threads     blocks; uses the pool
BucketOpening open_bucket(storage::Bucket& bucket, storage::RequestPool& pool, const std::set<std::string>& unreadable,
                          base::Instant deadline);

}  // namespace ingot::log
