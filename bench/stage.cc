// Opening, loading, warming. See stage.h.
#include "stage.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "measure.h"
#include "system.h"

namespace bench {
namespace {

constexpr double kQuietSecondsMax = 30;

std::string loaded_mark(const std::string& path) {
  return path + ".loaded";
}

}  // namespace

Catalog::Catalog(Scale the_scale)
    : scale(the_scale), ranks(the_scale.records), ascending(static_cast<std::size_t>(the_scale.records)) {
  std::iota(ascending.begin(), ascending.end(), 0U);
  std::sort(ascending.begin(), ascending.end(), [](std::uint32_t a, std::uint32_t b) { return mix(a) < mix(b); });
  ScanTotals totals;
  ValueBytes value;
  for (const std::uint32_t index : ascending) {
    const Key key = key_of(index);
    make_value(view(key), 0, value);
    totals.add(view(key), view(value));
  }
  checksum = totals.checksum;
}

Stage::Stage(const EngineKind& kind, std::string directory, const Catalog& catalog)
    : records_put(catalog.scale.records), kind_(kind), directory_(std::move(directory)), catalog_(catalog) {
  std::filesystem::create_directories(directory_);
}

Stage::~Stage() {
  close();
}

void Stage::close() {
  sessions_.clear();
  engine_.reset();
  open_store_.clear();
  warm_sessions_ = 0;
}

void Stage::open(const std::string& store, Durability durability, Transactions transactions, std::uint64_t sessions) {
  if (open_store_ != store || durability_ != durability || transactions_ != transactions) {
    close();
    std::filesystem::create_directories(path(store));
    engine_ = kind_.open({.directory = path(store),
                          .durability = durability,
                          .transactions = transactions,
                          .records = catalog_.scale.records});
    open_store_ = store;
    durability_ = durability;
    transactions_ = transactions;
  }
  while (sessions_.size() < sessions) sessions_.push_back(engine_->session());
}

void Stage::open_fresh(const std::string& store, Durability durability, Transactions transactions,
                       std::uint64_t sessions) {
  close();
  std::filesystem::remove_all(path(store));
  std::filesystem::remove(loaded_mark(path(store)));
  open(store, durability, transactions, sessions);
}

void Stage::open_loaded(const std::string& store, Durability durability, Transactions transactions,
                        std::uint64_t sessions) {
  if (!std::filesystem::exists(loaded_mark(path(store)))) {
    open_fresh(store, Durability::process, transactions, sessions);
    for (std::uint64_t begin = 0; begin < catalog_.scale.records; begin += kBatchRecords) {
      put_batch(*sessions_[0], begin, std::min(kBatchRecords, catalog_.scale.records - begin), Order::random);
    }
    check_loaded();
    mark_loaded(store);
    engine_->sync();
    wait_until_quiet(kQuietSecondsMax);
  }
  open(store, durability, transactions, sessions);
  warm();
}

// Shared caches by random reads of everything, a session's own by one pass over the store.
void Stage::warm() {
  if (warm_sessions_ == 0) {
    for (std::uint64_t index = 0; index < catalog_.scale.records; ++index) {
      (void)sessions_[0]->get(view(key_of(index)));
    }
  }
  for (; warm_sessions_ < sessions_.size(); ++warm_sessions_) {
    ScanTotals totals;
    sessions_[warm_sessions_]->scan({}, ~std::uint64_t{0} >> 1U, totals);
  }
}

std::uint64_t Stage::store_disk_bytes() const {
  return disk_bytes(path(open_store_));
}

void Stage::put_batch(Session& session, std::uint64_t begin, std::uint64_t count, Order order) {
  std::vector<Record> records(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t index = order == Order::ascending ? catalog_.ascending[begin + i] : begin + i;
    records[i].key = key_of(index);
    make_value(view(records[i].key), 0, records[i].value);
  }
  session.put_batch(records, order);
}

void Stage::check_loaded() {
  ScanTotals totals;
  sessions_[0]->scan({}, ~std::uint64_t{0} >> 1U, totals);
  if (totals.records != catalog_.scale.records || totals.checksum != catalog_.checksum) {
    throw WrongAnswer("after the load, a scan of everything gave " + std::to_string(totals.records) + " records of " +
                      std::to_string(catalog_.scale.records) + ", or not the right ones");
  }
}

void Stage::mark_loaded(const std::string& store) {
  std::ofstream(loaded_mark(path(store))) << "loaded\n";
}

void expect_present(std::string_view key, const std::optional<std::string_view>& value, bool every_byte) {
  const bool right = value && (every_byte ? is_whole(key, *value) : generation_of(key, *value).has_value());
  if (!right) throw WrongAnswer("key " + std::string(key) + (value ? " has a wrong value" : " is not there"));
}

}  // namespace bench
