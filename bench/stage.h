// One engine's stores during one round, in that engine's own process: opened, loaded, warmed and checked on demand.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data.h"
#include "engine.h"

namespace bench {

// What all engines share: made once, before the engines' processes are forked, and read only from then on.
struct Scale {
  std::uint64_t records = 1'000'000;
  double seconds = 1;  // of each row that is not a fixed amount of work
};

struct Catalog {
  explicit Catalog(Scale the_scale);
  Scale scale;
  ZipfianRanks ranks;
  std::vector<std::uint32_t> ascending;  // indexes of the records in key order
  std::uint64_t checksum = 0;            // ScanTotals of all records in their first generation
};

inline constexpr std::uint64_t kBatchRecords = 1'000;

class Stage {
 public:
  // directory: this engine's own, made if absent. Stores left there by an earlier process are used again.
  Stage(const EngineKind& kind, std::string directory, const Catalog& catalog);
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  ~Stage();

  [[nodiscard]] const Catalog& catalog() const { return catalog_; }

  // Opens `store` (closing another), with `sessions` sessions. Nothing happens if it is open so already.
  void open(const std::string& store, Durability durability, Transactions transactions, std::uint64_t sessions);
  // The same, with an empty store.
  void open_fresh(const std::string& store, Durability durability, Transactions transactions, std::uint64_t sessions);
  // The same, with all records in it, and each of them read once.
  void open_loaded(const std::string& store, Durability durability, Transactions transactions, std::uint64_t sessions);
  void close();

  [[nodiscard]] Engine& engine() { return *engine_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Session>>& sessions() const { return sessions_; }
  [[nodiscard]] std::uint64_t store_disk_bytes() const;

  // Puts the records of indexes [begin, begin + count) in one commit: by index, or in key order.
  void put_batch(Session& session, std::uint64_t begin, std::uint64_t count, Order order);
  // Throws WrongAnswer unless the store holds exactly all records, each in its first generation.
  void check_loaded();
  void mark_loaded(const std::string& store);

  // The number of records ever put into the main store: those added by workloads get the next indexes.
  std::atomic<std::uint64_t> records_put;

 private:
  [[nodiscard]] std::string path(const std::string& store) const { return directory_ + "/" + store; }
  void warm();

  const EngineKind& kind_;
  std::string directory_;
  const Catalog& catalog_;

  std::string open_store_;
  Durability durability_ = Durability::disk;
  Transactions transactions_ = Transactions::none;
  std::unique_ptr<Engine> engine_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::size_t warm_sessions_ = 0;
};

// Checks of what an engine answered.
void expect_present(std::string_view key, const std::optional<std::string_view>& value, bool every_byte);

}  // namespace bench
