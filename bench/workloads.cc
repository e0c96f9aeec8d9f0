// Loads, durable puts, reads, scans, contention. YCSB's mixes are in ycsb.cc. See workloads.h.
#include "workloads.h"

#include "ycsb.h"

namespace bench {
namespace {

constexpr std::uint64_t kContendedKeys = 100;
constexpr std::uint64_t kEraseParts = 4;  // a quarter of the records is erased
constexpr std::uint64_t kEveryByteEvery = 32;

double warmup_seconds(const Stage& stage) {
  return stage.catalog().scale.seconds * 0.25;
}

Plan timed(const Stage& stage, const Workload& workload, Timing timing) {
  return {.threads = workload.threads,
          .seconds = stage.catalog().scale.seconds,
          .warmup_seconds = warmup_seconds(stage),
          .timing = timing};
}

Measured durable_puts(Stage& stage, const Workload& workload) {
  stage.open("durable", Durability::disk, Transactions::none, workload.threads);
  const std::uint64_t records = stage.catalog().scale.records;
  return measure(timed(stage, workload, Timing::each), stage.sessions(), [records](Turn& turn) {
    const Key key = key_of(turn.random.below(records));
    ValueBytes value;
    make_value(view(key), static_cast<std::uint32_t>(turn.done), value);
    turn.session.put(view(key), view(value));
  });
}

Measured load_single(Stage& stage, const Workload& workload) {
  stage.open_fresh("single", Durability::process, Transactions::none, 1);
  const Plan plan{.threads = workload.threads, .operations = stage.catalog().scale.records};
  const Measured measured = measure(plan, stage.sessions(), [](Turn& turn) {
    const Key key = key_of(turn.done);
    ValueBytes value;
    make_value(view(key), 0, value);
    turn.session.put(view(key), view(value));
  });
  stage.check_loaded();
  stage.mark_loaded("single");
  return measured;
}

Measured load_batches(Stage& stage, const char* store, Order order) {
  stage.open_fresh(store, Durability::process, Transactions::none, 1);
  const std::uint64_t records = stage.catalog().scale.records;
  const Plan plan{.operations = (records + kBatchRecords - 1) / kBatchRecords};
  Measured measured = measure(plan, stage.sessions(), [&stage, records, order](Turn& turn) {
    const std::uint64_t begin = turn.done * kBatchRecords;
    stage.put_batch(turn.session, begin, std::min(kBatchRecords, records - begin), order);
  });
  measured.operations = records;
  stage.check_loaded();
  stage.mark_loaded(store);
  return measured;
}

Measured load_random(Stage& stage, const Workload& /*workload*/) {
  return load_batches(stage, kMainStore, Order::random);
}

Measured load_ascending(Stage& stage, const Workload& /*workload*/) {
  return load_batches(stage, "ascending", Order::ascending);
}

Measured erase(Stage& stage, const Workload& workload) {
  stage.open_loaded("single", Durability::process, Transactions::none, 1);
  const std::uint64_t records = stage.catalog().scale.records;
  const Plan plan{.threads = workload.threads, .operations = records / kEraseParts};
  const Measured measured =
      measure(plan, stage.sessions(), [](Turn& turn) { turn.session.erase(view(key_of(turn.done))); });
  ScanTotals totals;
  stage.sessions()[0]->scan({}, records * 2, totals);
  if (totals.records != records - records / kEraseParts) throw WrongAnswer("erased records are still there");
  return measured;
}

enum class Pick { uniform, zipfian, absent };

template <Pick kPick>
Measured get(Stage& stage, const Workload& workload) {
  stage.open_loaded(kMainStore, Durability::process, Transactions::none, workload.threads);
  const Catalog& catalog = stage.catalog();
  return measure(timed(stage, workload, Timing::sampled), stage.sessions(), [&catalog](Turn& turn) {
    std::uint64_t index = 0;
    if constexpr (kPick == Pick::zipfian) {
      index = catalog.ranks.at(turn.position++);
    } else {
      index = turn.random.below(catalog.scale.records) + (kPick == Pick::absent ? kAbsentFrom : 0);
    }
    const Key key = key_of(index);
    const std::optional<std::string_view> value = turn.session.get(view(key));
    if constexpr (kPick == Pick::absent) {
      if (value) throw WrongAnswer("a key that was never put has a value");
    } else {
      expect_present(view(key), value, turn.done % kEveryByteEvery == 0);
      turn.saw(index + (*generation_of(view(key), *value) << 1U));
    }
  });
}

template <std::uint64_t kLimit>
Measured scan(Stage& stage, const Workload& workload) {
  stage.open_loaded(kMainStore, Durability::process, Transactions::none, workload.threads);
  const Catalog& catalog = stage.catalog();
  return measure(timed(stage, workload, Timing::each), stage.sessions(), [&catalog](Turn& turn) {
    const Key key = key_of(turn.random.below(catalog.scale.records));
    ScanTotals totals;
    turn.session.scan(view(key), kLimit, totals);
    if (totals.records == 0 || totals.records > kLimit || totals.first != key) {
      throw WrongAnswer("a scan did not begin with the key it was to begin with");
    }
    turn.saw(totals.checksum + totals.records);
  });
}

// Every increment of every thread must be in the values at the end: a lost update fails the row.
Measured contended(Stage& stage, const Workload& workload) {
  const std::string store = workload.durability == Durability::disk ? "contended-durable" : "contended";
  stage.open_fresh(store, workload.durability, Transactions::read_modify_write, workload.threads);
  std::atomic<std::uint64_t> advanced{0};
  const Measured measured = measure(timed(stage, workload, Timing::each), stage.sessions(), [&advanced](Turn& turn) {
    turn.session.advance(view(key_of(turn.random.below(kContendedKeys))));
    advanced.fetch_add(1, std::memory_order_relaxed);
  });
  std::uint64_t counted = 0;
  for (std::uint64_t index = 0; index < kContendedKeys; ++index) {
    const Key key = key_of(index);
    const std::optional<std::string_view> value = stage.sessions()[0]->get(view(key));
    if (!value) continue;
    expect_present(view(key), value, true);
    counted += *generation_of(view(key), *value) + std::uint64_t{1};
  }
  if (counted != advanced.load()) {
    throw WrongAnswer("lost updates: " + std::to_string(advanced.load()) + " were committed, " +
                      std::to_string(counted) + " are there");
  }
  return measured;
}

}  // namespace

const std::vector<Workload>& workloads() {
  using D = Durability;
  static const std::vector<Workload> all = {
      {"put-durable-1", "durable puts", D::disk, 1, Unit::operations, false, durable_puts},
      {"put-durable-8", "durable puts", D::disk, 8, Unit::operations, false, durable_puts},
      {"put-durable-32", "durable puts", D::disk, 32, Unit::operations, false, durable_puts},
      {"contended-durable", "read-modify-write, 100 keys", D::disk, 8, Unit::operations, false, contended},
      {"put", "load, random, single puts", D::process, 1, Unit::records, false, load_single},
      {"erase", "erase a quarter, singly", D::process, 1, Unit::records, false, erase},
      {"load-ascending", "load, in key order, by 1000", D::process, 1, Unit::records, false, load_ascending},
      {"load", "load, random, by 1000", D::process, 1, Unit::records, false, load_random},
      {"get", "get, uniform", D::process, 1, Unit::operations, true, get<Pick::uniform>},
      {"get-2", "get, uniform", D::process, 2, Unit::operations, true, get<Pick::uniform>},
      {"get-zipf", "get, zipfian", D::process, 1, Unit::operations, true, get<Pick::zipfian>},
      {"get-zipf-2", "get, zipfian", D::process, 2, Unit::operations, true, get<Pick::zipfian>},
      {"get-miss", "get, absent keys", D::process, 1, Unit::operations, false, get<Pick::absent>},
      {"get-miss-2", "get, absent keys", D::process, 2, Unit::operations, false, get<Pick::absent>},
      {"scan-10", "scan of 10", D::process, 1, Unit::scans, true, scan<10>},
      {"scan-100", "scan of 100", D::process, 1, Unit::scans, true, scan<100>},
      {"scan-10000", "scan of 10,000", D::process, 1, Unit::scans, true, scan<10'000>},
      {"ycsb-c", "YCSB C: read", D::process, 2, Unit::operations, true, ycsb<'C'>},
      {"ycsb-b", "YCSB B: read 95, update 5", D::process, 2, Unit::operations, false, ycsb<'B'>},
      {"ycsb-a", "YCSB A: read 50, update 50", D::process, 2, Unit::operations, false, ycsb<'A'>},
      {"ycsb-f", "YCSB F: read 50, modify 50", D::process, 2, Unit::operations, false, ycsb<'F'>},
      {"ycsb-d", "YCSB D: read latest, insert 5", D::process, 2, Unit::operations, false, ycsb<'D'>},
      {"ycsb-e", "YCSB E: scan 1-100, insert 5", D::process, 2, Unit::operations, false, ycsb<'E'>},
      {"contended", "read-modify-write, 100 keys", D::process, 8, Unit::operations, false, contended},
      {"open-clean", "open after a close", D::process, 1, Unit::milliseconds, false, nullptr},
      {"open-killed", "open after kill -9", D::process, 1, Unit::milliseconds, false, nullptr},
  };
  return all;
}

}  // namespace bench
