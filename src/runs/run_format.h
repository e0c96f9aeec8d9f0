// The bytes of a run file. Writer and reader share only this file and block.h. Prose: docs/formats/run.md.
//
//   offset  bytes
//        0      8  magic "INGOTRUN"
//        8      4  format
//       12      4  zero
//       16      …  data blocks
//        …      …  the index region: partition blocks, one for each kPartitionBlocks data blocks (or the last of them)
//        …      …      and the meta block
//        …      …  zeros to a multiple of 4096: here ends what parity covers
//        …      …  checksum sectors, then parity sectors (run_parity.h)
//        …   4096  footer
//        …   4096  the footer once more: the file's last sector
//
//   a stored block:  1 compression | bytes | u64 checksum of all before it, seeded with the run's name and its offset
//   a handle:        u64 offset | u32 stored bytes (all three parts) | u32 bytes once decompressed
//
//   the footer:      magic "INGOTEND" | u32 format | u32 zero | handle of the meta block | u64 covered bytes | u64
//   blocks
//                    | u64 checksum of all before it, seeded with the run's name
//
//   the meta block (varints, little-endian):
//     varint partitions; each: sized last key | handle | varint number of its data blocks
//     varint range erasures; each: sized begin | sized end (empty: to the last key) | u64 version; sorted, disjoint
//
//   a partition block: u32 bytes of the index | index (block.h; a key is the last of a data block, its value the
//   handle)
//                    | filter lines of 64 bytes (filter.h) at the end, aligned to 64 from the start
//
// 1. A block is found only by a handle whose checksum covers its place: misdirected writes are damage. So a reader
//    depends on no order of blocks. (A writer keeps kHeldBytesMax of partition blocks in memory at most: of a larger
//    run, earlier ones stand between data blocks. The first releases had each behind its data blocks.)
// 2. Any one damaged sector of a parity group is rebuilt; either footer is enough.
// 3. Who has the run's summary (summary.h) opens it with one read, of the index region, and needs no footer.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/hash.h"

namespace ingot::runs {

inline constexpr std::string_view kRunMagic = "INGOTRUN";
inline constexpr std::string_view kFooterMagic = "INGOTEND";
inline constexpr std::uint32_t kRunFormat = 1;
inline constexpr std::uint64_t kFirstBlockOffset = 16;
inline constexpr std::size_t kSectorBytes = 4096;
inline constexpr std::size_t kFooterBytes = 56;

inline constexpr std::size_t kBlockTargetBytes = 8 * 1024;
inline constexpr std::size_t kPartitionBlocks = 128;
// The largest value in a block of its own, with its key, and room for the frame.
inline constexpr std::uint32_t kBlockBytesMax = (8U << 20) + (1U << 20);
inline constexpr std::size_t kBlockFrameBytes = 9;  // compression and checksum
inline constexpr std::uint32_t kMetaBytesMax = 1U << 30;
// What a run of 600 MiB has.
inline constexpr std::size_t kHeldBytesMax = 16U << 20;

inline constexpr std::size_t kHandleBytes = 16;
struct Handle {
  std::uint64_t offset = 0;
  std::uint32_t stored_bytes = 0;
  std::uint32_t raw_bytes = 0;
};

// Where a run's index lies: what its footers say, and its summary.
struct IndexPlace {
  std::uint32_t format = kRunFormat;  // of the file
  std::uint64_t begin = 0;            // of the index region; 0: not known (from a footer)
  Handle meta;                        // its end
  std::uint64_t covered_bytes = 0;
};

inline void store_handle(char* to, const Handle& handle) {
  base::store_little(to, handle.offset);
  base::store_little(to + 8, handle.stored_bytes);
  base::store_little(to + 12, handle.raw_bytes);
}
inline Handle load_handle(const char* from) {
  return {base::load_little<std::uint64_t>(from), base::load_little<std::uint32_t>(from + 8),
          base::load_little<std::uint32_t>(from + 12)};
}

// The checksum of a stored block without its last eight bytes.
inline std::uint64_t block_checksum(std::string_view bytes, std::uint64_t name_hash, std::uint64_t offset) {
  return base::hash64(bytes, name_hash ^ (offset * 0x9e3779b97f4a7c15ULL));
}

}  // namespace ingot::runs
