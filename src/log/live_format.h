// The file `live`: what the processes of one machine tell each other while they have a store open. Prose:
// docs/formats/live.md
//
// Nothing in it is believed unchecked: it may hold anything, at any moment. What is used to decide stands in a cell
// with a hash; the rest are hints, futex words, and names for messages. It is made anew by whoever opens the store
// alone, but for `syncing`.
//
//   offset  bytes
//        0      8  magic "INGOTLIV"
//        8      4  format
//       16     16  store id
//       64     64  cell: published — sequence, version, segment of the log's tail
//      128     64  cell: durable — the same, of what is known durable
//      192      4  request: a futex word, one more each time somebody wants the commit lock from its holder
//      196      4  released: a futex word, one more each time the holder let go because of that
//      256      4  news: a futex word, one more when something was published while somebody waits
//      260      4  waiting: not zero if somebody waits for news
//      320      4  holder: pid of the commit lock's last holder     324  4  zero
//      328      8  when that process started
//      336      8  a random number, of the holder's handle
//      384      8  syncing: the segment that a sync is under way on; still there after its process died in it, until
//                  what that segment holds was written anew
//      392      8  losses: how often published entries were found lost, with their writer, after a failed sync
//      400      8  the least sequence that such a loss has left: who has read more has read what is gone
//      512  16384  slots, of 16 bytes: the oldest edit that a handle pins, and a hash of it
//
// A cell: three numbers and XXH3-64 of them, seeded with the store id; and again. Written word by word under the commit
// lock, the first copy and then the second, read without: a reader takes the first that is whole. If its writer is
// killed in the middle, the cell tells what it told before, or what is new; never less than what was acknowledged.
//
// Its byte ranges carry open-file-description locks, far behind its end so that they mean nothing to the bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ingot::log {

inline constexpr std::uint64_t kLiveMagic = 0x56494c544f474e49ULL;  // "INGOTLIV"
inline constexpr std::uint32_t kLiveFormat = 1;

inline constexpr std::size_t kLiveMagicAt = 0;
inline constexpr std::size_t kLiveFormatAt = 8;
inline constexpr std::size_t kLiveStoreAt = 16;
inline constexpr std::size_t kLivePublishedAt = 64;
inline constexpr std::size_t kLiveDurableAt = 128;
inline constexpr std::size_t kLiveCellBytes = 32;  // of one copy
inline constexpr std::size_t kLiveRequestAt = 192;
inline constexpr std::size_t kLiveReleasedAt = 196;
inline constexpr std::size_t kLiveNewsAt = 256;
inline constexpr std::size_t kLiveWaitingAt = 260;
inline constexpr std::size_t kLiveHolderAt = 320;
inline constexpr std::size_t kLiveHolderStartAt = 328;
inline constexpr std::size_t kLiveHolderTokenAt = 336;
inline constexpr std::size_t kLiveSyncingAt = 384;
inline constexpr std::size_t kLiveLossesAt = 392;
inline constexpr std::size_t kLiveLossesLeftAt = 400;
inline constexpr std::size_t kLiveSlotsAt = 512;
inline constexpr std::size_t kLiveSlotBytes = 16;
inline constexpr std::size_t kLiveSlots = 1024;  // handles that may have a store open at once
inline constexpr std::size_t kLiveBytes = 5 * 4096;
static_assert(kLiveSlotsAt + kLiveSlots * kLiveSlotBytes <= kLiveBytes);

inline constexpr std::uint64_t kLockBase = 1ULL << 30;
inline constexpr std::uint64_t kLockOpening = kLockBase;          // exclusive: an opening is under way
inline constexpr std::uint64_t kLockPresence = kLockBase + 1;     // shared: a handle is open
inline constexpr std::uint64_t kLockCommit = kLockBase + 2;       // exclusive: may append
inline constexpr std::uint64_t kLockMaintenance = kLockBase + 3;  // exclusive: flushes and compacts
inline constexpr std::uint64_t kLockSlots = kLockBase + 4096;     // exclusive, one byte each: this slot has an owner

}  // namespace ingot::log
