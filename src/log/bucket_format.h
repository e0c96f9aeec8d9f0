// What the log puts into a bucket, byte by byte, and how its objects are named. All numbers are little-endian, all
// hashes XXH3-128 (16 bytes, low half first). An object is put whole, once, and never changed.
//
// log/<slot>, slot as 16 hex digits, from 1: an entry
//   offset  bytes
//        0      8  magic "INGOTSLT"
//        8      4  format            newer than we know: newer_format
//       12      1  kind              1 commit, 2 edit, 3 nothing: it only settles its slot
//       13      1  flags             bit 0: the payload is an object of its own
//       14      2  zero
//       16      8  slot              as in its name
//       24      8  segment           the slot of its segment's first entry
//       32      8  base version      of its first transaction; without transactions: the newest version before it, plus
//       1 40      4  transactions      commit: at least 1; else 0 44      4  zero 48      8  time microseconds since
//       1970, never less than an earlier entry's 56     16  nonce             from the kernel, for this attempt to
//       append 72     16  link              identity of the entry before it (Start::link for the first) 88     16
//       session           of the handle that appended it
//      104      8  sequence          counts that session's attempts
//      112      8  replay from       the highest start of a checkpoint that the writer knew to be durable
//      120      8  payload bytes     at most kEntryPayloadBytesMax
//      128         the payload; or if it is an object: 32 its name (bulk/<name>), 16 hash of the payload
//        …     16  identity          hash of (the store's id, then the hash of everything before)
//
// bulk/<32 hex digits>: nothing but the payload
//
// checkpoints/<upto>-t-<boundary>-<random>: a tail, the entries of a stretch of slots once more, to be read at once
//        0      8  magic "INGOTTAL"
//        8      4  format
//       12      4  count             of entries: upto - from + 1
//       16     16  store id
//       32      8  from
//       40      8  upto
//       48         count times: 4 bytes of the entry, the entry
//        …     16  hash of everything before
//
// boundary/<number as 8 hex digits>, from 1: see boundary.h
//        0      8  magic "INGOTBND"
//        8      4  format
//       12      4  zero
//       16     16  store id
//       32      8  number            as in its name
//       40      8  slot              slots up to this one may be gone
//       48      8  key bytes
//       56         key of a checkpoint that starts above the slot
//        …     16  hash of everything before
//
// seen/<number>: when somebody had read that boundary
//        0      8  magic "INGOTSEN"
//        8      4  format
//       12      4  zero
//       16     16  store id
//       32      8  number
//       40      8  date              seconds since 1970, as the bucket said
//       48     16  hash of everything before
//
//   1. An entry never changes once its slot was won; each delivery of one attempt has the same bytes.
//   2. Slots have no gaps; links chain them. What does not fit in was not put by a bucket that heeds conditions.
//   3. A decoder believes no length before it is checked against what is there and against a limit.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "log/log.h"

