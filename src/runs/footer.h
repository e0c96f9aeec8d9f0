// The footers of a run file (drawn in run_format.h): two sectors at its end, which are the same. For who has no summary
// of it that says where its index lies; and check() compares them with what they must be.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runs/run_format.h"

namespace ingot::runs {

// One sector. `blocks`: data blocks of the run.
std::string make_footer(const IndexPlace& place, std::uint64_t blocks, std::uint64_t name_hash);

enum class FooterRead : std::uint8_t {
  good,
  damaged,
  newer,  // only its format is known
};

// `sector`: either of the last two of a file of `file_bytes`.
FooterRead decode_footer(std::string_view sector, std::uint64_t name_hash, std::uint64_t file_bytes, IndexPlace& place);

}  // namespace ingot::runs
