// The shared log in a bucket: one object for each entry, log/<slot>, created if absent; whoever creates slot N + 1 has
// settled slot N, so there are no gaps. Formats: bucket_format.h. What keeps sleepers from collected slots: boundary.h.
// How it works inside: bucket_log_internal.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "log/boundary.h"
#include "log/bucket_opening.h"
#include "log/log.h"
#include "storage/bucket.h"
#include "storage/request_pool.h"

namespace ingot::log {

/// What more an engine needs of a bucket's log.
class BucketLog : public Log {
 public:
  /// Whether this handle appended the first entry of the newest segment: then it is the one that flushes what lies
  /// before it. (Only so that not all do: any may, an edit decides.) Any thread.
  [[nodiscard]] virtual bool leads() const = 0;

  /// The newest slot that the owner has read or appended. Owner only.
  [[nodiscard]] virtual std::uint64_t slot() const = 0;

  /// The newest known, for the collector and for the names of checkpoints. Any thread. It is renewed whenever the log
  /// needs it, and not while nobody asks: see confirm().
  [[nodiscard]] virtual Confirmation confirmation() const = 0;

  /// Asks for a newer one now, and returns when it is there. caught_up; gone: the boundary has passed this handle;
  /// corrupt; unavailable (the deadline passed). Any thread.
  virtual Read confirm(base::Instant deadline) = 0;

  /// The newest boundary that this handle has read itself; nothing: none. Any thread.
  [[nodiscard]] virtual std::optional<Boundary> boundary() const = 0;

  /// The objects (their keys) that entries of slots >= `from` name as their payloads, up to slot(). A collector leaves
  /// them alone; if `from` is above the boundary's slot + 1, this handle does not know all that are needed. Any thread.
  struct Bulk {
    std::uint64_t from = 0;
    std::vector<std::string> keys;
  };
  [[nodiscard]] virtual Bulk bulk_named() const = 0;

  /// After `undecided`: appends an entry that says nothing if need be, so that the slot is settled and the next read()
  /// passes what was undecided, or it never was. caught_up, or as look(). Owner only.
  virtual Read settle(base::Instant deadline) = 0;
};

struct BucketLogOptions {
  bool read_only = false;  // puts nothing
  base::Hash128 store_id;
  Start start;                                          // from the checkpoint; {} of a new store
  BucketOpening opening;                                // what was fetched ahead; may be empty
  std::chrono::seconds grace = std::chrono::hours(24);  // as the store's header says
  std::function<void(const std::string&)> on_message;   // what somebody should know; any thread
  std::uint64_t segment_bytes = 16ULL << 20;            // of payloads; smaller ones are for tests
  std::uint64_t segment_slots = kSegmentSlotsMax;
  std::uint64_t slot_bytes_max = kSlotBytesMax;   // entries beyond it have their payload in an object of its own
  std::uint64_t unread_bytes_max = 128ULL << 20;  // of payloads: who is further behind opens anew from a checkpoint
};

/// Opens the log and passes everything from `options.start` to the newest entry to `sink`. `outcome`: caught_up and a
/// log; or gone (open_bucket again, from the newest checkpoint), corrupt, unavailable (the deadline passed); `why` says
/// why, and no log. `bucket` outlives `pool`, which outlives the log.
std::unique_ptr<BucketLog> open_bucket_log(storage::Bucket& bucket, storage::RequestPool& pool,
                                           BucketLogOptions options, const Sink& sink, base::Instant deadline,
                                           Read& outcome, std::string& why);

}  // namespace ingot::log
