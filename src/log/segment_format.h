// A segment of the shared log: a file `log/<number, 16 hexadecimal digits>`. Writer and reader share only this file,
// parity.h (what a parity entry holds) and walker.h (where the next entry may stand). Prose: docs/formats/log.md
//
// The header, in sector 0 and again in sector 1 (either will do):
//   offset  bytes
//        0      8  magic "INGOTSEG"
//        8      4  format           newer than we know: nothing is read or changed
//       12      4  zero
//       16     16  store id         a segment of another store is not ours
//       32      8  segment number   as in the name
//       40      8  segment bytes    a multiple of the sector
//       48      8  start sequence   number of the last entry before this segment: where the segment before it ends
//       56      8  start version    the newest version before this segment
//       64      8  start time       of the last entry before this segment
//       72     16  start link       identity of the last entry before this segment
//       88      8  XXH3-64 of all the above
//
// An entry, at a multiple of 16:
//        0      8  place            XXH3-64 of [8, 104), seeded with store id, segment number and offset
//        8      4  magic "IGTE"
//       12      2  format
//       14      1  kind             commit 1, edit 2, parity 3, seal 4
//       15      1  zero
//       16      8  payload bytes    at most kEntryPayloadBytesMax (parity: kParityPayloadBytesMax)
//       24      8  sequence         of commits and edits: one more than the last; of parity, seal: that of the last
//       32      8  base version
//       40      4  transaction count
//       44      4  zero
//       48      8  time, microseconds
//       56      8  durable mark     all entries up to this sequence were durable when this one was written
//       64     16  nonce
//       80     16  link             identity of the commit or edit before
//       96      8  home             number of the segment that it was first written to
//      104      …  payload
//        …     16  identity         XXH3-128 of [8, 104 + payload bytes)
//
// 1. An entry never changes once it was acknowledged. Its identity does not depend on its place, so that it can be
//    written again elsewhere; its place does, so that bytes of a recycled or misdirected sector are never an entry.
// 2. A segment ends where the header of the next one says that it starts, whatever stands behind that.
// 3. No sector that holds synced bytes is written again, but to heal it.
// 4. Damage at or below a durable mark is corruption and is never cut off.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/testing.h"
#include "log/log.h"

namespace ingot::log {

inline constexpr std::uint64_t kSectorBytes = 4096;
inline constexpr std::uint64_t kSegmentBytes = 16ULL << 20;
inline constexpr std::uint64_t kSegmentBytesMax = 128ULL << 20;  // the largest entry, its parity, and room to round up
inline constexpr std::uint64_t kSegmentBytesMin = 16 * kSectorBytes;
inline constexpr std::uint64_t kEntriesStart = 2 * kSectorBytes;
inline constexpr std::uint64_t kEntryAlignment = 16;
inline constexpr std::uint64_t kEntryHeaderBytes = 104;
inline constexpr std::uint64_t kEntryFrameBytes = kEntryHeaderBytes + 16;
inline constexpr std::uint64_t kSegmentHeaderBytes = 96;
inline constexpr std::uint64_t kParityPayloadBytesMax = 1ULL << 20;
inline constexpr std::uint64_t kSegmentMagic = 0x474553544f474e49ULL;  // "INGOTSEG"
inline constexpr std::uint32_t kEntryMagic = 0x45544749U;              // "IGTE"
inline constexpr std::uint32_t kSegmentFormat = 1;
inline constexpr std::uint16_t kEntryFormat = 1;

static_assert(kEntryPayloadBytesMax + kParityPayloadBytesMax + (1ULL << 20) < kSegmentBytesMax);

inline constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}
inline constexpr std::uint64_t sector_up(std::uint64_t offset) {
  return round_up(offset, kSectorBytes);
}
inline constexpr std::uint64_t sector_down(std::uint64_t offset) {
  return offset / kSectorBytes * kSectorBytes;
}
inline constexpr std::uint64_t entry_bytes(std::uint64_t payload_bytes) {
  return round_up(kEntryFrameBytes + payload_bytes, kEntryAlignment);
}

