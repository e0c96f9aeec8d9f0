// What happened to one store, as all who used it saw it, and whether that can be: the engine scenario's record. It
// belongs to the host; the processes' fibers call it, with what they have in their own memory.
//
// The judge is the checker of recorded histories (tests/support/history.h): strict serializability with real time,
// every read and every scan against a model, who is there at the end and who is not. What it knows nothing of is
// decided here first, the power losses:
//   1. What was acknowledged with durability `disk`, or before a sync that succeeded, is there for ever.
//   2. What was acknowledged with durability `process` may be lost with the power, and then everything after it.
//   3. Nobody sees what may still be lost with the power, except if somebody commits with durability `process`.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "scenario.h"
#include "support/history.h"

namespace ingot::simulator {

class EngineHistory {
 public:
  explicit EngineHistory(World& world) : world_(world) {}

  /// A new transaction; returns its id. `durable`: it asks for durability `disk`.
  std::uint64_t begin(std::int64_t invoked, bool durable);
  /// What it has read and will write, before it commits: should it be killed, this stays. Copies.
  void intend(std::uint64_t id, const history::Transaction& seen);
  void committed(std::uint64_t id, std::uint64_t version);
  void lost(std::uint64_t id);
  /// Its fate shows at the next open.
  void unknown(std::uint64_t id);
  /// It only read, or was rolled back: what it saw.
  void has_read(std::uint64_t id, const history::Transaction& seen);

  /// A sync that began then has succeeded: all that had been committed before is durable.
  void synced(std::int64_t began);
  [[nodiscard]] std::int64_t now() const { return world_.scheduler.time().time_since_epoch().count(); }

  void power_lost() { ++epoch_; }
  /// Commits whose outcome nobody knew when their process died.
  [[nodiscard]] std::uint64_t in_flight() const;

  /// The end: everything in the store. Empty: all is well; else what is wrong.
  /// `fresh`: every snapshot is as new as what had returned before it was taken.
  [[nodiscard]] std::string judge(const history::FinalState& final_state, bool fresh = true) const;

 private:
  struct Recorded {
    history::Transaction transaction;
    std::uint64_t epoch = 0;
    bool durable = false;
    bool synced = false;
    bool known = false;  // what it saw; else it did not come so far
  };
  Recorded& at(std::uint64_t id) { return transactions_[id - 1]; }

  World& world_;
  std::deque<Recorded> transactions_;  // the one with id i is the i-th
  std::uint64_t epoch_ = 0;            // power losses so far
};

}  // namespace ingot::simulator
