// `live`: a small memory-mapped file that the processes of a machine share while they have a store open. It saves
// system calls and wakes waiters; it is a hint. No acknowledged byte depends on it, and it is made anew, from the log,
// by whoever opens the store alone. Its byte ranges carry the locks between processes.
//
// It holds: the tail of the log as published, a futex word for it, who holds the commit lock, and the processes' pins.
// Format: live_format.h; prose: docs/formats/live.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/hash.h"
#include "base/thread.h"
#include "storage/directory.h"

namespace ingot::log {

class Live {
 public:
  struct Opened {
    std::unique_ptr<Live> live;  // null: see error
    storage::IoError error;  // ETIMEDOUT: another's opening did not finish by the deadline; EMFILE: all slots taken;
                             // EBUSY: `live` was removed under others
  };
  // Opens (or makes) `live` and takes part: a shared lock on its presence byte, and a slot for pins.
  // Everybody who opens waits, until `deadline`, for another's opening to finish.
  // The same lock is taken on the file `store`, if there is one: so it is noticed if somebody removed `live` while
  // others have the store open, who could not be seen any more (EBUSY).
  static Opened open(storage::Directory& directory, const base::Hash128& store_id, base::Instant deadline);
  // For a read-only handle: takes no lock and writes nothing; follows the others through what they publish, if there
  // are any. It has no slot: publish_pin does nothing, so files may be deleted under it. Never fails: without a `live`
  // that can be read, it goes by the log's files alone.
  static std::unique_ptr<Live> open_read_only(storage::Directory& directory, const base::Hash128& store_id);
  ~Live();  // gives the slot back and lets go of the locks

  // Whether this process was the only one when it opened: then it recovers, and makes the contents anew.
  [[nodiscard]] bool alone() const;
  /// Whether nobody else has the store open, nor can before finish_opening(): then the log is the opener's to recover.
  /// A log that is opened again later, by a handle that fell behind, joins the others.
  [[nodiscard]] bool recovers() const;
  // Ends the opening: others may come in (called by open_directory_log when recovery is done, or by the destructor).
  void finish_opening();

  // The maintenance lock: at most one process flushes and compacts at a time. An optimisation only. Does not wait.
  bool try_maintenance();
  void end_maintenance();

  // Pins. A process publishes the oldest edit number whose runs some state of it still reads; kNoPin: nothing.
  // Slots of dead processes (their lock is free) count for nothing.
  static constexpr std::uint64_t kNoPin = ~0ULL;
  void publish_pin(std::uint64_t edit_number);
  // The oldest pin of all live processes, this one included. Conservative (0) if it can't be known.
  [[nodiscard]] std::uint64_t oldest_pin();

  // How many processes (handles) have the store open, this one included; read-only handles are not seen.
  [[nodiscard]] std::uint32_t handles();

 private:
  friend class DirectoryLog;
  struct Implementation;
  explicit Live(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace ingot::log
