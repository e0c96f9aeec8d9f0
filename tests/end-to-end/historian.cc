#include "historian.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <optional>
#include <random>
#include <thread>

#include "child.h"
#include "engine/place.h"
#include "fault_page.h"

namespace ingot::testing {
namespace {

using Clock = std::chrono::steady_clock;

// In the history a key is its space's name, '/', and itself.
const Space kThings("things");
const Space kCounters("counters");
const Space kLists("lists");
const Space kMarkers("markers");
constexpr const Space* kSpaces[] = {&kThings, &kCounters, &kLists, &kMarkers};

std::string full(const Space& space, const std::string& key) {
  return space.name() + "/" + key;
}

// Large values, which make memtables fill, be flushed and merged. Not in the history: each says what it must be.
const Space kBallast("ballast");
constexpr std::uint64_t kBallastKeys = 40;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kBallastPercent = 12;  // of fewer transactions
#else
constexpr std::uint64_t kBallastPercent = 4;
#endif
constexpr std::size_t kBallastBytes = 700'000;

std::string ballast(std::uint64_t id) {
  std::mt19937_64 random(id);
  std::string block;
  while (block.size() < 4096) block += std::to_string(random());
  std::string value = std::to_string(id) + ":";
  const std::size_t bytes = id % 4 == 0 ? 2 * kBallastBytes : kBallastBytes;  // the larger: no slot of a bucket has it
  while (value.size() < bytes) value += block;
  return value;
}

// One thread's part: transactions at random, each recorded before and after its commit.
class Historian {
 public:
  // `thread`: of all threads of all historians.
  Historian(Store& store, std::uint32_t process, std::uint32_t thread, const std::string& path, std::uint64_t seed)
      : store_(store),
        in_bucket_(engine::is_bucket(store.where())),
        process_(process),
        thread_(thread),
        random_(seed),
        recorder_(path) {}

  void one() {
    history::Transaction told;
    told.process = process_;
    told.id = static_cast<std::uint64_t>(thread_ + 1) << 32 | ++count_;
    told.invoked = history_nanos();
    const std::uint64_t kind = below(100);
    told.fresh = !in_bucket_ || below(4) == 0;
    if (kind < 12) return look(told);
    Transaction tx = store_.begin(
        {.durability = below(4) == 0 ? Durability::process : Durability::disk, .fresh = in_bucket_ && told.fresh});
    told.snapshot = tx.snapshot_version();
    if (kind < 45) {
      for (int i = 0; i < 2; ++i) get(told, tx, kThings, thing());
      for (int i = 0; i < 2; ++i) put(told, tx);
    } else if (kind < 55) {
      put(told, tx);
      const std::string key = thing();
      kThings.erase(tx, key);
      told.writes.push_back({history::Write::Kind::erase, full(kThings, key), {}, 0});
    } else if (kind < 70) {
      scan(told, tx);
      put(told, tx);
    } else if (kind < 76) {
      get(told, tx, kThings, thing());
      const std::string begin = thing();
      const std::string end = begin + "~";
      kThings.erase_range(tx, between(begin, end));
      told.writes.push_back({history::Write::Kind::erase_range, full(kThings, begin), full(kThings, end), 0});
    } else if (kind < 86) {
      const std::string key = "c" + std::to_string(below(4));
      if (below(3) == 0) get(told, tx, kCounters, key);
      const auto delta = static_cast<std::int64_t>(below(100)) - 50;
      kCounters.add(tx, key, delta);
      told.writes.push_back({history::Write::Kind::add, full(kCounters, key), {}, delta});
    } else if (kind < 100 - kBallastPercent) {
      append(told, tx);
    } else {
      kBallast.put(tx, std::to_string(below(kBallastKeys)), ballast(told.id));
    }
    told.marker = full(kMarkers, std::to_string(told.id));
    kMarkers.put(tx, std::to_string(told.id), "1");
    told.writes.push_back({history::Write::Kind::put, told.marker, "1", 0});
    recorder_.intend(told);
    const std::optional<Version> version = commit(tx);
    reached("commit returned");
    told.returned = history_nanos();
    told.outcome = version ? history::Outcome::committed : history::Outcome::lost;
    told.version = version.value_or(0);
    recorder_.returned(told);
    reached("commit recorded");
  }

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

 private:
  // A bucket may be away: then nothing is there of it, or it can be asked about until that is known.
  std::optional<Version> commit(Transaction& tx) {
    if (!in_bucket_) return tx.commit();
    try {
      return tx.commit();
    } catch (const Undecided& undecided) {
      const std::optional<Version> version = outcome_of(undecided);
      say(version ? "undecided, kept" : "undecided, not kept");
      return version;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unavailable) throw;
      return std::nullopt;
    }
  }
  std::optional<Version> outcome_of(const Undecided& undecided) {
    for (;;) {
      try {
        return store_.outcome(undecided);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::unavailable) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    }
  }
  std::string thing() { return "k" + std::to_string(10 + below(30)); }

