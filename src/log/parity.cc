// See parity.h.
#include "log/parity.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace ingot::log {
namespace {

std::uint32_t sector_checksum(const char* sector, std::uint64_t bytes) {
  return static_cast<std::uint32_t>(base::hash64({sector, static_cast<std::size_t>(bytes)}));
}

void xor_into(char* target, const char* source, std::uint64_t bytes) {
  std::uint64_t index = 0;
  for (; index + 8 <= bytes; index += 8) {  // the compiler makes vectors of it
    std::uint64_t left;
    std::uint64_t right;
    std::memcpy(&left, target + index, 8);
    std::memcpy(&right, source + index, 8);
    left ^= right;
    std::memcpy(target + index, &left, 8);
  }
  for (; index < bytes; ++index) target[index] = static_cast<char>(target[index] ^ source[index]);
}

std::uint64_t covered_bytes(std::uint64_t group_bytes, std::uint64_t sector) {
  return std::min(kSectorBytes, group_bytes - sector * kSectorBytes);
}

}  // namespace

void encode_parity(std::uint64_t group_start, std::string_view group, char* out) {
  assert(!group.empty());
  const std::uint64_t sectors = sector_count(group.size());
  const std::uint32_t columns = parity_columns(group.size());
  const std::uint64_t column_bytes = parity_column_bytes(group.size());
  base::store_little<std::uint64_t>(out, group_start);
  base::store_little<std::uint64_t>(out + 8, group.size());
  base::store_little<std::uint32_t>(out + 16, columns);
  base::store_little<std::uint32_t>(out + 20, 0);
  char* checksums = out + 24;
  char* column = checksums + round_up(4 * sectors, 8);
  std::memset(checksums, 0, static_cast<std::size_t>(column - checksums));
  std::memset(column, 0, columns * column_bytes);
  for (std::uint64_t sector = 0; sector < sectors; ++sector) {
    const char* bytes = group.data() + sector * kSectorBytes;
    const std::uint64_t covered = covered_bytes(group.size(), sector);
    base::store_little<std::uint32_t>(checksums + 4 * sector, sector_checksum(bytes, covered));
    xor_into(column + (sector % columns) * column_bytes, bytes, covered);
  }
}

bool decode_parity(std::string_view payload, std::uint64_t offset, Parity& parity) {
  if (payload.size() < 24) return false;
  parity.group_start = base::load_little<std::uint64_t>(payload.data());
  parity.group_bytes = base::load_little<std::uint64_t>(payload.data() + 8);
  if (parity.group_start < kEntriesStart || parity.group_start % kSectorBytes != 0 || parity.group_start >= offset ||
      parity.group_bytes == 0 || parity.group_bytes > offset - parity.group_start) {
    return false;
  }
  if (base::load_little<std::uint32_t>(payload.data() + 16) != parity_columns(parity.group_bytes) ||
      payload.size() != parity_payload_bytes(parity.group_bytes)) {
    return false;
  }
  const std::uint64_t sectors = sector_count(parity.group_bytes);
  parity.checksums = payload.substr(24, 4 * sectors);
  parity.columns = payload.substr(24 + round_up(4 * sectors, 8));
  return true;
}

Rebuilt rebuild_group(const Parity& parity, char* group) {
  const std::uint64_t sectors = sector_count(parity.group_bytes);
  const std::uint32_t columns = parity_columns(parity.group_bytes);
  const std::uint64_t column_bytes = parity_column_bytes(parity.group_bytes);
  const auto matches = [&](std::uint64_t sector) {
    return sector_checksum(group + sector * kSectorBytes, covered_bytes(parity.group_bytes, sector)) ==
           base::load_little<std::uint32_t>(parity.checksums.data() + 4 * sector);
  };
  Rebuilt rebuilt;
  std::vector<std::uint64_t> bad_of_column(columns, sectors);
  for (std::uint64_t sector = 0; sector < sectors; ++sector) {
    if (matches(sector)) continue;
    std::uint64_t& bad = bad_of_column[sector % columns];
    if (bad != sectors) return rebuilt;  // two in one column: more than this redundancy can heal
    bad = sector;
  }
  std::vector<char> column(column_bytes);
  for (std::uint32_t index = 0; index < columns; ++index) {
    const std::uint64_t bad = bad_of_column[index];
    if (bad == sectors) continue;
    std::memcpy(column.data(), parity.columns.data() + index * column_bytes, column_bytes);
    for (std::uint64_t sector = index; sector < sectors; sector += columns) {
      if (sector != bad)
        xor_into(column.data(), group + sector * kSectorBytes, covered_bytes(parity.group_bytes, sector));
    }
    std::memcpy(group + bad * kSectorBytes, column.data(), covered_bytes(parity.group_bytes, bad));
    if (!matches(bad)) return rebuilt;
    rebuilt.sectors.push_back(bad);
  }
  rebuilt.whole = true;
  return rebuilt;
}

}  // namespace ingot::log
