// LMDB. A session keeps one read transaction, which it renews for each read, as LMDB's manual advises: so a read sees
// what has been committed before, and costs no allocation. Values are views into the map.
#include <lmdb.h>

#include <algorithm>
#include <utility>

#include "engines.h"

namespace bench {
namespace {

constexpr unsigned kReadersMax = 256;
constexpr std::size_t kMapBytesMin = std::size_t{4} << 30U;
constexpr std::size_t kMapBytesPerRecord = 2048;  // far more than needed: address space costs nothing

void check(int code) {
  if (code != MDB_SUCCESS) throw EngineError(std::string("LMDB: ") + mdb_strerror(code));
}

MDB_val val(std::string_view bytes) {
  return {bytes.size(), const_cast<char*>(bytes.data())};
}

std::string_view bytes_of(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

// A write transaction that ends with its scope.
class Write {
 public:
  Write(MDB_env* environment, MDB_dbi records) : records_(records) {
    check(mdb_txn_begin(environment, nullptr, 0, &transaction_));
  }
  Write(const Write&) = delete;
  Write& operator=(const Write&) = delete;
  ~Write() {
    if (transaction_ != nullptr) mdb_txn_abort(transaction_);
  }

  void put(std::string_view key, std::string_view value, unsigned flags) {
    MDB_val k = val(key);
    MDB_val v = val(value);
    check(mdb_put(transaction_, records_, &k, &v, flags));
  }
  std::optional<std::string_view> get(std::string_view key) {
    MDB_val k = val(key);
    MDB_val v;
    const int code = mdb_get(transaction_, records_, &k, &v);
    if (code == MDB_NOTFOUND) return std::nullopt;
    check(code);
    return bytes_of(v);
  }
  void erase(std::string_view key) {
    MDB_val k = val(key);
    const int code = mdb_del(transaction_, records_, &k, nullptr);
    if (code != MDB_NOTFOUND) check(code);
  }
  void commit() {
    MDB_txn* const ending = std::exchange(transaction_, nullptr);
    check(mdb_txn_commit(ending));
  }

 private:
  MDB_txn* transaction_ = nullptr;
  MDB_dbi records_;
};

class LmdbSession : public Session {
 public:
  LmdbSession(MDB_env* environment, MDB_dbi records) : environment_(environment), records_(records) {
    check(mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &reading_));
    check(mdb_cursor_open(reading_, records_, &cursor_));
    mdb_txn_reset(reading_);
  }
  ~LmdbSession() override {
    mdb_cursor_close(cursor_);
    mdb_txn_abort(reading_);
  }
  LmdbSession(const LmdbSession&) = delete;
  LmdbSession& operator=(const LmdbSession&) = delete;

  void put(std::string_view key, std::string_view value) override {
    end_reading();
    Write write(environment_, records_);
    write.put(key, value, 0);
    write.commit();
  }

  void put_batch(std::span<const Record> records, Order order) override {
    end_reading();
    Write write(environment_, records_);
    for (const Record& record : records) {
      write.put(view(record.key), view(record.value), order == Order::ascending ? MDB_APPEND : 0);
    }
    write.commit();
  }

  std::optional<std::string_view> get(std::string_view key) override {
    begin_reading();
    MDB_val k = val(key);
    MDB_val v;
    const int code = mdb_get(reading_, records_, &k, &v);
    if (code == MDB_NOTFOUND) return std::nullopt;
    check(code);
    return bytes_of(v);
  }

  void scan(std::string_view from, std::uint64_t limit, ScanTotals& totals) override {
    begin_reading();
    check(mdb_cursor_renew(reading_, cursor_));
    MDB_val k = val(from);
    MDB_val v;
    int code = mdb_cursor_get(cursor_, &k, &v, from.empty() ? MDB_FIRST : MDB_SET_RANGE);
    if (code == MDB_SUCCESS && k.mv_size == kKeyBytes) std::memcpy(totals.first.data(), k.mv_data, kKeyBytes);
    for (std::uint64_t i = 0; i < limit && code == MDB_SUCCESS; ++i) {
      totals.add(bytes_of(k), bytes_of(v));
      if (i + 1 < limit) code = mdb_cursor_get(cursor_, &k, &v, MDB_NEXT);
    }
    if (code != MDB_NOTFOUND) check(code);
  }

  void advance(std::string_view key) override {
    end_reading();
    Write write(environment_, records_);
    ValueBytes fresh;
    make_successor(key, write.get(key), fresh);
    write.put(key, view(fresh), 0);
    write.commit();
  }

  void erase(std::string_view key) override {
    end_reading();
    Write write(environment_, records_);
    write.erase(key);
    write.commit();
  }

 private:
  // A read transaction that stays open keeps the pages that writers could use again.
  void end_reading() {
    if (!reading_now_) return;
    mdb_txn_reset(reading_);
    reading_now_ = false;
  }
  void begin_reading() {
    end_reading();
    check(mdb_txn_renew(reading_));
    reading_now_ = true;
  }

  MDB_env* environment_;
  MDB_dbi records_;
  MDB_txn* reading_ = nullptr;
  MDB_cursor* cursor_ = nullptr;
  bool reading_now_ = false;
};

class LmdbEngine : public Engine {
 public:
  explicit LmdbEngine(const StoreSettings& settings) {
    check(mdb_env_create(&environment_));
    check(mdb_env_set_mapsize(environment_, std::max(kMapBytesMin, settings.records * kMapBytesPerRecord)));
    check(mdb_env_set_maxreaders(environment_, kReadersMax));
    const unsigned flags = MDB_NOTLS | (settings.durability == Durability::process ? MDB_NOSYNC : 0);
    check(mdb_env_open(environment_, settings.directory.c_str(), flags, 0644));
    MDB_txn* transaction = nullptr;
    check(mdb_txn_begin(environment_, nullptr, 0, &transaction));
    check(mdb_dbi_open(transaction, nullptr, 0, &records_));
    check(mdb_txn_commit(transaction));
  }
  ~LmdbEngine() override { mdb_env_close(environment_); }
  LmdbEngine(const LmdbEngine&) = delete;
  LmdbEngine& operator=(const LmdbEngine&) = delete;

  std::unique_ptr<Session> session() override { return std::make_unique<LmdbSession>(environment_, records_); }
  void sync() override { check(mdb_env_sync(environment_, 1)); }

 private:
  MDB_env* environment_ = nullptr;
  MDB_dbi records_ = 0;
};

}  // namespace

EngineKind lmdb_kind() {
  int major = 0;
  int minor = 0;
  int patch = 0;
  mdb_version(&major, &minor, &patch);
  return {
      .name = "lmdb",
      .version = std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch),
      .build = INGOT_BENCH_LMDB,
      .settings = "a map of at least 4 GiB, no write map, MDB_NOTLS; MDB_APPEND for the ascending load",
      .disk = "its default: every commit synced",
      .process = "MDB_NOSYNC; a power cut may damage the whole store, which no other engine here risks",
      .advance = "one write transaction (LMDB has one writer at a time)",
      .open = [](const StoreSettings& settings) -> std::unique_ptr<Engine> {
        return std::make_unique<LmdbEngine>(settings);
      },
  };
}

}  // namespace bench
