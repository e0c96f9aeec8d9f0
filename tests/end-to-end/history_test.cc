// Several processes read and write one directory at random while they are killed at random. What they saw and were told
// is written to files, and must be what a strictly serializable store can do.
//   INGOT_TEST_HOURS  how long (10 seconds, if it is not set)
#include "support/history.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "child.h"
#include "ingot/ingot.h"
#include "support/temporary_directory.h"

namespace ingot {
namespace {

using testing::Child;
using testing::TemporaryDirectory;
using namespace std::chrono_literals;
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

std::int64_t nanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}

// One process's part: transactions at random, each recorded before and after its commit.
class Historian {
 public:
  Historian(Store& store, std::uint32_t process, const std::string& path, std::uint64_t seed)
      : store_(store), process_(process), random_(seed), recorder_(path) {}

  void one() {
    history::Transaction told;
    told.process = process_;
    told.id = static_cast<std::uint64_t>(process_ + 1) << 32 | ++count_;
    told.invoked = nanos();
    const std::uint64_t kind = below(100);
    if (kind < 12) return look(told);
    Transaction tx = store_.begin({.durability = below(4) == 0 ? Durability::process : Durability::disk});
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
    } else {
      append(told, tx);
    }
    told.marker = full(kMarkers, std::to_string(told.id));
    kMarkers.put(tx, std::to_string(told.id), "1");
    told.writes.push_back({history::Write::Kind::put, told.marker, "1", 0});
    recorder_.intend(told);
    const std::optional<Version> version = tx.commit();
    told.returned = nanos();
    told.outcome = version ? history::Outcome::committed : history::Outcome::lost;
    told.version = version.value_or(0);
    recorder_.returned(told);
  }

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

 private:
  std::string thing() { return "k" + std::to_string(10 + below(30)); }

  void look(history::Transaction& told) {
    const Snapshot snapshot = store_.snapshot();
    told.snapshot = snapshot.version();
    for (int i = 0; i < 3; ++i) get(told, snapshot, kThings, thing());
    get(told, snapshot, kCounters, "c" + std::to_string(below(4)));
    scan(told, snapshot);
    recorder_.intend(told);
    told.returned = nanos();
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
  std::uint32_t process_;
  std::mt19937_64 random_;
  history::Recorder recorder_;
  std::uint64_t count_ = 0;
  std::size_t generations_[3] = {};
};

int historian(const testing::Arguments& arguments) {
  Store store = open(arguments.at(0));
  Historian historian(store, static_cast<std::uint32_t>(std::stoul(arguments.at(1))), arguments.at(2),
                      std::stoull(arguments.at(3)));
  testing::say("open");
  for (;;) {
    historian.one();
    if (historian.below(3000) == 0) store.settle();
  }
}
const testing::RoleRegistration kHistorian("historian", historian);

std::chrono::seconds duration() {
  const char* hours = std::getenv("INGOT_TEST_HOURS");
  return hours == nullptr ? 10s : std::chrono::seconds(static_cast<long>(std::atof(hours) * 3600));
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

struct Tally {
  std::uint64_t kills = 0;
  std::uint64_t transactions = 0;
  std::uint64_t unknown = 0;
  std::uint64_t lost = 0;
};

// One round: a fresh store, four processes, kills for `length`; then judgement.
void play(std::chrono::seconds length, std::uint64_t seed, Tally& tally) {
  const TemporaryDirectory directory;
  const std::string where = directory.at("store");
  std::mt19937_64 random(seed);
  std::vector<std::string> files;
  std::vector<std::unique_ptr<Child>> children(4);
  const auto start = [&](std::unique_ptr<Child>& child) {
    const std::string number = std::to_string(files.size());
    files.push_back(directory.at("history." + number));
    child =
        std::make_unique<Child>("historian", testing::Arguments{where, number, files.back(), std::to_string(random())});
  };
  const auto end = [&](Child& child) {
    const int status = child.kill_and_wait();
    for (const std::string& line : child.last_lines()) EXPECT_EQ(line, "open");
    ASSERT_EQ(status, -SIGKILL) << "it ended by itself";
    ++tally.kills;
  };
  for (auto& child : children) start(child);
  const Clock::time_point over = Clock::now() + length;
  std::this_thread::sleep_for(300ms);
  while (Clock::now() < over) {
    std::this_thread::sleep_for(std::chrono::milliseconds(30 + random() % 120));
    // Mostly one; now and then all.
    const bool all = random() % 20 == 0;
    const std::size_t chosen = random() % children.size();
    for (std::size_t i = 0; i < children.size(); ++i) {
      if (all || i == chosen) children[i]->signal(SIGKILL);
    }
    for (std::size_t i = 0; i < children.size(); ++i) {
      if (!all && i != chosen) continue;
      ASSERT_NO_FATAL_FAILURE(end(*children[i]));
      start(children[i]);
    }
  }
  for (auto& child : children) ASSERT_NO_FATAL_FAILURE(end(*child));

  // Who was killed before its first commit has no file.
  std::erase_if(files, [](const std::string& file) { return access(file.c_str(), F_OK) != 0; });
  std::vector<history::Violation> violations;
  const std::vector<history::Transaction> all = history::read_history(files, violations);
  tally.transactions += all.size();
  for (const history::Transaction& one : all) {
    tally.unknown += one.outcome == history::Outcome::unknown && !one.writes.empty() ? 1 : 0;
    tally.lost += one.outcome == history::Outcome::lost ? 1 : 0;
  }
  const Store store = open(where);
  const history::FinalState state = final_state(store);
  EXPECT_EQ(history::explain(violations), "");
  EXPECT_EQ(history::explain(history::check(all, state)), "") << "seed " << seed;
  EXPECT_EQ(history::explain(history::check_lists(all, state)), "") << "seed " << seed;
  const CheckReport report = store.check();
  EXPECT_TRUE(report.clean()) << (report.damage.empty() ? "healed" : report.damage[0]);
}

TEST(History, UnderKillsIsStrictlySerializable) {
  const Clock::time_point over = Clock::now() + duration();
  Tally tally;
  std::uint64_t rounds = 0;
  const std::uint64_t first_seed = std::random_device{}();
  while (Clock::now() < over && !HasFailure()) {
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(over - Clock::now()) + 1s;
    play(std::min<std::chrono::seconds>(left, 30s), first_seed + rounds, tally);
    ++rounds;
  }
  std::cout << tally.transactions << " transactions (" << tally.lost << " lost, " << tally.unknown << " unknown), "
            << tally.kills << " kills, " << rounds << " stores\n";
  EXPECT_GT(tally.transactions, 1000U);
  EXPECT_GE(tally.kills, 40U);
}

}  // namespace
}  // namespace ingot
