// RocksDB: its defaults, and what its manual advises for point reads: a Bloom filter of 10 bits, a larger block cache.
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/optimistic_transaction_db.h>
#include <rocksdb/utilities/transaction.h>
#include <rocksdb/version.h>
#include <rocksdb/write_batch.h>

#include "engines.h"

namespace bench {
namespace {

rocksdb::Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

std::string_view bytes_of(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

void check(const rocksdb::Status& status) {
  if (!status.ok()) throw EngineError("RocksDB: " + status.ToString());
}

class RocksdbSession : public Session {
 public:
  RocksdbSession(rocksdb::DB& db, rocksdb::OptimisticTransactionDB* transactions, Durability durability)
      : db_(db), transactions_(transactions) {
    write_.sync = durability == Durability::disk;
  }

  void put(std::string_view key, std::string_view value) override { check(db_.Put(write_, slice(key), slice(value))); }

  void put_batch(std::span<const Record> records, Order /*order*/) override {
    batch_.Clear();
    for (const Record& record : records) check(batch_.Put(slice(view(record.key)), slice(view(record.value))));
    check(db_.Write(write_, &batch_));
  }

  std::optional<std::string_view> get(std::string_view key) override {
    value_.Reset();
    const rocksdb::Status status = db_.Get(read_, db_.DefaultColumnFamily(), slice(key), &value_);
    if (status.IsNotFound()) return std::nullopt;
    check(status);
    return bytes_of(value_);
  }

  void scan(std::string_view from, std::uint64_t limit, ScanTotals& totals) override {
    const std::unique_ptr<rocksdb::Iterator> iterator(db_.NewIterator(read_));
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
    if (transactions_ == nullptr) throw EngineError("RocksDB: not opened for transactions");
    for (;;) {
      rocksdb::Transaction* const reused = transaction_.release();
      transaction_.reset(transactions_->BeginTransaction(write_, {}, reused));
      value_.Reset();
      const rocksdb::Status found = transaction_->GetForUpdate(read_, db_.DefaultColumnFamily(), slice(key), &value_);
      if (!found.IsNotFound()) check(found);
      ValueBytes fresh;
      make_successor(key, found.ok() ? std::optional(bytes_of(value_)) : std::nullopt, fresh);
      check(transaction_->Put(slice(key), slice(view(fresh))));
      const rocksdb::Status committed = transaction_->Commit();
      if (committed.ok()) return;
      if (!committed.IsBusy() && !committed.IsTryAgain()) check(committed);
    }
  }

  void erase(std::string_view key) override { check(db_.Delete(write_, slice(key))); }

 private:
  rocksdb::DB& db_;
  rocksdb::OptimisticTransactionDB* transactions_;
  rocksdb::WriteOptions write_;
  rocksdb::ReadOptions read_;
  rocksdb::WriteBatch batch_;
  rocksdb::PinnableSlice value_;
  std::unique_ptr<rocksdb::Transaction> transaction_;
};

class RocksdbEngine : public Engine {
 public:
  explicit RocksdbEngine(const StoreSettings& settings) : durability_(settings.durability) {
    rocksdb::BlockBasedTableOptions table;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    table.block_cache = rocksdb::NewLRUCache(kCacheBytes);
    rocksdb::Options options;
    options.create_if_missing = true;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    options.compression = rocksdb::kLZ4Compression;
    if (settings.transactions == Transactions::read_modify_write) {
      rocksdb::OptimisticTransactionDB* opened = nullptr;
      check(rocksdb::OptimisticTransactionDB::Open(options, settings.directory, &opened));
      transactions_ = opened;
      db_.reset(opened);
    } else {
      rocksdb::DB* opened = nullptr;
      check(rocksdb::DB::Open(options, settings.directory, &opened));
      db_.reset(opened);
    }
  }

  std::unique_ptr<Session> session() override {
    return std::make_unique<RocksdbSession>(*db_, transactions_, durability_);
  }
  void sync() override { check(db_->SyncWAL()); }

 private:
  Durability durability_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::OptimisticTransactionDB* transactions_ = nullptr;  // db_, if it was opened so
};

}  // namespace

EngineKind rocksdb_kind() {
  return {
      .name = "rocksdb",
      .version =
          std::to_string(ROCKSDB_MAJOR) + "." + std::to_string(ROCKSDB_MINOR) + "." + std::to_string(ROCKSDB_PATCH),
      .build = INGOT_BENCH_ROCKSDB,
      .settings = "block cache 512 MiB, Bloom filter 10 bits, LZ4, write buffer 64 MiB (default), otherwise defaults",
      .disk = "WriteOptions.sync = true",
      .process = "WriteOptions.sync = false; a power cut takes what the kernel had not written",
      .advance = "OptimisticTransactionDB, GetForUpdate, run again on conflict",
      .open = [](const StoreSettings& settings) -> std::unique_ptr<Engine> {
        return std::make_unique<RocksdbEngine>(settings);
      },
  };
}

}  // namespace bench
