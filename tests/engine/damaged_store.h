// A small store with everything in it: runs, range erasures, large values, counters, several segments of log; and its
// history, from which follows what it holds.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "engine/damageable_disk.h"
#include "engine/engine.h"
#include "engine/internal_key.h"
#include "engine/merged_view.h"

namespace ingot::engine {

using ingot::testing::DamageableDirectory;
using ingot::testing::DamageableDisk;
using Disk = std::shared_ptr<DamageableDisk>;
using Opened = std::shared_ptr<Engine>;
using Contents = std::map<std::string, std::string>;
using Change = std::function<void(Contents&)>;
using History = std::map<Version, std::vector<Change>>;

inline Opened open_store(const Disk& disk, Options options = {}) {
  return Engine::open(std::make_unique<DamageableDirectory>(disk), "/damaged", std::move(options));
}

inline CheckReport check(const Opened& engine) {
  return engine->check([](std::uint64_t, std::uint64_t) {});
}

inline std::string noise(std::uint64_t seed, std::size_t bytes) {
  base::Random random(seed);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random.below(256));
  return text;
}

inline std::string numbered(const char* name, int number) {
  return std::string(InternalKey("things", name + std::to_string(1000 + number)));
}

// A transaction that is remembered.
class Recorded {
 public:
  Recorded(Opened engine, History& history, Durability durability) : engine_(std::move(engine)), history_(history) {
    HeldView held = engine_->hold();
    tx_ =
        std::make_unique<TransactionState>(engine_, std::move(held.state), held.version, held.time_micros, durability);
  }
  ~Recorded() {
    const std::optional<Version> version = engine_->commit(*tx_);
    EXPECT_TRUE(version.has_value());
    history_[version.value_or(0)] = std::move(changes_);
  }
  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;
  void put(const std::string& key, const std::string& value, std::int64_t expires = 0) {
    tx_->put(key, value, expires);
    changes_.push_back([=](Contents& all) { all[key] = value; });
  }
  void erase(const std::string& key) {
    tx_->erase(key);
    changes_.push_back([=](Contents& all) { all.erase(key); });
  }
  void erase_range(const std::string& begin, const std::string& end) {
    tx_->erase_range(begin, end);
    changes_.push_back([=](Contents& all) { all.erase(all.lower_bound(begin), all.lower_bound(end)); });
  }
  void add(const std::string& key, std::int64_t delta) {
    tx_->add(key, delta);
    changes_.push_back([=](Contents& all) {
      const std::int64_t base = all.contains(key) ? counter_of(all[key]) : 0;
      all[key].resize(8);
      base::store_little(all[key].data(), static_cast<std::uint64_t>(base + delta));
    });
  }

 private:
  Opened engine_;
  History& history_;
  std::unique_ptr<TransactionState> tx_;
  std::vector<Change> changes_;
};

// What a store holds after that, but for the versions that were lost.
inline Contents contents_after(const History& history, const std::function<bool(Version)>& lost) {
  Contents all;
  for (const auto& [version, changes] : history) {
    if (lost(version)) continue;
    for (const Change& change : changes) change(all);
  }
  return all;
}

// Records of all kinds: some of them overwrite or erase those of earlier rounds.
inline void fill(const Opened& engine, History& history, int round) {
  const auto seed = static_cast<std::uint64_t>(round) * 100;
  {
    Recorded tx(engine, history, Durability::disk);
    for (int i = 0; i < 40; ++i) tx.put(numbered("k", i * 3 + round), noise(seed + static_cast<std::uint64_t>(i), 150));
    tx.put(numbered("expires", round), "later", std::int64_t{1} << 60);
  }
  Recorded(engine, history, Durability::disk).put(numbered("large", round), noise(seed, 45'000));
  Recorded(engine, history, Durability::process).erase(numbered("k", round * 7));
  Recorded(engine, history, Durability::process).add(numbered("counter", 0), round + 1);
  Recorded tx(engine, history, Durability::disk);
  tx.erase_range(numbered("k", 60 + round * 4), numbered("k", 63 + round * 4));
  tx.put(numbered("k", 61 + round * 4), "put after the erasure");
}

// Begins a segment of the log. Nothing can be flushed now, and settle says so.
inline void begin_segment(const Opened& engine, const Disk& disk) {
  disk->refuse_runs(true);
  EXPECT_ANY_THROW(engine->settle());
}

// Three runs, and a log without anything that is not in them.
inline Disk make_runs(History& history) {
  auto disk = std::make_shared<DamageableDisk>();
  const Opened engine = open_store(disk);
  for (int round = 0; round < 3; ++round) {
    fill(engine, history, round);
    begin_segment(engine, disk);
    disk->refuse_runs(false);
    while (engine->hold().state->sorted_runs.size() <= static_cast<std::size_t>(round))
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  while (engine->stats().log_bytes < (48U << 20)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  engine->close();
  return disk;
}

// Three segments of log on top of them.
inline Disk make_log(const Disk& runs, History& history) {
  const Disk disk = runs->copy();
  disk->refuse_runs(true);
  const Opened engine = open_store(disk);
  for (int round = 3; round < 6; ++round) {
    if (round > 3) begin_segment(engine, disk);
    fill(engine, history, round);
  }
  engine->close();
  return disk;
}

// All records, by a scan and one by one.
inline Contents everything(const Opened& engine) {
  engine->refresh();
  const HeldView held = engine->hold();
  Contents all;
  MergedView view(held.state, held.version, held.time_micros, {}, {}, ScanUse::lookup, engine->on_lost());
  for (bool more = view.first(); more; more = view.next()) all[std::string(view.key())] = view.seen().value;
  EXPECT_FALSE(view.failed()) << view.why();
  for (const auto& [key, value] : all) {
    std::string found;
    EXPECT_TRUE(engine->get_at(held.view(), key, [&](const Seen& seen) { found = seen.value; }));
    EXPECT_TRUE(found == value) << key;
  }
  return all;
}

}  // namespace ingot::engine
