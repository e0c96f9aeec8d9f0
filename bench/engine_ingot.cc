// Ingot, through its public API alone.
#include "engines.h"
#include "ingot/ingot.h"

namespace bench {
namespace {

class IngotSession : public Session {
 public:
  explicit IngotSession(ingot::Store& store) : store_(store) {}

  void put(std::string_view key, std::string_view value) override { space_.put(store_, key, value); }

  void put_batch(std::span<const Record> records, Order /*order*/) override {
    store_.transact([&](ingot::Transaction& tx) {
      for (const Record& record : records) space_.put(tx, view(record.key), view(record.value));
    });
  }

  std::optional<std::string_view> get(std::string_view key) override {
    value_ = space_.get(store_, key);
    if (!value_) return std::nullopt;
    return value_->view();
  }

  void scan(std::string_view from, std::uint64_t limit, ScanTotals& totals) override {
    const std::uint64_t before = totals.records;
    ingot::Scan scan = space_.scan(store_, ingot::from(from), {.limit = limit});
    while (scan.next()) {
      if (totals.records == before && scan.key().size() == kKeyBytes) {
        std::memcpy(totals.first.data(), scan.key().data(), kKeyBytes);
      }
      totals.add(scan.key(), scan.value());
    }
  }

  void advance(std::string_view key) override {
    store_.transact([&](ingot::Transaction& tx) {
      const std::optional<ingot::Value> old = space_.get(tx, key);
      ValueBytes fresh;
      make_successor(key, old ? std::optional(old->view()) : std::nullopt, fresh);
      space_.put(tx, key, view(fresh));
    });
  }

  void erase(std::string_view key) override { space_.erase(store_, key); }

 private:
  ingot::Store& store_;
  ingot::Space space_{"records"};
  std::optional<ingot::Value> value_;
};

class IngotEngine : public Engine {
 public:
  explicit IngotEngine(const StoreSettings& settings)
      : store_(ingot::open(settings.directory,
                           {.durability = settings.durability == Durability::disk ? ingot::Durability::disk
                                                                                  : ingot::Durability::process,
                            .memory_bytes = kCacheBytes})) {}

  std::unique_ptr<Session> session() override { return std::make_unique<IngotSession>(store_); }
  void sync() override { store_.sync(); }

 private:
  ingot::Store store_;
};

}  // namespace

EngineKind ingot_kind() {
  return {
      .name = "ingot",
      .version = ingot::release(),
      .build = "this source tree",
      .settings = "memory_bytes 512 MiB (memtables, cache and indexes together)",
      .disk = "Durability::disk, the default",
      .process = "Durability::process: synced within 100 ms in the background; a power cut may take the last commits",
      .advance = "transact, run again on conflict",
      .open = [](const StoreSettings& settings) -> std::unique_ptr<Engine> {
        return std::make_unique<IngotEngine>(settings);
      },
  };
}

}  // namespace bench
