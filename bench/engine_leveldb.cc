// LevelDB: its defaults, with RocksDB's write buffer (64 MiB, its own 4 MiB is slower), filter and cache.
#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/iterator.h>
#include <leveldb/options.h>
#include <leveldb/write_batch.h>

#include <mutex>

#include "engines.h"

namespace bench {
namespace {

leveldb::Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

std::string_view bytes_of(const leveldb::Slice& slice) {
  return {slice.data(), slice.size()};
}

void check(const leveldb::Status& status) {
  if (!status.ok()) throw EngineError("LevelDB: " + status.ToString());
}

class LeveldbSession : public Session {
 public:
  LeveldbSession(leveldb::DB& db, std::mutex& modifying, Durability durability) : db_(db), modifying_(modifying) {
    write_.sync = durability == Durability::disk;
  }

  void put(std::string_view key, std::string_view value) override { check(db_.Put(write_, slice(key), slice(value))); }

  void put_batch(std::span<const Record> records, Order /*order*/) override {
    batch_.Clear();
    for (const Record& record : records) batch_.Put(slice(view(record.key)), slice(view(record.value)));
    check(db_.Write(write_, &batch_));
  }

  std::optional<std::string_view> get(std::string_view key) override {
    const leveldb::Status status = db_.Get(read_, slice(key), &value_);
    if (status.IsNotFound()) return std::nullopt;
    check(status);
    return std::string_view(value_);
  }

  void scan(std::string_view from, std::uint64_t limit, ScanTotals& totals) override {
    const std::unique_ptr<leveldb::Iterator> iterator(db_.NewIterator(read_));
    iterator->Seek(slice(from));
    if (iterator->Valid() && iterator->key().size() == kKeyBytes) {
      std::memcpy(totals.first.data(), iterator->key().data(), kKeyBytes);
    }
    for (std::uint64_t i = 0; i < limit && iterator->Valid(); ++i) {
      totals.add(bytes_of(iterator->key()), bytes_of(iterator->value()));
      if (i + 1 < limit) iterator->Next();
    }
    check(iterator->status());
  }

  void advance(std::string_view key) override {
    const std::lock_guard lock(modifying_);
    const std::optional<std::string_view> old = get(key);
    ValueBytes fresh;
    make_successor(key, old, fresh);
    put(key, view(fresh));
  }

  void erase(std::string_view key) override { check(db_.Delete(write_, slice(key))); }

 private:
  leveldb::DB& db_;
  std::mutex& modifying_;
  leveldb::WriteOptions write_;
  leveldb::ReadOptions read_;
  leveldb::WriteBatch batch_;
  std::string value_;
};

class LeveldbEngine : public Engine {
 public:
  explicit LeveldbEngine(const StoreSettings& settings)
      : durability_(settings.durability),
        filter_(leveldb::NewBloomFilterPolicy(10)),
        cache_(leveldb::NewLRUCache(kCacheBytes)) {
    leveldb::Options options;
    options.create_if_missing = true;
    options.filter_policy = filter_.get();
    options.block_cache = cache_.get();
    options.write_buffer_size = std::size_t{64} << 20U;
    leveldb::DB* opened = nullptr;
    check(leveldb::DB::Open(options, settings.directory, &opened));
    db_.reset(opened);
  }

  std::unique_ptr<Session> session() override {
    return std::make_unique<LeveldbSession>(*db_, modifying_, durability_);
  }

  // LevelDB has no call for it: a synced write of nothing takes all before it along.
  void sync() override {
    leveldb::WriteOptions synced;
    synced.sync = true;
    leveldb::WriteBatch nothing;
    check(db_->Write(synced, &nothing));
  }

 private:
  Durability durability_;
  std::unique_ptr<const leveldb::FilterPolicy> filter_;
  std::unique_ptr<leveldb::Cache> cache_;
  std::mutex modifying_;
  std::unique_ptr<leveldb::DB> db_;
};

}  // namespace

EngineKind leveldb_kind() {
  return {
      .name = "leveldb",
      .version = std::to_string(leveldb::kMajorVersion) + "." + std::to_string(leveldb::kMinorVersion),
      .build = INGOT_BENCH_LEVELDB,
      .settings = "block cache 512 MiB, Bloom filter 10 bits, Snappy (default), write buffer 64 MiB",
      .disk = "WriteOptions.sync = true",
      .process = "WriteOptions.sync = false; a power cut takes what the kernel had not written",
      .advance = "no transactions: one mutex around the read and the write",
      .open = [](const StoreSettings& settings) -> std::unique_ptr<Engine> {
        return std::make_unique<LeveldbEngine>(settings);
      },
  };
}

}  // namespace bench
