// What the benchmark asks of an engine: one adapter each, in engine_<name>.cc.
//
// An adapter uses its engine as that engine's own manual advises, with the settings that docs/benchmarks.md states, and
// does nothing else: data, clocks, checks, memory and disk figures belong to the harness, the same for all.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "data.h"

namespace bench {

// What a commit has survived when it returns.
enum class Durability {
  disk,     // a power cut: it was synced
  process,  // the death of the process; each kind says what a power cut may take
};

enum class Order { random, ascending };

// Which transactions a store will see: an engine may need another way of opening for them.
enum class Transactions { none, read_modify_write };

struct StoreSettings {
  std::string directory;  // exists; empty if the store is to be made
  Durability durability = Durability::disk;
  Transactions transactions = Transactions::none;
  std::uint64_t records = 0;  // about so many will be stored
};

inline constexpr std::size_t kCacheBytes = std::size_t{512} << 20U;  // for every engine that has a cache

// What a scan has seen. Touches each key and value; the parts that it adds tell records apart.
struct ScanTotals {
  std::uint64_t records = 0;
  std::uint64_t checksum = 0;
  Key first{};  // the first key of the newest scan

  void add(std::string_view key, std::string_view value) {
    std::uint64_t tag = 0;
    std::uint64_t key_end = 0;
    if (value.size() >= sizeof tag) std::memcpy(&tag, value.data(), sizeof tag);
    if (key.size() >= sizeof key_end) std::memcpy(&key_end, key.data() + key.size() - sizeof key_end, sizeof key_end);
    checksum = (checksum ^ tag) * 0x9e3779b97f4a7c15U + key_end + value.size();
    ++records;
  }
};

class EngineError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// One thread's use of an open store. Every call is a transaction of its own; reads see what has been committed before.
class Session {
 public:
  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  virtual ~Session() = default;

  virtual void put(std::string_view key, std::string_view value) = 0;
  virtual void put_batch(std::span<const Record> records, Order order) = 0;
  // The view holds until this session's next call.
  virtual std::optional<std::string_view> get(std::string_view key) = 0;
  // Up to `limit` records from `from` on, each added to `totals`; totals.first becomes the first one's key.
  virtual void scan(std::string_view from, std::uint64_t limit, ScanTotals& totals) = 0;
  // Reads the key's value and writes its make_successor(), in one transaction, until it succeeds.
  virtual void advance(std::string_view key) = 0;
  virtual void erase(std::string_view key) = 0;
};

// An open store. Sessions end before it; the destructor closes it cleanly.
class Engine {
 public:
  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  virtual ~Engine() = default;

  virtual std::unique_ptr<Session> session() = 0;
  // Makes what was committed durable.
  virtual void sync() = 0;
};

struct EngineKind {
  std::string name;     // as given to --engines
  std::string version;  // as the library states it
  std::string build;    // where the library comes from
  std::string settings;
  std::string disk;     // how Durability::disk is had
  std::string process;  // how Durability::process is had, and what a power cut may do
  std::string advance;  // how the read-modify-write is a transaction
  std::unique_ptr<Engine> (*open)(const StoreSettings& settings);
};

// Those that this program was built with, Ingot first.
const std::vector<EngineKind>& engine_kinds();

}  // namespace bench
