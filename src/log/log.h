// The shared log: the one place where truth is decided. An ordered, chained sequence of entries that every process
// which has the store open agrees on.
//
// One operation changes a store: append(draft) -> kept | lost. It is kept only if nothing was appended since
// `position()`, the place up to which this Log's owner has read; so whoever appends has seen, and validated against,
// everything before.
//
// Use: one owner (the engine's committer) at a time calls read and append; prepare, published, wait, sync, release and
// stats may be called by any thread at any time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/time.h"

namespace ingot::log {

using Version = std::uint64_t;

enum class EntryKind : std::uint8_t {
  commit = 1,  // one or more transactions; takes as many versions as it has transactions
  edit = 2,    // a change of the set of runs; takes no version
};

// Where a replay starts: what a checkpoint names. The default is the beginning of a new store's log. A segment of a
// bucket's log is a range of slots, and its number is that of the first.
struct Start {
  std::uint64_t segment = 1;
  Version version = 0;           // the newest version before that segment
  base::Hash128 link;            // the hash of the last entry before that segment (zero for segment 1)
  std::int64_t time_micros = 0;  // commit time of the last entry before it
};

// An entry, as a reader sees it; the payload lives until the sink returns.
struct Entry {
  EntryKind kind = EntryKind::commit;
  Version base_version = 0;             // of its first transaction; for an edit: the newest version before it, plus one
  std::uint32_t transaction_count = 0;  // versions base_version … base_version + count - 1; 0 for an edit
  std::int64_t time_micros = 0;         // never less than an earlier entry's
  std::uint64_t segment = 0;            // the segment that holds it: memtables are cut where this changes
  std::string_view payload;
  // Who appended it, and as which of its appends; of a bucket's log only (else zero). Whoever applies it keeps that
  // with the data: see Append::collected.
  base::Hash128 session{};
  std::uint64_t sequence = 0;
};

// Called for each entry in order, exactly once for each position that the log moves over.
using Sink = std::function<void(const Entry&)>;

// An entry to be appended. `parts` are concatenated to the payload.
struct Draft {
  EntryKind kind = EntryKind::commit;
  std::uint32_t transaction_count = 0;
  std::int64_t time_micros = 0;  // at least Position::time_micros
  std::span<const std::string_view> parts;
  bool new_segment = false;  // begins a segment of its own, so that the memtable before it can be flushed
  bool durable = true;       // sync before it is published and `kept` is returned
  // In a bucket, of an edit that names runs: it is not signed with a date after this, for they may be collected some
  // time after that.
  std::optional<std::chrono::sys_seconds> sign_until{};
  bool frees_space = false;  // it only erases: on a full disk it may use what is kept in reserve, as edits do
};

enum class Append {
  kept,         // it is entry number Position of the log now; the position has moved over it
  lost,         // others appended first: read(), validate again, append again. The lock is held for that, for a while
  unavailable,  // nothing was appended, and never will be: the deadline passed; why() says what stood in the way
  no_room,  // nothing was appended: the disk has no room for another segment. Not waited for: let what frees some go on
  collected,  // in a bucket: the slot is settled and gone, and whether it was ours can't be seen any more. read() says
              // gone; what was applied of (attempt().session, .sequence) tells
  undecided,  // in a bucket: the deadline passed while an answer was missing; the next append, or look, settles it.
              // In a directory: long after the deadline the device let it be neither made durable nor taken back: this
              // handle appends no more, and what is there shows when the store is opened again
};

enum class Read {
  caught_up,    // everything published was passed to the sink
  gone,         // the stretch was collected under a slow reader: open anew from the newest checkpoint
  corrupt,      // damage that redundancy could not heal; why() names segment, offset and versions
  unavailable,  // the device fails to read; why()
};

// The place up to which the owner has read or appended.
struct Position {
  std::uint64_t segment = 0;
  Version version = 0;           // the newest version read
  std::int64_t time_micros = 0;  // of the newest entry read
  base::Hash128 link;            // hash of the newest entry read
  base::Hash128 session{};       // of the newest entry read, as Entry has them
  std::uint64_t sequence = 0;
  std::uint64_t slot = 0;  // in a bucket: of the newest entry read, those that say nothing included
};

struct LogStats {
  std::uint64_t syncs = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t segment_bytes = 0;  // on disk now, spares included
  std::uint64_t entries_healed = 0;
  // In a bucket:
  std::uint64_t appends_kept = 0;
  std::uint64_t appends_lost = 0;       // to others, after something was sent
  std::uint64_t appends_undecided = 0;  // the deadline passed without an answer that decides
  std::uint64_t puts = 0;               // of slots, all deliveries
  std::uint64_t puts_hedged = 0;        // of them: sent a second time because the first was slow
  std::uint64_t slots_read = 0;         // gets of slots that were there
  std::uint64_t slots_absent = 0;       // gets of slots that were not
  std::uint64_t confirmations = 0;      // of the boundary
  std::uint64_t tails = 0;              // written
};

class Log {
 public:
  virtual ~Log() = default;  // ends like a kill; see close()

