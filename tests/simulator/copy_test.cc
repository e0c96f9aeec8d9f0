// A store is copied while it is written: on the simulated disk, to the simulated bucket, and back from it. The process
// that copies is killed at any step, the power fails, and requests meet with what they meet with; it is begun again
// until it is through. Then the copy is exactly what the store was at one version, not older than the last attempt,
// durably; and the breaks that would make it less are noticed.
#include "engine/copy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/testing.h"
#include "base/time.h"
#include "below.h"
#include "engine/bucket_medium.h"
#include "engine/bucket_target.h"
#include "engine/directory_target.h"
#include "engine/store_maker.h"
#include "in_world.h"
#include "ingot/error.h"
#include "ingot/space.h"
#include "ingot/store.h"

namespace ingot::simulator {
namespace {

using namespace std::chrono_literals;

using Contents = std::map<std::string, std::tuple<std::string, Version, std::int64_t>>;

// What a copy writes to. `at_the_end` is called when it has become a store.
class Target final : public Below {
 public:
  Target(storage::Directory& disk, std::function<void()> at_the_end)
      : Below(disk, "target"), at_the_end_(std::move(at_the_end)) {}
  storage::IoError rename(std::string_view from, std::string_view to) override {
    const storage::IoError error = Below::rename(from, to);
    if (!error && to == "store") at_the_end_();
    return error;
  }

 private:
  const std::function<void()> at_the_end_;
};

struct Way {
  bool from_bucket = false;
  bool to_bucket = false;
};

class Copies {
 public:
  Copies(World& world, const Way& way) : world_(world), chance_(world.chance), way_(way) {
    sizes_.segment_bytes = 64UL << 10;
    sizes_.run_file_bytes = 8UL << 10;
    sizes_.resting_memtable_bytes = 8UL << 10;
    sizes_.memory_bytes_min = 1UL << 20;
  }

  // A copy is killed, and another one comes through, of what the source has become; then arrives what the dead one had
  // sent. Days later nothing of that is left, and all of the copy.
  void leave_and_collect() {
    world_.scheduler.set_steps_max(100'000'000);
    make_source();
    const auto has_runs = [this] {
      const std::vector<std::string> keys = world_.bucket.keys();
      return std::any_of(keys.begin(), keys.end(), [](const auto& key) { return key.starts_with("target/runs/"); });
    };
    for (std::uint64_t steps = 100; !has_runs() && !through_; steps += 50) {
      Process& dead = world_.scheduler.start("copier", [this] { copy(true, false, false); });
      world_.scheduler.kill_after(dead, steps);
      world_.scheduler.wait_for_end(dead);
    }
    if (through_) world_.scheduler.fail("it was never interrupted");
    Contents whole;
    const auto run_process = [this](const char* name, std::function<void()> body) {
      world_.scheduler.wait_for_end(world_.scheduler.start(name, std::move(body)));
    };
    run_process("writer", [this] {
      Store store = open_source(false, false);
      for (int i = 0; i < 20; ++i) write(store);
      store.settle();
      note(store);
      store.close();
    });
    run_process("copier", [this] { copy(true, false, true); });
    const std::vector<std::string> sound = world_.bucket.keys();
    run_process("late", [this] {
      BelowBucket target(world_.bucket, "target");
      const base::Instant until = base::now() + 1min;
      using storage::PutMode;
      (void)target.put("copying", "a mark", PutMode::create, {}, until);
      (void)target.put("runs/00000000000000000000000000000001", "a run", PutMode::replace, {}, until);
      (void)target.put("checkpoints/0000000000000001-c-00000000-ffffffffffffffff-0000000000000001", "of its own id",
                       PutMode::create, {}, until);
      (void)target.begin_upload("runs/00000000000000000000000000000002", until);
    });
    if (world_.bucket.keys().size() != sound.size() + 3) world_.scheduler.fail("what is late did not arrive");
    run_process("reader", [this, &whole] {
      const Store store = open_target(true);
      Version version = 0;
      const Contents all = contents(store, version);
      const HostMemory host;
      whole = all;
    });
    for (int day = 0; day < 6; ++day) {
      world_.scheduler.sleep_for(26h);
      run_process("daily", [this] {
        Store store = open_target(false);
        for (int i = 0; i < 5; ++i) Space("daily").put(store, "k" + std::to_string(i), "v");
        store.settle();
        base::sleep_for(30s);
        store.close();
      });
    }
    for (const std::string& key : world_.bucket.keys()) {
      if (key == "target/copying" || key.ends_with("/00000000000000000000000000000001") ||
          key.ends_with("-ffffffffffffffff-0000000000000001"))
        world_.scheduler.fail(key + " is still there");
    }
    if (!world_.bucket.open_uploads().empty()) world_.scheduler.fail("an upload is still open");
    run_process("judge", [this, &whole] {
      std::string wrong;
      {
        const Store store = open_target(true);
        Version version = 0;
        if (contents(store, version) != whole) wrong = "something of the copy is gone";
        if (!store.check().clean()) wrong = "the copy is damaged";
      }
      fail(wrong);
    });
  }

