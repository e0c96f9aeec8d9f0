#include "runs/run_parity.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/testing.h"

namespace ingot::runs {

namespace {

std::uint32_t sector_checksum(std::string_view sector) {
  return static_cast<std::uint32_t>(base::hash64(sector));
}

void exclusive_or(char* into, const char* from) {
  for (std::size_t i = 0; i < kSectorBytes; i += 8) {
    base::store_little(into + i,
                       base::load_little<std::uint64_t>(into + i) ^ base::load_little<std::uint64_t>(from + i));
  }
}

std::uint64_t checksum_sectors(std::uint64_t sectors) {
  return (sectors + kChecksumsPerSector - 1) / kChecksumsPerSector;
}

}  // namespace

void ParityBuilder::add(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t part = std::min(bytes.size(), kSectorBytes - sector_.size());
    sector_.append(bytes.substr(0, part));
    bytes.remove_prefix(part);
    if (sector_.size() == kSectorBytes) end_sector();
  }
}

void ParityBuilder::end_sector() {
  checksums_.push_back(sector_checksum(sector_));
  const std::size_t group = chunk_sectors_ % kParitySectors;
  if (chunk_parity_.size() <= group * kSectorBytes) chunk_parity_.resize((group + 1) * kSectorBytes);
  if (!base::broken(base::Break::run_stale_parity))
    exclusive_or(chunk_parity_.data() + group * kSectorBytes, sector_.data());
  sector_.clear();
  if (++chunk_sectors_ == kChunkSectors) {
    parity_.append(chunk_parity_);
    chunk_parity_.clear();
    chunk_sectors_ = 0;
  }
}

std::string ParityBuilder::finish() {
  assert(sector_.empty());
  std::string out;
  for (std::size_t first = 0; first < checksums_.size(); first += kChecksumsPerSector) {
    const std::size_t begin = out.size();
    for (std::size_t i = first; i < std::min(first + kChecksumsPerSector, checksums_.size()); ++i)
      base::append_little(out, checksums_[i]);
    out.resize(begin + kSectorBytes - 8);
    base::append_little(out, base::hash64(std::string_view(out).substr(begin)));
  }
  return out.append(parity_).append(chunk_parity_);
}

std::uint64_t parity_bytes(std::uint64_t covered_bytes) {
  const std::uint64_t sectors = covered_bytes / kSectorBytes;
  const std::uint64_t rest = sectors % kChunkSectors;
  return (checksum_sectors(sectors) + sectors / kChunkSectors * kParitySectors +
          std::min<std::uint64_t>(rest, kParitySectors)) *
         kSectorBytes;
}

bool fits(const IndexPlace& place, std::uint64_t file_bytes) {
  const std::uint64_t covered = place.covered_bytes;
  return covered % kSectorBytes == 0 && covered <= file_bytes &&
         covered + parity_bytes(covered) + 2 * kSectorBytes == file_bytes && place.begin <= place.meta.offset &&
         place.meta.offset <= covered && place.meta.stored_bytes <= covered - place.meta.offset;
}

bool ParityReader::read_sector(std::uint64_t sector, char* out) {
  std::size_t got = 0;
  const storage::IoError error = file_.read_at(sector * kSectorBytes, {out, kSectorBytes}, got);
  if (error) error_ = error;
  return !error && got == kSectorBytes;
}

bool ParityReader::checksum_of(std::uint64_t sector, std::uint32_t& checksum) {
  const std::uint64_t which = sector / kChecksumsPerSector;
  if (which != loaded_checksums_) {
    loaded_checksums_ = which;
    loaded_good_ =
        read_sector(covered_bytes_ / kSectorBytes + which, checksums_) &&
        base::hash64({checksums_, kSectorBytes - 8}) == base::load_little<std::uint64_t>(checksums_ + kSectorBytes - 8);
  }
  if (!loaded_good_) return false;
  checksum = base::load_little<std::uint32_t>(checksums_ + sector % kChecksumsPerSector * 4);
  return true;
}

bool ParityReader::rebuild(std::uint64_t sector, char* out) {
  const std::uint64_t sectors = covered_bytes_ / kSectorBytes;
  const std::uint64_t chunk = sector / kChunkSectors;
  const std::uint64_t group = sector % kChunkSectors % kParitySectors;
  if (!read_sector(sectors + checksum_sectors(sectors) + chunk * kParitySectors + group, out)) return false;
  char other[kSectorBytes];
  for (std::uint64_t i = chunk * kChunkSectors + group; i < std::min((chunk + 1) * kChunkSectors, sectors);
       i += kParitySectors) {
    if (i == sector) continue;
    if (!read_sector(i, other)) return false;
    exclusive_or(out, other);
  }
  return true;
}

bool ParityReader::read(std::uint64_t offset, std::size_t bytes, std::string& out, std::vector<std::uint64_t>& healed,
                        std::vector<std::uint64_t>& lost) {
  if (bytes == 0 || offset + bytes > covered_bytes_) return false;
  const std::uint64_t first = offset / kSectorBytes;
  const std::uint64_t last = (offset + bytes - 1) / kSectorBytes;
  std::string sectors((last - first + 1) * kSectorBytes, '\0');
  std::size_t got = 0;
  const storage::IoError error = file_.read_at(first * kSectorBytes, sectors, got);
  if (error && error.code() != EIO) {  // nor would the sectors come one by one
    error_ = error;
    for (std::uint64_t sector = first; sector <= last; ++sector) lost.push_back(sector * kSectorBytes);
    out.assign(bytes, '\0');
    return false;
  }
  const bool at_once = !error && got == sectors.size();
  bool known = true;
  for (std::uint64_t sector = first; sector <= last; ++sector) {
    char* at = sectors.data() + (sector - first) * kSectorBytes;
    bool readable = at_once || read_sector(sector, at);
    std::uint32_t checksum = 0;
    const bool has_checksum = checksum_of(sector, checksum);
    const auto is_right = [&] { return readable && has_checksum && sector_checksum({at, kSectorBytes}) == checksum; };
    if (is_right()) continue;
    if (readable && file_.distrust(sector * kSectorBytes, kSectorBytes)) readable = read_sector(sector, at);
    if (is_right()) continue;
    if (readable && !has_checksum) {
      known = false;  // the checksum sector is damaged too: nobody can tell
      continue;
    }
    char rebuilt[kSectorBytes];
    // Without a checksum the block's own decides whether this was right.
    if (rebuild(sector, rebuilt) && (!has_checksum || sector_checksum({rebuilt, kSectorBytes}) == checksum)) {
      std::memcpy(at, rebuilt, kSectorBytes);
      healed.push_back(sector * kSectorBytes);
    } else {
      lost.push_back(sector * kSectorBytes);
      known = false;
    }
  }
  out.assign(sectors, offset - first * kSectorBytes, bytes);
  return known;
}

}  // namespace ingot::runs