  // The newest version known to be published by any process: what a read that begins now must see. One atomic load.
  // kMustLook: this handle has to look() and read() to know.
  [[nodiscard]] virtual Version published() const = 0;
  static constexpr Version kMustLook = ~Version{0};

  // Passes what was published since position() to `sink`.
  virtual Read read(const Sink& sink) = 0;

  // In a bucket: asks it for news, so that read() passes what was appended by anybody before this call; caught_up,
  // gone, unavailable (the deadline passed), corrupt. In a directory published() and read() know without. Any thread.
  virtual Read look(base::Instant deadline) = 0;

  // The time that the store goes by, in microseconds since 1970: the machine's, or the bucket's. Any thread.
  [[nodiscard]] virtual std::int64_t clock_micros() const = 0;

  // Hint: an append comes next. Takes what makes it likely to be kept (the commit lock), so that reading, validating
  // and appending happen once. False: the deadline passed; why() says who stands in the way.
  virtual bool prepare(base::Instant deadline) = 0;

  // See the head of this file. Entries are at most kEntryPayloadBytesMax. The commit lock may be kept afterwards.
  virtual Append append(const Draft& draft, base::Instant deadline) = 0;

  // In a bucket: the session, sequence and time of the last append's entry, whatever became of it. Owner only.
  struct Attempt {
    base::Hash128 session;
    std::uint64_t sequence = 0;
    std::int64_t time_micros = 0;
  };
  [[nodiscard]] virtual Attempt attempt() const = 0;

  // Moved by read and append only. Owner only.
  [[nodiscard]] virtual Position position() const = 0;

  // Where a replay that starts with `segment` begins (link, version and time before its first entry), for a checkpoint.
  // Owner only.
  [[nodiscard]] virtual std::optional<Start> start_of(std::uint64_t segment) const = 0;

  // Makes everything published durable. False: the deadline passed; why() says why.
  virtual bool sync(base::Instant deadline) = 0;

  // Everything up to here is known durable.
  [[nodiscard]] virtual Version durable() const = 0;

  // Waits until published() > version, in any process, or the deadline. Returns published().
  virtual Version wait(Version version, base::Instant deadline) = 0;

  // Segments below this one are not needed by any checkpoint that is kept: they are recycled or removed.
  virtual void release(std::uint64_t segment) = 0;

  // Reads and verifies all entries from `start` to the published end, heals what it can; a sentence for each place that
  // was healed (by the opening of this log, too, the first time), and for each damage that stays. Any thread; does not
  // move the position.
  virtual void check(const Start& start, std::uint64_t& entries, std::uint64_t& bytes, std::vector<std::string>& healed,
                     std::vector<std::string>& damage) = 0;

  // What went wrong, for a person; and whether something stands in the way right now (empty: nothing).
  [[nodiscard]] virtual std::string why() const = 0;
  [[nodiscard]] virtual std::string problem() const = 0;
  // Appends wait because the disk has no room for another segment. What can be collected should be, now.
  [[nodiscard]] virtual bool short_of_room() const = 0;
  [[nodiscard]] virtual LogStats stats() const = 0;

  // Syncs, seals, lets go of everything.
  virtual void close() = 0;
};

// What an entry may carry: a transaction of the largest size and its frame.
inline constexpr std::uint64_t kEntryPayloadBytesMax = 65ULL << 20;

}  // namespace ingot::log