  void run() {
    world_.scheduler.set_steps_max(20'000'000);
    profile_.garbage_page = chance_.percent(30) ? 300'000 : 0;
    world_.disk.set_faults(profile_);
    make_source();
    Process* writer = &start_writer();
    world_.scheduler.sleep_for(std::chrono::milliseconds(chance_.between(1, 800)));
    const std::uint64_t kills = chance_.below(12);
    BucketProfile wire;
    if ((way_.to_bucket || way_.from_bucket) && chance_.percent(70)) {
      wire = BucketProfile::draw(chance_);
      // What becomes of a writer's commits then is another test.
      if (way_.from_bucket) end_writer(*writer);
    }
    wire[Fault::stall] = 0;  // the writer would write for days
    world_.bucket.set_faults(wire);
    const bool pins = chance_.percent(60);
    for (std::uint64_t attempt = 0; !through_; ++attempt) {
      const bool last = attempt >= kills;
      if (last) {
        world_.bucket.set_faults({});
        world_.bucket.end_periods();
      }
      Process& copier =
          world_.scheduler.start("copier", [this, pins, last] { copy(pins, !last && chance_.one_in(3), last); });
      if (!last) world_.scheduler.kill_after(copier, chance_.between(20, 1500));
      world_.scheduler.wait_for_end(copier);
      if (last && !through_) world_.scheduler.fail("the last copy did not come through");
      // In a bucket what the dead had sent may be carried out after their heirs have looked: that is another test.
      if (!way_.from_bucket && chance_.percent(25)) {
        world_.disk.lose_power();
        writer = &start_writer();
      }
      if (chance_.percent(30)) world_.scheduler.sleep_for(std::chrono::milliseconds(chance_.below(400)));
    }
    world_.bucket.set_faults({});
    world_.bucket.end_periods();
    if (!stop_) end_writer(*writer);
    if (chance_.percent(70)) world_.disk.lose_power();  // the copy was said to be there
    Process& reader = world_.scheduler.start("reader", [this] { read(); });
    world_.scheduler.wait_for_end(reader);
    if (way_.to_bucket) {
      // Whatever was still on the wire does it no harm.
      world_.scheduler.sleep_for(Bucket::kWireMax + Bucket::kInsideMax);
      Process& later = world_.scheduler.start("later", [this] { read(); });
      world_.scheduler.wait_for_end(later);
    }
    world_.report.outcomes["attempts"] += attempts_;
    world_.report.outcomes["gone on"] += found_ ? 1 : 0;
  }

 private:
  void make_source() {
    Process& maker = world_.scheduler.start("maker", [this] {
      for (const char* folder : {"source", "target"}) expect_none(world_.disk.make_directory(folder));
      expect_none(world_.disk.sync_directory(""));
      Store store = open_source(false, true);
      for (std::uint64_t i = chance_.magnitude(1, 200); i > 0; --i) write(store);
      if (chance_.one_in(2)) store.settle();
      note(store);
    });
    world_.scheduler.wait_for_end(maker);
  }

  void expect_none(const storage::IoError& error) {
    if (error) world_.scheduler.fail("the disk: " + error.text());
  }

  std::shared_ptr<engine::Engine> open(const char* folder, bool in_bucket, const Options& options,
                                       May may = May::write) {
    if (!in_bucket)
      return engine::Engine::open(std::make_unique<Below>(world_.disk, folder, may), folder, options, sizes_);
    const auto make_medium = [this, folder](const engine::Medium::Setting& setting) {
      return engine::make_bucket_medium(std::make_unique<BelowBucket>(world_.bucket, folder), nullptr, setting);
    };
    return engine::Engine::open_on(make_medium, folder, options, sizes_);
  }
  static Options options(bool read_only, bool create) {
    Options options;
    options.memory_bytes = 1UL << 20;
    options.read_only = read_only;
    options.create = create;
    return options;
  }
  Store open_source(bool read_only, bool create) {
    return engine::StoreMaker::make(open("source", way_.from_bucket, options(read_only, create)));
  }
  Store open_target(bool read_only) {
    return engine::StoreMaker::make(open("target", way_.to_bucket, options(read_only, false)));
  }
  std::unique_ptr<engine::CopyTarget> target(bool last) {
    if (way_.to_bucket)
      return engine::make_bucket_target(std::make_unique<BelowBucket>(world_.bucket, "target"), "target", sizes_);
    const auto at_the_end = [this, last] {
      if (last || chance_.one_in(2)) return;
      world_.scheduler.kill_after(*world_.scheduler.current_process(), chance_.between(1, 8));
    };
    return engine::make_directory_target(std::make_unique<Target>(world_.disk, at_the_end), "target", sizes_);
  }