namespace ingot::log {

inline constexpr std::uint32_t kBucketFormat = 1;

/// The first put to *finish* wins a slot, so large ones would starve beside small ones. A whole entry.
inline constexpr std::uint64_t kSlotBytesMax = 1ULL << 20;
/// So that a memtable is cut, flushed and gone from the log after so many slots, however small.
inline constexpr std::uint64_t kSegmentSlotsMax = 512;
/// Of the entries in a tail: it is read at each opening.
inline constexpr std::uint64_t kTailBytesMax = 8ULL << 20;
inline constexpr std::uint64_t kTailEntriesMax = 1ULL << 16;
/// A checkpoint's key, in a boundary.
inline constexpr std::uint64_t kBoundaryKeyBytesMax = 256;

inline constexpr std::size_t kSlotHeaderBytes = 128;
inline constexpr std::size_t kSlotFrameBytes = kSlotHeaderBytes + 16;
inline constexpr std::size_t kBulkNameBytes = 32;
inline constexpr std::size_t kBulkReferenceBytes = kBulkNameBytes + 16;
inline constexpr std::size_t kTailFrameBytes = 48 + 16;
inline constexpr std::size_t kSeenBytes = 64;

enum class SlotKind : std::uint8_t { commit = 1, edit = 2, nothing = 3 };

struct SlotEntry {
  SlotKind kind = SlotKind::commit;
  std::uint64_t slot = 0;
  std::uint64_t segment = 0;
  Version base_version = 0;
  std::uint32_t transaction_count = 0;
  std::int64_t time_micros = 0;
  base::Hash128 nonce;
  base::Hash128 link;
  base::Hash128 session;
  std::uint64_t sequence = 0;
  std::uint64_t replay_from = 0;
  std::uint64_t payload_bytes = 0;
  std::string_view payload;    // unless it is in bulk; points into what was decoded
  std::string bulk;            // 32 hex digits; empty: not in bulk
  base::Hash128 payload_hash;  // if in bulk
  base::Hash128 identity;      // set by decoding
};

enum class Decoded : std::uint8_t { good, bad, newer_format };

/// The bytes of an entry whose payload is `parts` (which is not looked at if entry.bulk is not empty). Sets identity.
std::string encode_slot(SlotEntry& entry, std::span<const std::string_view> parts, const base::Hash128& store_id);
/// `entry` may point into `bytes` afterwards.
Decoded decode_slot(std::string_view bytes, const base::Hash128& store_id, SlotEntry& entry);

struct Tail {
  std::uint64_t from = 0;
  std::uint64_t upto = 0;
  std::vector<std::string_view> entries;  // not decoded
};
std::string encode_tail(const Tail& tail, const base::Hash128& store_id);
/// Of another store: bad.
Decoded decode_tail(std::string_view bytes, const base::Hash128& store_id, Tail& tail);

struct BoundaryObject {
  base::Hash128 store_id;
  std::uint32_t number = 0;
  std::uint64_t slot = 0;
  std::string checkpoint;
};
std::string encode_boundary(const BoundaryObject& boundary);
Decoded decode_boundary(std::string_view bytes, BoundaryObject& boundary);

struct SeenObject {
  base::Hash128 store_id;
  std::uint32_t number = 0;
  std::chrono::sys_seconds date{};
};
std::string encode_seen(const SeenObject& seen);
Decoded decode_seen(std::string_view bytes, SeenObject& seen);

// Names.

inline constexpr std::string_view kStoreKey = "store";
inline constexpr std::string_view kLogPrefix = "log/";
inline constexpr std::string_view kBulkPrefix = "bulk/";
inline constexpr std::string_view kCheckpointPrefix = "checkpoints/";
inline constexpr std::string_view kBoundaryPrefix = "boundary/";
inline constexpr std::string_view kSeenPrefix = "seen/";

/// checkpoints/<start>-c-<boundary>-<edit>-<random>: the replay starts at slot `start`; `boundary`: the number of the
/// newest that was known then; `edit`: counts the changes of the set of runs.
struct CheckpointName {
  std::uint64_t start = 0;
  std::uint32_t boundary = 0;
  std::uint64_t edit = 0;
  std::uint64_t random = 0;
  friend bool operator==(const CheckpointName&, const CheckpointName&) = default;
};
/// Which of two is newer: the one that replays less; of those, the later edit.
bool is_newer(const CheckpointName& one, const CheckpointName& other);

struct TailName {
  std::uint64_t upto = 0;
  std::uint32_t boundary = 0;
  std::uint64_t random = 0;
  friend bool operator==(const TailName&, const TailName&) = default;
};

std::string slot_key(std::uint64_t slot);
std::string bulk_key(std::string_view name);
std::string boundary_key(std::uint32_t number);
std::string seen_key(std::uint32_t number);
std::string checkpoint_key(const CheckpointName& name);
std::string tail_key(const TailName& name);
/// 128 bits as 32 hex digits.
std::string hex_name(const base::Hash128& bits);

// What such a key says; nothing: it is none.
std::optional<std::uint64_t> parse_slot_key(std::string_view key);
std::optional<CheckpointName> parse_checkpoint_key(std::string_view key);
std::optional<TailName> parse_tail_key(std::string_view key);

}  // namespace ingot::log
