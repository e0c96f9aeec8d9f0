// What heals a run: behind the covered part of a file, a checksum of each of its sectors, and parity.
//
// The covered part is cut into chunks of kChunkSectors sectors; sector i of a chunk belongs to the chunk's parity
// sector i % kParitySectors, which is the XOR of all of them. So neighbours belong to different groups, and a burst of
// kParitySectors damaged sectors heals. Overhead: 8 of 256, 3.1 %, and 0.1 % for the checksums.
//
//   checksum sectors: 1022 u32 checksums (low half of the sector's hash), then the u64 hash of them, for all covered
//   sectors parity sectors:   of the first chunk, of the second, …; a chunk of n < kParitySectors sectors has n
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ranges.h"
#include "runs/run_format.h"
#include "storage/directory.h"

namespace ingot::runs {

inline constexpr std::size_t kChunkSectors = 256;
inline constexpr std::size_t kParitySectors = 8;
inline constexpr std::size_t kChecksumsPerSector = (kSectorBytes - 8) / 4;

// Sees all bytes of the covered part as they are written, in order.
class ParityBuilder {
 public:
  void add(std::string_view bytes);
  // Bytes added must be a multiple of the sector. The checksum and parity sectors.
  std::string finish();

 private:
  void end_sector();
  std::string sector_;        // under way
  std::string chunk_parity_;  // of the chunk under way
  std::size_t chunk_sectors_ = 0;
  std::vector<std::uint32_t> checksums_;
  std::string parity_;
};

std::uint64_t parity_bytes(std::uint64_t covered_bytes);

// Whether a file of so many bytes can have its index there.
bool fits(const IndexPlace& place, std::uint64_t file_bytes);

// These sectors, for people.
inline std::string sectors_text(const std::vector<std::uint64_t>& offsets) {
  return base::ranges_text(offsets, kSectorBytes);
}

// Rebuilds damaged sectors of a run file.
class ParityReader {
 public:
  ParityReader(storage::File& file, std::uint64_t covered_bytes) : file_(file), covered_bytes_(covered_bytes) {}
  // Reads [offset, offset + bytes) of the covered part with every damaged sector rebuilt. The offsets of these are
  // added to `healed`, of those that could not be to `lost`. False if it can't be said which are damaged, or some are
  // lost.
  bool read(std::uint64_t offset, std::size_t bytes, std::string& out, std::vector<std::uint64_t>& healed,
            std::vector<std::uint64_t>& lost);
  // Of the device, if it did not let a sector be read: then what is lost now may be there another time.
  [[nodiscard]] storage::IoError error() const { return error_; }

 private:
  bool read_sector(std::uint64_t sector, char* out);
  bool checksum_of(std::uint64_t sector, std::uint32_t& checksum);
  bool rebuild(std::uint64_t sector, char* out);
  storage::File& file_;
  std::uint64_t covered_bytes_;
  storage::IoError error_;
  std::uint64_t loaded_checksums_ = ~0ULL;
  bool loaded_good_ = false;
  char checksums_[kSectorBytes] = {};
};

}  // namespace ingot::runs