  void look(history::Transaction& told) {
    const Snapshot snapshot = store_.snapshot({.fresh = in_bucket_ && told.fresh});
    told.snapshot = snapshot.version();
    for (int i = 0; i < 3; ++i) get(told, snapshot, kThings, thing());
    get(told, snapshot, kCounters, "c" + std::to_string(below(4)));
    scan(told, snapshot);
    recorder_.intend(told);
    told.returned = history_nanos();
    told.outcome = history::Outcome::committed;
    recorder_.returned(told);
  }
  void get(history::Transaction& told, Reader where, const Space& space, const std::string& key) {
    const std::optional<Value> value = space.get(where, key);
    told.reads.push_back({full(space, key), value ? std::optional(history::digest(*value)) : std::nullopt});
  }
  void scan(history::Transaction& told, Reader where) {
    std::string begin = thing();
    std::string end = thing();
    if (end < begin) std::swap(begin, end);
    history::RangeRead& read = told.ranges.emplace_back();
    read.begin = full(kThings, begin);
    read.end = full(kThings, end);
    const bool reverse = below(2) == 0;
    for (const auto& [key, value] : kThings.scan(where, between(begin, end), {.reverse = reverse})) {
      read.records.emplace_back(full(kThings, std::string(key)), history::digest(value));
    }
    if (reverse) std::reverse(read.records.begin(), read.records.end());
  }
  void put(history::Transaction& told, Transaction& tx) {
    const std::string key = thing();
    const std::string value = std::to_string(told.id) + "." + std::to_string(told.writes.size());
    kThings.put(tx, key, value);
    told.writes.push_back({history::Write::Kind::put, full(kThings, key), value, 0});
  }
  // Lists end when they are long, and their readers go on to the next.
  void append(history::Transaction& told, Transaction& tx) {
    std::size_t& generation = generations_[below(3)];
    for (;; ++generation) {
      const std::string key = "l" + std::to_string(&generation - generations_) + "." + std::to_string(generation);
      const std::optional<Value> value = kLists.get(tx, key);
      told.reads.push_back({full(kLists, key), value ? std::optional(history::digest(*value)) : std::nullopt});
      std::vector<std::uint64_t> ids = history::list_ids(value ? value->view() : std::string_view());
      told.lists.push_back({full(kLists, key), ids});
      if (ids.size() >= 60) continue;
      ids.push_back(told.id);
      const std::string longer = history::list_value(ids);
      kLists.put(tx, key, longer);
      told.appends.push_back(full(kLists, key));
      told.writes.push_back({history::Write::Kind::put, full(kLists, key), longer, 0});
      return;
    }
  }

  Store& store_;
  const bool in_bucket_;
  const std::uint32_t process_;
  const std::uint32_t thread_;
  std::mt19937_64 random_;
  history::Recorder recorder_;
  std::uint64_t count_ = 0;
  std::size_t generations_[3] = {};
};

void name_thread(const char* name) {
  prctl(PR_SET_NAME, name);
}

// Opens it, again and again if a bucket is away.
Store open_patiently(const std::string& where, const Options& options) {
  for (;;) {
    try {
      return open(where, options);
    } catch (const Error& error) {
      if (!engine::is_bucket(where) || error.code() != ErrorCode::unavailable) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
}

void work(Historian& historian, Store& store, const std::atomic<bool>& leaving) {
  const bool in_bucket = engine::is_bucket(store.where());
  while (!leaving.load()) {
    try {
      historian.one();
      if (historian.below(3000) == 0) store.settle();
    } catch (const Error& error) {
      if (!in_bucket || error.code() != ErrorCode::unavailable) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
}

int historian(const Arguments& arguments) {
  name_thread(kOpeningThread);
  const std::int64_t begun = history_nanos();
  Options options;
  if (arguments.size() > 4) options.deadline = std::chrono::milliseconds(std::stol(arguments.at(4)));
  Store store = open_patiently(arguments.at(0), options);
  const BucketStats asked = store.stats().bucket;
  say("open " + std::to_string((history_nanos() - begun) / 1000) + " " +
      std::to_string(asked.gets + asked.puts + asked.lists + asked.removes));
  const auto number = static_cast<std::uint32_t>(std::stoul(arguments.at(1)));
  std::atomic<bool> leaving{false};
  const auto run = [&](int index) {
    name_thread(kHistorianThread);
    try {
      const std::uint32_t thread = number * kHistorianThreads + static_cast<std::uint32_t>(index);
      Historian historian(store, number, thread, history_file(arguments.at(2), index),
                          std::stoull(arguments.at(3)) + static_cast<std::uint64_t>(index));
      work(historian, store, leaving);
    } catch (const std::exception& error) {
      say(std::string("error ") + error.what());
      _exit(3);
    }
  };
  std::vector<std::thread> threads;
  for (int index = 0; index < kHistorianThreads; ++index) threads.emplace_back(run, index);
  while (heard()) {
  }
  leaving = true;
  for (std::thread& thread : threads) thread.join();
  store.close();
  return 0;
}
const RoleRegistration kHistorian("historian", historian);

}  // namespace

std::int64_t history_nanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}

std::string history_file(const std::string& file, int thread) {
  return file + "." + std::to_string(thread);
}

history::FinalState final_state(const Store& store) {
  history::FinalState state;
  const Snapshot snapshot = store.snapshot();
  state.version = snapshot.version();
  for (const Space* space : kSpaces) {
    for (Scan scan = space->scan(snapshot); scan.next();) {
      state.records[full(*space, std::string(scan.key()))] = {std::string(scan.value()), scan.version()};
    }
  }
  return state;
}

history::Transaction as_reading(const history::FinalState& state, std::uint64_t id, std::int64_t invoked,
                                std::int64_t returned) {
  history::Transaction told;
  told.id = id;
  told.invoked = invoked;
  told.returned = returned;
  told.outcome = history::Outcome::committed;
  told.snapshot = state.version;
  history::RangeRead& all = told.ranges.emplace_back();  // every space, in the order of their names
  for (const auto& [key, record] : state.records) all.records.emplace_back(key, history::digest(record.value));
  return told;
}

std::string ballast_trouble(const Store& store) {
  for (Scan scan = kBallast.scan(store); scan.next();) {
    const std::string value(scan.value());
    if (value != ballast(std::stoull(value))) return "ballast " + std::string(scan.key()) + " is not what was written";
  }
  return "";
}

}  // namespace ingot::testing