/// What the log is at some point: the last commit or edit before it.
struct Chain {
  std::uint64_t sequence = 0;
  Version version = 0;
  std::int64_t time_micros = 0;
  base::Hash128 link;
  friend bool operator==(const Chain&, const Chain&) = default;
};

struct SegmentHeader {
  base::Hash128 store_id;
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
  Chain start;
};

enum class HeaderCheck { good, bad, newer_format };

inline void encode_segment_header(const SegmentHeader& header, char* out) {
  base::store_little<std::uint64_t>(out, kSegmentMagic);
  base::store_little<std::uint32_t>(out + 8, kSegmentFormat);
  base::store_little<std::uint32_t>(out + 12, 0);
  base::store_hash(out + 16, header.store_id);
  base::store_little<std::uint64_t>(out + 32, header.number);
  base::store_little<std::uint64_t>(out + 40, header.bytes);
  base::store_little<std::uint64_t>(out + 48, header.start.sequence);
  base::store_little<std::uint64_t>(out + 56, header.start.version);
  base::store_little<std::uint64_t>(out + 64, static_cast<std::uint64_t>(header.start.time_micros));
  base::store_hash(out + 72, header.start.link);
  base::store_little<std::uint64_t>(out + 88, base::hash64({out, 88}));
}

/// `in` holds kSegmentHeaderBytes. What the hash covers is believed; what is used as a length is bounded besides.
inline HeaderCheck decode_segment_header(const char* in, SegmentHeader& header) {
  if (base::load_little<std::uint64_t>(in) != kSegmentMagic) return HeaderCheck::bad;
  if (base::load_little<std::uint64_t>(in + 88) != base::hash64({in, 88})) return HeaderCheck::bad;
  if (base::load_little<std::uint32_t>(in + 8) > kSegmentFormat) return HeaderCheck::newer_format;
  header.store_id = base::load_hash(in + 16);
  header.number = base::load_little<std::uint64_t>(in + 32);
  header.bytes = base::load_little<std::uint64_t>(in + 40);
  header.start.sequence = base::load_little<std::uint64_t>(in + 48);
  header.start.version = base::load_little<std::uint64_t>(in + 56);
  header.start.time_micros = static_cast<std::int64_t>(base::load_little<std::uint64_t>(in + 64));
  header.start.link = base::load_hash(in + 72);
  const bool bounded =
      header.bytes >= kSegmentBytesMin && header.bytes <= kSegmentBytesMax && header.bytes % kSectorBytes == 0;
  return bounded ? HeaderCheck::good : HeaderCheck::bad;
}

/// EntryKind and what only the log itself writes.
enum class RecordKind : std::uint8_t { commit = 1, edit = 2, parity = 3, seal = 4 };

struct EntryHeader {
  RecordKind kind = RecordKind::commit;
  std::uint64_t payload_bytes = 0;
  std::uint64_t sequence = 0;
  Version base_version = 0;
  std::uint32_t transaction_count = 0;
  std::int64_t time_micros = 0;
  std::uint64_t durable_mark = 0;
  base::Hash128 nonce;
  base::Hash128 link;
  std::uint64_t home = 0;
};

inline bool takes_sequence(RecordKind kind) {
  return kind == RecordKind::commit || kind == RecordKind::edit;
}

/// Where a segment's entries stand: what their `place` is seeded with.
class PlaceSeed {
 public:
  PlaceSeed() = default;
  PlaceSeed(const base::Hash128& store_id, std::uint64_t segment) {
    char bytes[24];
    base::store_hash(bytes, store_id);
    base::store_little(bytes + 16, segment);
    seed_ = base::hash64({bytes, sizeof bytes});
  }
  /// `entry` points at the entry that stands, or will stand, at `offset`.
  [[nodiscard]] std::uint64_t place(const char* entry, std::uint64_t offset) const {
    // A multiplication by an odd constant is a bijection: no two offsets of a segment have one seed.
    return base::hash64({entry + 8, kEntryHeaderBytes - 8}, seed_ ^ (offset * 0x9e3779b97f4a7c15ULL));
  }

 private:
  std::uint64_t seed_ = 0;
};

