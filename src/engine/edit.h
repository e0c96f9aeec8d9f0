// An edit: a change of the set of runs, carried by the log like everything that is true. All processes apply the same
// edits in the same order. Payload of an edit entry:
//
//   byte    kEditFormat
//   varint  number            this edit; the one before, plus one
//   varint  flushed segment   0: the edit flushes nothing; else all segments up to it are in runs now
//   u64     floor             newest version in the runs, after it
//   u64     floor time        every record above the runs was committed at this µs or later
//   varint  count, then ids   of the sorted runs that it removes: neighbours in the order of age
//   varint  id                of the sorted run that takes their place (a flush: before all others)
//   varint  count, then run summaries (runs/summary.h), in key order; none: nothing takes their place
//   anything after that belongs to a later format, and is ignored
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runs/run.h"

namespace ingot::engine {

struct Edit {
  std::uint64_t number = 0;
  std::uint64_t flushed_segment = 0;
  std::uint64_t floor = 0;
  std::int64_t floor_time_micros = 0;
  std::vector<std::uint64_t> removed;
  std::uint64_t added_id = 0;
  std::vector<runs::RunSummary> added;
};

std::string encode_edit(const Edit& edit);
// Nothing: the bytes are not an edit.
std::optional<Edit> decode_edit(std::string_view payload);
// Whether they are one of a later format.
bool is_newer_edit(std::string_view payload);

}  // namespace ingot::engine
