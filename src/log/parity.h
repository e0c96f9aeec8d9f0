// Redundancy inside a group: what was written between two syncs. The parity entry that ends a group holds a checksum of
// each of its sectors, and XOR columns: column c is the XOR of the sectors c, c + columns, c + 2·columns, … So one
// damaged sector in each column can be rebuilt, and with it any `columns` adjacent ones. The checksums say which
// sectors are damaged, so healing tries nothing out.
//
// The payload of a parity entry:
//   offset  bytes
//        0      8  group start: an offset in the same segment, a multiple of the sector
//        8      8  group bytes: up to the end of its last entry; what follows in its last sector is not covered
//       16      4  columns
//       20      4  zero
//       24     4n  checksum of each of the n sectors: the low half of XXH3-64 of its covered bytes
//        …   0, 4  zero, to a multiple of 8
//        …         the columns, of kSectorBytes each; of a group of one sector: its covered bytes
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "log/segment_format.h"

namespace ingot::log {

inline constexpr std::uint32_t kParityColumnsMax = 32;

inline constexpr std::uint64_t sector_count(std::uint64_t bytes) {
  return (bytes + kSectorBytes - 1) / kSectorBytes;
}

/// Part of the format: a reader computes where the next group starts even if the parity entry is damaged.
/// Small groups carry relatively more: 1 column for 32 KiB, 2 for 128 KiB, 4 up to 4 MiB (0.4 % there), then 0.4 %.
inline constexpr std::uint32_t parity_columns(std::uint64_t group_bytes) {
  const std::uint64_t sectors = sector_count(group_bytes);
  if (sectors <= 8) return 1;
  if (sectors <= 32) return 2;
  if (sectors <= 1024) return 4;
  return sectors / 256 < kParityColumnsMax ? static_cast<std::uint32_t>(sectors / 256) : kParityColumnsMax;
}

inline constexpr std::uint64_t parity_column_bytes(std::uint64_t group_bytes) {
  return group_bytes < kSectorBytes ? group_bytes : kSectorBytes;
}

inline constexpr std::uint64_t parity_payload_bytes(std::uint64_t group_bytes) {
  return 24 + round_up(4 * sector_count(group_bytes), 8) +
         parity_columns(group_bytes) * parity_column_bytes(group_bytes);
}

/// Bytes from the start of a group that holds `group_bytes` to the start of the next one.
inline constexpr std::uint64_t group_extent(std::uint64_t group_bytes) {
  return sector_up(group_bytes) + sector_up(entry_bytes(parity_payload_bytes(group_bytes)));
}

static_assert(parity_payload_bytes(kSegmentBytesMax) <= kParityPayloadBytesMax);

/// What a parity payload says of its group.
struct Parity {
  std::uint64_t group_start = 0;
  std::uint64_t group_bytes = 0;
  std::string_view checksums;
  std::string_view columns;
};

/// Writes parity_payload_bytes(group.size()) bytes for the group that starts at `group_start`.
void encode_parity(std::uint64_t group_start, std::string_view group, char* out);

/// Reads a payload that stands at `offset`: false if it can't be one. Nothing in it is believed but its hash.
bool decode_parity(std::string_view payload, std::uint64_t offset, Parity& parity);

/// What a look at a group with its parity came to.
struct Rebuilt {
  bool whole = false;                  // the group is what was written, now
  std::vector<std::uint64_t> sectors;  // indexes of those that were rebuilt
};

/// Rebuilds the damaged sectors of `group` (parity.group_bytes bytes) in place.
Rebuilt rebuild_group(const Parity& parity, char* group);

}  // namespace ingot::log
