// A run's summary as edits and checkpoints carry it:
//
//   byte format | sized name | varints: file bytes, records, erased, range erasures, data bytes, least version,
//   greatest version | u64 least expiry | u64 greatest expiry | sized smallest | sized largest
//   format 2: | u32 format of the run | varint begin of the index region | handle of the meta block
//             | varint covered bytes
//   | varint count of extensions (0 in these formats; each sized bytes: bounds of a partial reference, for clones)
//
// Format 1 is what the first releases wrote, and what is written again of a summary that was read so. A release that
// adds a format raises the formats of edits and checkpoints, too, for that is how an older one tells it from damage.
#pragma once

#include <string>

#include "base/bytes.h"
#include "runs/run.h"

namespace ingot::runs {

// The names of run files: what we make, or nothing, for they become paths.
inline constexpr std::size_t kRunNameBytes = 32;
inline bool is_run_name(std::string_view name) {
  return name.size() == kRunNameBytes && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

void append_summary(std::string& out, const RunSummary& summary);
// False: the bytes are not a summary, or of a format that this release does not know.
[[nodiscard]] bool take_summary(base::ByteReader& reader, RunSummary& summary);

}  // namespace ingot::runs
