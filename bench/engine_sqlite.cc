// SQLite as a key-value store: WAL, one table WITHOUT ROWID, prepared statements, a connection for each session.
// Writers queue on a mutex before they begin: SQLite's own waiting sleeps, which made it slower.
#include <sqlite3.h>

#include <mutex>

#include "engines.h"

namespace bench {
namespace {

constexpr int kBusyMilliseconds = 30'000;

// One connection, set up.
class Connection {
 public:
  Connection(const std::string& directory, Durability durability) {
    const std::string path = directory + "/records.sqlite";
    check(sqlite3_open_v2(path.c_str(), &handle_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                          nullptr));
    check(sqlite3_busy_timeout(handle_, kBusyMilliseconds));
    run("PRAGMA journal_mode=WAL");
    run(durability == Durability::disk ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    run("PRAGMA cache_size=-" + std::to_string(kCacheBytes / 1024));
    run("CREATE TABLE IF NOT EXISTS records (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID");
  }
  ~Connection() { sqlite3_close_v2(handle_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void run(const std::string& sql) { check(sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr)); }
  void check(int code) const {
    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
    throw EngineError(std::string("SQLite: ") + (handle_ != nullptr ? sqlite3_errmsg(handle_) : "open failed"));
  }
  sqlite3* handle() const { return handle_; }

 private:
  sqlite3* handle_ = nullptr;
};

class Statement {
 public:
  Statement(Connection& connection, const char* sql) : connection_(connection) {
    connection.check(sqlite3_prepare_v3(connection.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT, &handle_, nullptr));
  }
  ~Statement() { sqlite3_finalize(handle_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  void bind(int position, std::string_view bytes) {
    connection_.check(
        sqlite3_bind_blob(handle_, position, bytes.data(), static_cast<int>(bytes.size()), SQLITE_STATIC));
  }
  void bind(int position, std::uint64_t number) {
    connection_.check(sqlite3_bind_int64(handle_, position, static_cast<sqlite3_int64>(number)));
  }
  // Whether there is a (further) row.
  bool step() {
    const int code = sqlite3_step(handle_);
    connection_.check(code);
    return code == SQLITE_ROW;
  }
  std::string_view column(int position) {
    const void* const bytes = sqlite3_column_blob(handle_, position);
    return {static_cast<const char*>(bytes), static_cast<std::size_t>(sqlite3_column_bytes(handle_, position))};
  }
  void reset() { sqlite3_reset(handle_); }
  void run() {
    step();
    reset();
  }

 private:
  Connection& connection_;
  sqlite3_stmt* handle_ = nullptr;
};

class SqliteSession : public Session {
 public:
  SqliteSession(const StoreSettings& settings, std::mutex& writing)
      : writing_(writing), connection_(settings.directory, settings.durability) {}

  void put(std::string_view key, std::string_view value) override {
    get_.reset();
    const std::lock_guard lock(writing_);
    put_one(key, value);
  }

  void put_batch(std::span<const Record> records, Order /*order*/) override {
    get_.reset();
    const std::lock_guard lock(writing_);
    begin_.run();
    for (const Record& record : records) put_one(view(record.key), view(record.value));
    commit_.run();
  }

  std::optional<std::string_view> get(std::string_view key) override {
    get_.reset();
    get_.bind(1, key);
    if (!get_.step()) return std::nullopt;
    return get_.column(0);
  }

  void scan(std::string_view from, std::uint64_t limit, ScanTotals& totals) override {
    get_.reset();
    const std::uint64_t before = totals.records;
    scan_.bind(1, from.empty() ? std::string_view("") : from);  // without a pointer it would be NULL
    scan_.bind(2, limit);
    while (scan_.step()) {
      const std::string_view key = scan_.column(0);
      if (totals.records == before && key.size() == kKeyBytes) std::memcpy(totals.first.data(), key.data(), kKeyBytes);
      totals.add(key, scan_.column(1));
    }
    scan_.reset();
  }

  void advance(std::string_view key) override {
    get_.reset();
    const std::lock_guard lock(writing_);
    begin_.run();
    ValueBytes fresh;
    make_successor(key, get(key), fresh);
    get_.reset();
    put_one(key, view(fresh));
    commit_.run();
  }

  void erase(std::string_view key) override {
    get_.reset();
    const std::lock_guard lock(writing_);
    erase_.bind(1, key);
    erase_.run();
  }

 private:
  void put_one(std::string_view key, std::string_view value) {
    put_.bind(1, key);
    put_.bind(2, value);
    put_.run();
  }

  std::mutex& writing_;
  Connection connection_;
  Statement put_{connection_, "INSERT OR REPLACE INTO records VALUES (?1, ?2)"};
  Statement get_{connection_, "SELECT value FROM records WHERE key = ?1"};
  Statement scan_{connection_, "SELECT key, value FROM records WHERE key >= ?1 ORDER BY key LIMIT ?2"};
  Statement erase_{connection_, "DELETE FROM records WHERE key = ?1"};
  Statement begin_{connection_, "BEGIN IMMEDIATE"};
  Statement commit_{connection_, "COMMIT"};
};

class SqliteEngine : public Engine {
 public:
  explicit SqliteEngine(const StoreSettings& settings)
      : settings_(settings), connection_(settings.directory, settings.durability) {}

  std::unique_ptr<Session> session() override { return std::make_unique<SqliteSession>(settings_, writing_); }

  // A checkpoint syncs the log and the database.
  void sync() override {
    const std::lock_guard lock(writing_);
    connection_.run("PRAGMA wal_checkpoint(PASSIVE)");
  }

 private:
  StoreSettings settings_;
  std::mutex writing_;
  Connection connection_;
};

}  // namespace

EngineKind sqlite_kind() {
  return {
      .name = "sqlite",
      .version = sqlite3_libversion(),
      .build = INGOT_BENCH_SQLITE,
      .settings =
          "WAL, WITHOUT ROWID, prepared statements, page cache up to 512 MiB a connection; writers queue on a "
          "mutex",
      .disk = "synchronous=FULL",
      .process = "synchronous=NORMAL; a power cut takes what was committed since the last checkpoint's sync",
      .advance = "BEGIN IMMEDIATE … COMMIT",
      .open = [](const StoreSettings& settings) -> std::unique_ptr<Engine> {
        return std::make_unique<SqliteEngine>(settings);
      },
  };
}

}  // namespace bench