  static Contents contents(const Store& store, Version& version) {
    const Snapshot snapshot = store.snapshot();
    version = snapshot.version();
    Contents all;
    for (const char* name : {"things", "more"}) {
      for (Scan scan = Space(name).scan(snapshot); scan.next();)
        all[name + std::string(scan.key())] = {std::string(scan.value()), scan.version(), scan.expires_micros()};
    }
    return all;
  }

  // What the store holds now is remembered: nobody else writes.
  void note(const Store& store) {
    Version version = 0;
    const Contents all = contents(store, version);
    const HostMemory host;
    history_[version] = all;
    newest_ = std::max(newest_, version);
  }

  void end_writer(Process& writer) {
    stop_ = true;
    world_.scheduler.wait_for_end(writer);
  }

  Process& start_writer() {
    return world_.scheduler.start("writer", [this] {
      std::string wrong;
      try {
        Store store = open_source(false, false);
        note(store);
        for (std::uint64_t round = 0; !stop_; ++round) {
          if (round > 400 * (attempts_ + 1)) {  // a request may take hours
            base::sleep_for(10s);
            continue;
          }
          write(store);
          note(store);
          if (chance_.one_in(40)) store.settle();
          if (chance_.one_in(2)) base::sleep_for(std::chrono::milliseconds(chance_.below(30)));
        }
        store.close();
      } catch (const Error& error) {
        wrong = std::string("the writer: ") + error.what();
      }
      if (!wrong.empty()) world_.scheduler.fail(wrong);
    });
  }

