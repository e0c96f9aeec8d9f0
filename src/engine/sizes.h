// The sizes by which an engine cuts its work. They are as they are in the shipped library; tests and the simulator make
// them small, so that little data meets everything that much data would. All processes of a store use the same.
#pragma once

#include <chrono>
#include <cstdint>

#include "log/segment_format.h"

namespace ingot::engine {

struct Sizes {
  std::uint64_t segment_bytes = log::kSegmentBytes;  // a segment of the log; what a flush makes, at the most
  std::uint64_t run_file_bytes = 64ULL << 20;        // the output of a merge is cut into files of this size
  std::uint64_t resting_memtable_bytes = 1ULL
                                         << 20;  // less is not worth a run of its own when nothing else asks for one
  std::chrono::seconds grace = std::chrono::hours(24);  // of a store that is made in a bucket
  std::uint64_t memory_bytes_min = 64ULL << 20;  // two memtables, the next one, and a cache that is worth its name
};

// In a bucket the log is read object by object, and whoever opens the store reads all that is not flushed.
inline Sizes bucket_sizes() {
  Sizes sizes;
  sizes.segment_bytes = 4ULL << 20;
  return sizes;
}

}  // namespace ingot::engine
