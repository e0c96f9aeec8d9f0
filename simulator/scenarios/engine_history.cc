#include "engine_history.h"

#include <algorithm>
#include <vector>

#include "memory.h"

namespace ingot::simulator {

using history::Transaction;

std::uint64_t EngineHistory::begin(std::int64_t invoked, bool durable) {
  const HostMemory host;
  Recorded& recorded = transactions_.emplace_back();
  recorded.transaction.id = transactions_.size();
  recorded.transaction.process = world_.scheduler.current_process()->number();
  recorded.transaction.invoked = invoked;
  recorded.epoch = epoch_;
  recorded.durable = durable;
  return recorded.transaction.id;
}

void EngineHistory::intend(std::uint64_t id, const Transaction& seen) {
  const HostMemory host;
  at(id).known = true;
  world_.trace.event("transaction", id, seen.snapshot, seen.writes.empty() ? "reads only" : "will commit");
  Transaction& transaction = at(id).transaction;
  transaction.snapshot = seen.snapshot;
  transaction.marker = std::string(seen.marker);
  transaction.reads = seen.reads;
  transaction.ranges = seen.ranges;
  transaction.writes = seen.writes;
  transaction.lists = seen.lists;
  transaction.appends = seen.appends;
}

void EngineHistory::committed(std::uint64_t id, std::uint64_t version) {
  Transaction& transaction = at(id).transaction;
  transaction.outcome = history::Outcome::committed;
  world_.trace.event("committed", id, version);
  transaction.version = version;
  transaction.returned = now();
}

void EngineHistory::lost(std::uint64_t id) {
  Transaction& transaction = at(id).transaction;
  transaction.outcome = history::Outcome::lost;
  world_.trace.event("lost", id);
  transaction.returned = now();
}

void EngineHistory::unknown(std::uint64_t id) {
  at(id).transaction.outcome = history::Outcome::unknown;
}

void EngineHistory::has_read(std::uint64_t id, const Transaction& seen) {
  intend(id, seen);
  const HostMemory host;
  at(id).transaction.writes.clear();
  at(id).transaction.appends.clear();
  committed(id, 0);
}

void EngineHistory::synced(std::int64_t began) {
  for (Recorded& recorded : transactions_) {
    const bool before =
        recorded.transaction.outcome == history::Outcome::committed && recorded.transaction.returned <= began;
    if (before && recorded.epoch == epoch_) recorded.synced = true;
  }
}

std::uint64_t EngineHistory::in_flight() const {
  return static_cast<std::uint64_t>(std::count_if(transactions_.begin(), transactions_.end(), [](const auto& each) {
    return each.transaction.outcome == history::Outcome::unknown && !each.transaction.writes.empty();
  }));
}

std::string EngineHistory::judge(const history::FinalState& final_state, bool fresh) const {
  const auto version_there = [&](const Recorded& recorded) -> std::uint64_t {
    if (recorded.transaction.writes.empty()) return 0;
    const auto marker = final_state.records.find(recorded.transaction.marker);
    return marker == final_state.records.end() ? 0 : marker->second.version;
  };
  // The newest version that is left of each stretch between two power losses, and of those before it.
  std::vector<std::uint64_t> left(epoch_ + 1);
  std::vector<bool> all_durable(epoch_ + 1, true);
  for (const Recorded& recorded : transactions_) {
    left[recorded.epoch] = std::max(left[recorded.epoch], version_there(recorded));
    if (!recorded.durable && !recorded.transaction.writes.empty()) all_durable[recorded.epoch] = false;
  }
  for (std::size_t i = 1; i < left.size(); ++i) left[i] = std::max(left[i], left[i - 1]);

  std::vector<Transaction> history;
  history.reserve(transactions_.size());
  for (const Recorded& recorded : transactions_) {
    if (!recorded.known) continue;
    Transaction transaction = recorded.transaction;
    if (recorded.epoch < epoch_) {
      const std::uint64_t newest = left[recorded.epoch];
      const bool may_be_gone = !recorded.durable && !recorded.synced;
      if (transaction.outcome == history::Outcome::committed && !transaction.writes.empty() && may_be_gone &&
          version_there(recorded) == 0) {
        if (transaction.version <= newest) {
          return "transaction " + std::to_string(transaction.id) + " at version " +
                 std::to_string(transaction.version) + " is lost with the power, and version " +
                 std::to_string(newest) + " of the same stretch is not";
        }
        transaction.outcome = history::Outcome::lost;
      }
      if (transaction.snapshot > newest) {
        // It saw what was lost with the power.
        if (all_durable[recorded.epoch]) {
          return "transaction " + std::to_string(transaction.id) + " of process " +
                 std::to_string(transaction.process) + " saw version " + std::to_string(transaction.snapshot) +
                 " before it was durable: the power was lost, and version " + std::to_string(newest) + " is left";
        }
        if (transaction.outcome == history::Outcome::committed && !transaction.writes.empty() && !may_be_gone) {
          return "transaction " + std::to_string(transaction.id) + " is durable, and what it saw is not";
        }
        continue;
      }
    }
    // What only reads, and did not ask for news, may have begun in the past.
    if (!fresh && transaction.writes.empty()) transaction.invoked = 0;
    history.push_back(std::move(transaction));
  }
  history::CheckOptions options;
  options.fresh_snapshots = fresh;
  std::vector<history::Violation> violations = history::check(history, final_state, options);
  if (violations.empty()) violations = history::check_lists(history, final_state);
  return history::explain(violations);
}

}  // namespace ingot::simulator