  void write(Store& store) {
    store.transact([&](Transaction& tx) {
      for (std::uint64_t i = chance_.between(1, 4); i > 0; --i) {
        const Space space(chance_.one_in(4) ? "more" : "things");
        const std::string key = "k" + std::to_string(10 + chance_.below(80));
        const std::uint64_t what = chance_.below(10);
        if (what < 5) {
          std::string value(chance_.magnitude(1, 6000), '\0');
          for (char& c : value) c = static_cast<char>(chance_.next());
          space.put(tx, key, value);
        } else if (what == 5) {
          space.put(tx, key, "expires", {.ttl = 300'000h});
        } else if (what == 6) {
          space.erase(tx, key);
        } else if (what == 7) {
          space.erase_range(tx, {.begin = key, .end = key + "~"});
        } else {
          space.add(tx, "counter" + std::to_string(chance_.below(3)), 1);
        }
      }
    });
  }

  // `slow`: the writer goes on meanwhile, maybe faster than files can be copied that nobody pins.
  void copy(bool pins, bool slow, bool last) {
    ++attempts_;
    std::string wrong;
    bool there = false;
    const Version before = newest_;
    try {
      const std::shared_ptr<engine::Engine> source =
          open("source", way_.from_bucket, options(!pins, false), pins ? May::write : May::read);
      const std::unique_ptr<engine::CopyTarget> place = target(last);
      engine::copy_store(*source, *place, [&](const engine::CopyFigures& figures) {
        found_ |= figures.found > 0;
        if (slow) base::sleep_for(std::chrono::milliseconds(chance_.below(100)));
      });
      there = true;
      oldest_ = before;
      source->close();
    } catch (const Error& error) {
      // The attempt before was killed when nothing was left to do.
      there = error.code() == ErrorCode::invalid_argument &&
              std::string_view(error.what()).find("it was whole by then") != std::string_view::npos;
      const bool outrun = slow && !pins && error.code() == ErrorCode::expired;
      const bool away = (way_.to_bucket || way_.from_bucket) && !last && error.code() == ErrorCode::unavailable;
      if (!there && !outrun && !away) wrong = std::string("the copy: ") + error.what();
    }
    if (!wrong.empty()) world_.scheduler.fail(wrong);
    through_ = there;
  }

  void read() {
    std::string wrong;
    try {
      {
        const Store store = open_target(true);  // read-only: it does nothing by itself
        Version version = 0;
        const Contents all = contents(store, version);
        const auto then = history_.find(version);
        if (version < oldest_) {
          wrong = "the copy is of version " + std::to_string(version) + ", older than " + std::to_string(oldest_);
        } else if (then == history_.end()) {
          wrong = "the copy is of version " + std::to_string(version) + ", which nobody has seen";
        } else if (all != then->second) {
          wrong = "the copy is not what the store was at version " + std::to_string(version);
        }
        const CheckReport report = store.check();
        if (!report.clean())
          wrong = "the copy is damaged: " + (report.damage.empty() ? report.healed_places : report.damage).front();
        // (What the dead send to a bucket may come when nobody looks any more.)
        std::vector<std::string> names;
        if (!way_.to_bucket) {
          expect_none(Below(world_.disk, "target").list("runs", names));
          if (names.size() != store.stats().runs) wrong = "runs are left over";
          expect_none(Below(world_.disk, "target").list("", names));
          if (std::find(names.begin(), names.end(), "copying") != names.end()) wrong = "the mark is left over";
        }
        if (way_.to_bucket) return fail(wrong);
      }
      Store store = open_target(false);
      Space("things").put(store, "it", "takes more");
      store.close();
    } catch (const Error& error) {
      wrong = std::string("the reader: ") + error.what();
    }
    fail(wrong);
  }

  void fail(const std::string& wrong) {
    if (!wrong.empty()) world_.scheduler.fail(wrong);
  }

  World& world_;
  Chance& chance_;
  const Way way_;
  engine::Sizes sizes_;
  FaultProfile profile_;
  std::map<Version, Contents> history_;
  Version newest_ = 0;  // that the writer has seen
  Version oldest_ = 0;  // that the copy may be of
  bool stop_ = false;
  bool through_ = false;
  bool found_ = false;
  std::uint64_t attempts_ = 0;
};

#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t kSeeds = 20;
#else
constexpr std::uint64_t kSeeds = 250;
#endif

Ran copies(std::uint64_t seed, const Way& way = {}) {
  return in_world(seed, [&way](World& world) { Copies(world, way).run(); });
}

Report expect_copies(const Way& way, std::uint64_t seeds) {
  Report all;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const Ran ran = copies(seed, way);
    EXPECT_EQ(ran.failure, "") << "seed " << seed;
    if (!ran.failure.empty()) return all;
    all.add(ran.report);
  }
  EXPECT_GT(all.outcomes["attempts"], seeds * 2);
  EXPECT_GT(all.outcomes["gone on"], seeds / 6);
  return all;
}

TEST(CopiesToABucket, AreOfOneVersionWhateverBefallsRequests) {
  expect_copies({.to_bucket = true}, kSeeds / 2);
}

TEST(CopiesToABucket, WhatIsLeftOfDeadOnesIsCollectedAndNothingElse) {
  const Ran ran = in_world(3, [](World& world) { Copies(world, {.to_bucket = true}).leave_and_collect(); });
  EXPECT_EQ(ran.failure, "");
}

TEST(CopiesFromABucket, AreOfOneVersionWhereverTheyWereKilled) {
  expect_copies({.from_bucket = true}, kSeeds / 2);
}

TEST(CopiesFromABucketToAnother, AreOfOneVersionWhateverBefallsRequests) {
  expect_copies({.from_bucket = true, .to_bucket = true}, kSeeds / 4);
}

TEST(CopiesOnADisk, AreOfOneVersionWhereverTheyWereKilled) {
  Report all = expect_copies({}, kSeeds);
#ifndef __SANITIZE_ADDRESS__
  for (const char* probe : {"engine: a copy that was whole but for its mark was begun anew",
                            "engine: a copy threw away a run that an earlier one had left"}) {
    EXPECT_GT(all.probes[probe], 0U) << probe;
  }
#endif
}

class CopyBreak : public ::testing::TestWithParam<base::Break> {};

TEST_P(CopyBreak, IsCaught) {
  base::set_break(GetParam(), true);
  std::string failure;
  std::uint64_t seed = 0;
  while (failure.empty() && seed < 300) failure = copies(++seed).failure;
  base::set_break(GetParam(), false);
  EXPECT_NE(failure, "") << "not noticed in " << seed << " seeds";
}

INSTANTIATE_TEST_SUITE_P(Each, CopyBreak,
                         ::testing::Values(base::Break::copy_adopt_unsynced, base::Break::copy_adopt_unverified,
                                           base::Break::engine_flush_skip_record),
                         [](const auto& tested) { return std::string(base::break_name(tested.param)); });

}  // namespace
}  // namespace ingot::simulator