/// Writes the header at `out`, but for the place; the payload follows it.
inline void encode_entry_header(const EntryHeader& header, char* out) {
  base::store_little<std::uint32_t>(out + 8, kEntryMagic);
  base::store_little<std::uint16_t>(out + 12, kEntryFormat);
  out[14] = static_cast<char>(header.kind);
  out[15] = 0;
  base::store_little<std::uint64_t>(out + 16, header.payload_bytes);
  base::store_little<std::uint64_t>(out + 24, header.sequence);
  base::store_little<std::uint64_t>(out + 32, header.base_version);
  base::store_little<std::uint32_t>(out + 40, header.transaction_count);
  base::store_little<std::uint32_t>(out + 44, 0);
  base::store_little<std::uint64_t>(out + 48, static_cast<std::uint64_t>(header.time_micros));
  base::store_little<std::uint64_t>(out + 56, header.durable_mark);
  base::store_hash(out + 64, header.nonce);
  base::store_hash(out + 80, header.link);
  base::store_little<std::uint64_t>(out + 96, header.home);
}

/// Completes the entry whose header and payload stand at `entry`: identity, place, zeros up to the alignment.
/// Returns the identity.
inline base::Hash128 finish_entry(char* entry, std::uint64_t payload_bytes, const PlaceSeed& seed,
                                  std::uint64_t offset) {
  const base::Hash128 identity = base::hash128({entry + 8, kEntryHeaderBytes - 8 + payload_bytes});
  char* end = entry + kEntryHeaderBytes + payload_bytes;
  base::store_hash(end, identity);
  const std::uint64_t used = kEntryFrameBytes + payload_bytes;
  __builtin_memset(end + 16, 0, entry_bytes(payload_bytes) - used);
  base::store_little<std::uint64_t>(entry, seed.place(entry, offset));
  return identity;
}

/// Whether a header that stands at `offset` of the seed's segment is one; then its fields can be believed. `room`:
/// bytes from `offset` to the end of the segment; the whole entry lies within.
inline HeaderCheck decode_entry_header(const char* in, const PlaceSeed& seed, std::uint64_t offset, std::uint64_t room,
                                       EntryHeader& header) {
  if (base::load_little<std::uint32_t>(in + 8) != kEntryMagic) return HeaderCheck::bad;
  if (base::load_little<std::uint64_t>(in) != seed.place(in, offset)) return HeaderCheck::bad;
  if (base::load_little<std::uint16_t>(in + 12) > kEntryFormat) return HeaderCheck::newer_format;
  const auto kind = static_cast<std::uint8_t>(in[14]);
  if (kind < 1 || kind > 4) return HeaderCheck::bad;
  header.kind = static_cast<RecordKind>(kind);
  header.payload_bytes = base::load_little<std::uint64_t>(in + 16);
  header.sequence = base::load_little<std::uint64_t>(in + 24);
  header.base_version = base::load_little<std::uint64_t>(in + 32);
  header.transaction_count = base::load_little<std::uint32_t>(in + 40);
  header.time_micros = static_cast<std::int64_t>(base::load_little<std::uint64_t>(in + 48));
  header.durable_mark = base::load_little<std::uint64_t>(in + 56);
  header.nonce = base::load_hash(in + 64);
  header.link = base::load_hash(in + 80);
  header.home = base::load_little<std::uint64_t>(in + 96);
  const std::uint64_t limit = takes_sequence(header.kind) ? kEntryPayloadBytesMax : kParityPayloadBytesMax;
  if (header.payload_bytes > limit || entry_bytes(header.payload_bytes) > room) return HeaderCheck::bad;
  return HeaderCheck::good;
}

/// Whether the payload is what was written: compares the identity that stands behind it.
inline bool check_identity(const char* entry, std::uint64_t payload_bytes, base::Hash128& identity) {
  identity = base::load_hash(entry + kEntryHeaderBytes + payload_bytes);
  if (base::broken(base::Break::log_ignore_entry_hash)) return true;
  return identity == base::hash128({entry + 8, kEntryHeaderBytes - 8 + payload_bytes});
}

}  // namespace ingot::log
