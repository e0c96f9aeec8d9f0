#include "engine_session.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/thread.h"
#include "base/time.h"
#include "engine/bucket_medium.h"
#include "engine/sizes.h"
#include "engine/store_maker.h"
#include "ingot/space.h"
#include "ingot/store.h"
#include "memory.h"
#include "mounted.h"
#include "storage/disk_cache.h"

namespace ingot::simulator {

namespace {

using namespace std::chrono_literals;
using history::Transaction;
using history::Write;
using TransactionOfStore = ingot::Transaction;

// Values, values, counters, lists, one record for each transaction, and what expires.
struct Place {
  Space space;
  std::string prefix;  // of its keys in the history
};
const std::array<Place, 6> kPlaces = {Place{Space("a"), "a/"}, Place{Space("b"), "b/"}, Place{Space("c"), "c/"},
                                      Place{Space("l"), "l/"}, Place{Space("m"), "m/"}, Place{Space("e"), "e/"}};
constexpr std::uint32_t kFailuresMax = 40;  // of a process: then it gives up
constexpr std::uint64_t kCacheBytes = 4 << 20;
constexpr std::size_t kCounters = 2;
constexpr std::size_t kLists = 3;
constexpr std::size_t kMarkers = 4;
constexpr std::size_t kExpiring = 5;  // not in the history, which knows of no time

engine::Sizes sizes_of(const Workload& workload) {
  engine::Sizes sizes;
  sizes.segment_bytes = workload.segment_bytes;
  sizes.run_file_bytes = workload.segment_bytes;
  sizes.resting_memtable_bytes = workload.segment_bytes / 8;
  sizes.memory_bytes_min = 1 << 20;
  return sizes;
}

Store open_store(EngineWorld& shared, Options options) {
  options.memory_bytes = std::max<std::size_t>(1 << 20, shared.workload.segment_bytes * 6);
  options.on_message = [&shared](const Message& message) {
    shared.world.report.outcome(message.severity == Message::Severity::warning ? "message: warning" : "message: info");
  };
  if (shared.in_bucket) {
    const auto make_medium = [&shared](const engine::Medium::Setting& setting) {
      std::unique_ptr<storage::DiskCache> cache;
      if (shared.caches) {
        cache = std::make_unique<storage::DiskCache>(
            [&shared](std::unique_ptr<storage::Directory>& root) {
              root = std::make_unique<Mounted>(shared.world.disk);
              return storage::IoError();
            },
            kCacheBytes, setting.on_message);
      }
      return engine::make_bucket_medium(std::make_unique<MountedBucket>(shared.world.bucket), std::move(cache),
                                        setting);
    };
    return engine::StoreMaker::make(
        engine::Engine::open_on(make_medium, "s3://simulated", std::move(options), sizes_of(shared.workload)));
  }
  return engine::StoreMaker::make(engine::Engine::open(std::make_unique<Mounted>(shared.world.disk), "/simulated",
                                                       std::move(options), sizes_of(shared.workload)));
}

// Nothing but these may come out of a call. Says what is wrong with it, or nothing.
std::string judge_error(EngineWorld& shared, bool read_only, const char* what, const Error& error) {
  shared.world.report.outcome(std::string(what) + ": " + name(error.code()));
  switch (error.code()) {
    case ErrorCode::unavailable:
      if (!shared.calm) return {};
      // The store is being made, and so is its log.
      if (read_only && std::string_view(what) == "open") return {};
      break;
    case ErrorCode::closed:
      if (shared.writes_fail) return {};
      break;
    case ErrorCode::expired:
    case ErrorCode::not_a_store:
      if (read_only) return {};
      break;
    default:
      break;
  }
  return std::string(what) + " failed with " + name(error.code()) + ": " + error.what();
}

class EngineSession {
 public:
  EngineSession(EngineWorld& shared, const ProcessPlan& plan, Store& store)
      : shared_(shared), plan_(plan), store_(store) {}

  void run();

 private:
  World& world() { return shared_.world; }
  EngineHistory& history() { return shared_.history; }

  void work(const std::vector<PlannedStep>& steps);
  void step(const PlannedStep& planned);
  void commit_once(std::uint64_t seed);
  void commit_until_done(std::uint64_t seed);
  void read_snapshot(std::uint64_t seed);
  void look();
  // Runs `call`; judges what it throws. True: it did not.
  template <class Call>
  bool tolerate(const char* what, Call call);
  template <class Commit>
  bool commit(std::uint64_t id, const Transaction& seen, Commit commit);
  void maybe_wait(base::Random& random);
  void ask_what_became(std::uint64_t id, const Undecided& undecided);

  EngineWorld& shared_;
  const ProcessPlan& plan_;
  Store& store_;
  std::atomic<bool> over_ = false;
  std::atomic<std::uint32_t> failures_ = 0;  // one after the other
  std::atomic<std::uint32_t> all_failures_ = 0;
};

// A transaction in the making, and the record of it. In the process's memory.
class EngineDraft {
 public:
  EngineDraft(EngineWorld& shared, std::uint64_t id, base::Random& random)
      : shared_(shared), id_(id), random_(random) {}

  void read_some(Reader where, std::uint64_t count, base::Random& random);
  void step(TransactionOfStore& tx);
  void look_for_expired(Reader where, std::int64_t wall_before);
  void put_marker(TransactionOfStore& tx);
  Transaction seen;

 private:
  std::string key() { return "k" + std::to_string(random_.below(shared_.workload.keys)); }
  std::string value();
  Range range(Write& write, const Place& place);
  void get(Reader where, const Place& place, const std::string& key);
  void scan(Reader where, const Place& place);
  void put(TransactionOfStore& tx, const Place& place, const std::string& key, std::string value);
  void append_to_list(TransactionOfStore& tx);
  [[nodiscard]] bool is_own(const Place& place, const std::string& key) const {
    return own_.contains(place.prefix + key) || erased_.contains(place.prefix);
  }

  EngineWorld& shared_;
  std::uint64_t id_;
  base::Random& random_;
  std::uint64_t values_ = 0;
  bool expiring_ = false;          // it wrote what expires
  std::set<std::string> own_;      // keys that it wrote
  std::set<std::string> written_;  // prefixes of places that it wrote to
  std::set<std::string> erased_;   // the same, by ranges
};

std::string EngineDraft::value() {
  std::string value = std::to_string(id_) + "." + std::to_string(++values_) + ".";
  std::size_t bytes = 8 + random_.below(50);
  if (random_.below(100) < shared_.workload.large_percent) {
    const bool huge = random_.below(30) == 0;
    bytes = huge ? random_.below(shared_.workload.segment_bytes * 2) : random_.below(12'000);
  }
  const std::uint64_t fill = random_.next();
  while (value.size() < bytes) value.push_back(static_cast<char>('a' + (fill >> (value.size() % 50)) % 16));
  return value;
}

// A stretch of a place, as the API takes it, and as the history has it.
Range EngineDraft::range(Write& write, const Place& place) {
  const std::string one = key();
  const std::string other = key();
  const bool from_start = random_.below(4) == 0;
  const bool to_end = random_.below(4) == 0;
  Range range{from_start ? std::string() : std::min(one, other),
              to_end ? std::nullopt : std::optional(std::max(one, other) + "~")};
  write.key = place.prefix + range.begin;
  std::string behind = place.prefix;  // all keys of the place are before this
  ++behind.back();
  write.value = range.end ? place.prefix + *range.end : behind;
  return range;
}

void EngineDraft::get(Reader where, const Place& place, const std::string& key) {
  ++shared_.world.report.operations;
  const std::optional<Value> value = place.space.get(where, key);
  if (is_own(place, key)) return;
  history::PointRead& read = seen.reads.emplace_back();
  read.key = place.prefix + key;
  if (value) read.value = history::digest(value->view());
  if (&place == &kPlaces[kLists]) {
    seen.lists.push_back({read.key, value ? history::list_ids(value->view()) : std::vector<std::uint64_t>()});
  }
}

void EngineDraft::scan(Reader where, const Place& place) {
  Write stretch;
  const Range wanted = range(stretch, place);
  ScanOptions options;
  options.reverse = random_.below(3) == 0;
  if (random_.below(3) == 0) options.limit = 1 + random_.below(10);
  history::RangeRead read{stretch.key, stretch.value, {}, true};
  ++shared_.world.report.operations;
  Scan scan = place.space.scan(where, wanted, options);
  while (scan.next()) {
    read.records.emplace_back(place.prefix + std::string(scan.key()), history::digest(scan.value()));
    if (random_.below(40) == 0) base::sleep_for(base::Duration(10'000));
  }
  if (read.records.size() == options.limit) {
    if (options.reverse) {
      read.begin = read.records.back().first;
    } else {
      read.end = read.records.back().first + '\0';
    }
  }
  if (options.reverse) std::reverse(read.records.begin(), read.records.end());
  if (!written_.contains(place.prefix)) seen.ranges.push_back(std::move(read));
}

void EngineDraft::put(TransactionOfStore& tx, const Place& place, const std::string& key, std::string value) {
  ++shared_.world.report.operations;
  place.space.put(tx, key, value);
  own_.insert(place.prefix + key);
  written_.insert(place.prefix);
  seen.writes.push_back({Write::Kind::put, place.prefix + key, std::move(value), 0});
}

void EngineDraft::append_to_list(TransactionOfStore& tx) {
  const Place& place = kPlaces[kLists];
  const std::string key = "l" + std::to_string(random_.below(4));
  if (is_own(place, key)) return;
  const std::optional<Value> value = place.space.get(tx, key);
  std::vector<std::uint64_t> ids = value ? history::list_ids(value->view()) : std::vector<std::uint64_t>();
  const std::string in_history = place.prefix + key;
  history::PointRead& read = seen.reads.emplace_back();
  read.key = in_history;
  if (value) read.value = history::digest(value->view());
  seen.lists.push_back({in_history, ids});
  seen.appends.push_back(in_history);
  ids.push_back(id_);
  put(tx, place, key, history::list_value(ids));
}

void EngineDraft::read_some(Reader where, std::uint64_t count, base::Random& random) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t draw = random.below(10);
    const Place& place = kPlaces[random.below(4)];
    const std::string wanted = &place == &kPlaces[kLists] ? "l" + std::to_string(random.below(4)) : key();
    if (draw < 6) {
      get(where, place, wanted);
    } else {
      scan(where, place);
    }
  }
}

// What had expired before the snapshot was taken is not in it.
void EngineDraft::look_for_expired(Reader where, std::int64_t wall_before) {
  ++shared_.world.report.operations;
  Scan scan = kPlaces[kExpiring].space.scan(where);
  while (scan.next()) {
    if (scan.expires_micros() > wall_before || shared_.world.report.counted(Fault::wall_jump) != 0) continue;
    shared_.world.scheduler.fail("engine: a record is seen that expired " +
                                 std::to_string(wall_before - scan.expires_micros()) +
                                 " us ago: " + std::string(scan.key()));
  }
}

void EngineDraft::step(TransactionOfStore& tx) {
  ++shared_.world.report.operations;
  const Place& place = kPlaces[random_.below(2)];
  const std::uint64_t draw = random_.below(100);
  const std::string chosen = key();
  if (draw < 30) {
    get(tx, place, chosen);
  } else if (draw < 40) {
    scan(tx, place);
  } else if (draw < 65) {
    put(tx, place, chosen, value());
  } else if (draw < 72) {
    place.space.erase(tx, chosen);
    own_.insert(place.prefix + chosen);
    written_.insert(place.prefix);
    seen.writes.push_back({Write::Kind::erase, place.prefix + chosen, {}, 0});
  } else if (draw < 75) {
    Write write;
    write.kind = Write::Kind::erase_range;
    place.space.erase_range(tx, range(write, place));
    written_.insert(place.prefix);
    erased_.insert(place.prefix);
    seen.writes.push_back(std::move(write));
  } else if (draw < 84) {
    const Place& counters = kPlaces[kCounters];
    const auto delta = static_cast<std::int64_t>(random_.below(1000)) - 500;
    counters.space.add(tx, chosen, delta);
    own_.insert(counters.prefix + chosen);
    written_.insert(counters.prefix);
    seen.writes.push_back({Write::Kind::add, counters.prefix + chosen, {}, delta});
  } else if (draw < 88) {
    get(tx, kPlaces[kCounters], chosen);
  } else if (draw < 93) {
    append_to_list(tx);
  } else if (draw < 96) {
    PutOptions options;
    expiring_ = true;
    options.ttl = std::chrono::microseconds(std::uint64_t{100} << random_.below(14));
    kPlaces[kExpiring].space.put(tx, "x" + std::to_string(id_) + "." + std::to_string(++values_), "v", options);
  } else {
    const std::optional<Value> value = place.space.peek(tx, chosen);
    if (is_own(place, chosen)) return;
    history::PointRead& read = seen.reads.emplace_back();
    read.key = place.prefix + chosen;
    if (value) read.value = history::digest(value->view());
    read.validated = false;
  }
}

void EngineDraft::put_marker(TransactionOfStore& tx) {
  if (seen.writes.empty() && !expiring_) return;
  std::string key = std::to_string(id_);
  key.insert(0, 6 - std::min<std::size_t>(6, key.size()), '0');
  seen.marker = kPlaces[kMarkers].prefix + key;
  put(tx, kPlaces[kMarkers], key, "t" + std::to_string(id_));
}

// The process's life.

void EngineSession::run() {
  std::vector<base::Thread> workers;
  for (const std::vector<PlannedStep>& steps : plan_.workers) {
    workers.emplace_back("worker", [this, &steps] { work(steps); });
  }
  for (base::Thread& worker : workers) worker.join();
}

void EngineSession::work(const std::vector<PlannedStep>& steps) {
  for (const PlannedStep& planned : steps) {
    if (over_) return;
    step(planned);
  }
}

template <class Call>
bool EngineSession::tolerate(const char* what, Call call) {
  std::string wrong;  // said outside of the handler: a fiber that ends there leaves the exception behind
  try {
    call();
    failures_ = 0;
    return true;
  } catch (const Error& error) {
    wrong = judge_error(shared_, plan_.read_only, what, error);
    if (error.code() == ErrorCode::closed) over_ = true;
  }
  if (!wrong.empty()) world().scheduler.fail("engine: " + wrong);
  // As an application does: it tries again, and waits longer each time.
  const std::uint32_t failures = failures_.fetch_add(1);
  if (all_failures_.fetch_add(1) == kFailuresMax) over_ = true;  // the disk may be full of what the store holds
  base::sleep_for(1ms * (std::int64_t{1} << std::min<std::uint32_t>(failures, 19)));
  return false;
}

void EngineSession::step(const PlannedStep& planned) {
  switch (planned.verb) {
    case Verb::transaction:
      return commit_once(planned.seed);
    case Verb::transact:
      return commit_until_done(planned.seed);
    case Verb::snapshot:
      return read_snapshot(planned.seed);
    case Verb::sync: {
      const std::int64_t began = history().now();
      // One that only reads has nothing to sync, and says so by doing nothing.
      if (tolerate("sync", [&] { store_.sync(); }) && !plan_.read_only) history().synced(began);
      return;
    }
    case Verb::settle:
      if (!plan_.read_only) tolerate("settle", [&] { store_.settle(); });
      return;
    case Verb::check: {
      CheckReport report;
      if (!tolerate("check", [&] { report = store_.check(); })) return;
      world().report.outcome(report.damage.empty() ? "check: clean" : "check: damage");
      if (shared_.calm && !report.damage.empty())
        world().scheduler.fail("engine: check says: " + report.damage.front());
      return;
    }
    case Verb::look:
      return look();
    case Verb::rest: {
      base::Random random(planned.seed);
      base::sleep_for(base::Duration(static_cast<std::int64_t>(1'000 << random.below(22))));
      return;
    }
  }
}

void EngineSession::look() {
  std::vector<std::string> spaces;
  tolerate("look", [&] {
    (void)store_.stats();
    (void)store_.version();
    spaces = store_.spaces();
  });
  (void)store_.health();
  for (const std::string& space : spaces) {
    const bool known =
        std::any_of(kPlaces.begin(), kPlaces.end(), [&](const Place& place) { return place.space.name() == space; });
    if (!known) world().scheduler.fail("engine: there is a space that nobody made: " + space);
  }
}

void EngineSession::maybe_wait(base::Random& random) {
  const bool waits = random.below(100) < shared_.workload.long_percent;
  const std::uint64_t shift = random.below(20);
  if (waits) base::sleep_for(base::Duration(static_cast<std::int64_t>(std::uint64_t{5'000} << shift)));
}

// What came of a commit is recorded in the instant in which it returns.
template <class Commit>
bool EngineSession::commit(std::uint64_t id, const Transaction& seen, Commit commit) {
  ++world().report.operations;
  history().intend(id, seen);
  std::optional<Version> version;
  bool is_unknown = false;
  const bool returned = tolerate("commit", [&] {
    try {
      version = commit();
    } catch (const Undecided& undecided) {
      history().unknown(id);
      world().report.outcome("commit: undecided");
      ask_what_became(id, undecided);
      throw;
    } catch (const Error& error) {
      is_unknown = std::string_view(error.what()).find("Whether it was committed") != std::string_view::npos;
      if (is_unknown) {
        history().unknown(id);
        world().report.outcome("commit: shows at the next open");
      } else {
        history().lost(id);
      }
      throw;
    }
    if (version) {
      history().committed(id, seen.writes.empty() ? 0 : *version);
    } else {
      history().lost(id);
    }
  });
  if (!returned) return true;  // not again
  world().report.outcome(!version ? "commit: lost" : seen.writes.empty() ? "commit: only read" : "commit: done");
  return version.has_value();
}

// What is said of it must be so; if nothing is said, it may be either.
void EngineSession::ask_what_became(std::uint64_t id, const Undecided& undecided) {
  tolerate("outcome", [&] {
    const std::optional<Version> version = store_.outcome(undecided);
    world().report.outcome(version ? "undecided: there" : "undecided: not there");
    if (version) {
      history().committed(id, *version);
    } else {
      history().lost(id);
    }
  });
}

void EngineSession::commit_once(std::uint64_t seed) {
  base::Random random(seed);
  TransactOptions options;
  options.fresh = shared_.fresh;
  if (random.below(100) < shared_.workload.process_percent) options.durability = Durability::process;
  tolerate("transaction", [&] {
    const std::int64_t invoked = history().now();
    TransactionOfStore tx = store_.begin(options);
    const std::uint64_t id = history().begin(invoked, !options.durability.has_value());
    EngineDraft body(shared_, id, random);
    body.seen.snapshot = tx.snapshot_version();
    const std::uint64_t steps = 1 + random.below(6);
    for (std::uint64_t i = 0; i < steps; ++i) {
      body.step(tx);
      maybe_wait(random);
    }
    if (random.below(20) == 0) return history().has_read(id, body.seen);
    body.put_marker(tx);
    commit(id, body.seen, [&] { return tx.commit(); });
  });
}

void EngineSession::commit_until_done(std::uint64_t seed) {
  constexpr int kAttemptsMax = 2000;
  base::Random first(seed);
  TransactOptions options;
  options.fresh = shared_.fresh;
  if (first.below(100) < shared_.workload.process_percent) options.durability = Durability::process;
  int attempts_made = 0;
  tolerate("transaction", [&] {
    detail::Attempts attempts(store_, options);
    for (; attempts_made < kAttemptsMax && !over_; ++attempts_made) {
      base::Random random(first);  // the same each time
      const std::int64_t invoked = history().now();
      TransactionOfStore tx = attempts.begin();
      const std::uint64_t id = history().begin(invoked, !options.durability.has_value());
      EngineDraft body(shared_, id, random);
      body.seen.snapshot = tx.snapshot_version();
      const std::uint64_t steps = 1 + random.below(6);
      for (std::uint64_t i = 0; i < steps; ++i) {
        body.step(tx);
        maybe_wait(random);
      }
      body.put_marker(tx);
      if (commit(id, body.seen, [&] { return attempts.commit(tx); })) return;
    }
  });
  if (attempts_made == kAttemptsMax) world().scheduler.fail("engine: a transaction lost 2000 times");
}

void EngineSession::read_snapshot(std::uint64_t seed) {
  base::Random random(seed);
  std::uint64_t id = 0;
  const std::int64_t invoked = history().now();
  const std::int64_t wall_before = base::wall_micros();
  std::optional<EngineDraft> body;
  tolerate("snapshot", [&] {
    const Snapshot snapshot = store_.snapshot({.fresh = shared_.fresh});
    id = history().begin(invoked, true);
    body.emplace(shared_, id, random);
    body->seen.snapshot = snapshot.version();
    if (random.below(3) == 0) body->look_for_expired(snapshot, wall_before);
    const std::uint64_t rounds = 1 + random.below(3);
    for (std::uint64_t i = 0; i < rounds; ++i) {
      const std::uint64_t reads = 1 + random.below(4);
      body->read_some(snapshot, reads, random);
      maybe_wait(random);
    }
  });
  if (id != 0) history().has_read(id, body->seen);
}

// Everything in the store, into the host's memory.
void dump(EngineWorld& shared, Store& store, history::FinalState& found) {
  const Snapshot snapshot = store.snapshot({.fresh = true});
  found.version = snapshot.version();
  for (const Place& place : kPlaces) {
    if (&place == &kPlaces[kExpiring]) continue;
    Scan scan = place.space.scan(snapshot);
    while (scan.next()) {
      const std::string_view key = scan.key();
      const std::string_view value = scan.value();
      const Version version = scan.version();
      const HostMemory host;
      found.records[place.prefix + std::string(key)] = {std::string(value), version};
    }
  }
  shared.world.report.outcome("read everything");
}

// The grace period later nothing is there but what an empty store has, whoever was killed at what. Nobody has it open
// in between: each day somebody comes, writes a little, so that what is behind it can go, and stays for a moment.
std::string objects_left(EngineWorld& shared) {
  for (int days = 0; days < 6; ++days) {
    base::sleep_for(26h);
    Store store = open_store(shared, {});
    kPlaces[0].space.put(store, "k", std::to_string(days));
    kPlaces[0].space.erase(store, "k");
    store.settle();
    base::sleep_for(20s);
    store.close();
  }
  const HostMemory host;
  std::map<std::string, std::uint64_t> counts;
  for (const std::string& key : shared.world.bucket.keys()) ++counts[key.substr(0, key.find('/'))];
  std::string wrong;
  for (const auto& [name, count] : counts) {
    std::uint64_t most = 0;
    if (name == "store") most = 1;
    if (name == "log") most = 40;
    if (name == "checkpoints") most = 16;
    if (name == "boundary") most = ~0ULL;
    if (name == "seen" || name == "swept") most = 2;
    if (name == "runs") most = 8;
    if (count > most) wrong = std::to_string(count) + " objects are left under " + name + "/";
  }
  const std::size_t uploads = shared.world.bucket.open_uploads().size();
  if (uploads != 0) wrong = std::to_string(uploads) + " uploads are left";
  return wrong;
}

// What an empty store takes, it takes again.
std::string room_left(EngineWorld& shared, Store& store) {
  for (const Place& place : kPlaces) place.space.erase_range(store, all());
  if (shared.in_bucket) return {};
  Stats stats;
  for (int i = 0; i < 100; ++i) {
    store.settle();
    stats = store.stats();
    if (stats.pinned_bytes == 0 && stats.run_bytes == 0) break;
    base::sleep_for(200ms);
  }
  if (stats.pinned_bytes != 0) return "run files are kept that nobody reads";
  if (stats.run_bytes != 0) return "an empty store has runs";
  std::string wrong;
  const HostMemory host;
  std::uint64_t logs = 0;
  std::uint64_t checkpoints = 0;
  for (const Disk::Listed& file : shared.world.disk.files()) {
    if (file.path.starts_with("runs/")) wrong = "a run file was left behind: " + file.path;
    if (file.path.starts_with("log/")) ++logs;
    if (file.path.starts_with("checkpoints/")) ++checkpoints;
  }
  if (logs > 6) wrong = "the log keeps " + std::to_string(logs) + " files";
  if (checkpoints > 2) wrong = std::to_string(checkpoints) + " checkpoints are there";
  return wrong;
}

}  // namespace

void run_engine_process(EngineWorld& shared, const ProcessPlan& plan) {
  World& world = shared.world;
  if (plan.start_after > 0ns) base::sleep_for(plan.start_after);
  std::optional<Store> store;
  std::string wrong;
  try {
    Options options;
    options.read_only = plan.read_only;
    options.deadline = plan.deadline;
    store.emplace(open_store(shared, std::move(options)));
  } catch (const Error& error) {
    wrong = judge_error(shared, plan.read_only, "open", error);
  }
  if (!wrong.empty()) world.scheduler.fail("engine: " + wrong);
  if (!store) return;
  world.report.outcome(plan.read_only ? "open: read-only" : "open");
  if (!plan.read_only) ++shared.opens;
  {
    EngineSession session(shared, plan, *store);
    session.run();
  }
  if (plan.closes) store->close();
  store.reset();
  ++shared.finished;
}

void run_last_engine_process(EngineWorld& shared, history::FinalState& found, bool erases) {
  std::string wrong;
  try {
    Options options;
    options.deadline = std::chrono::minutes(10);
    Store store = open_store(shared, std::move(options));
    dump(shared, store, found);
    const CheckReport report = store.check();
    if (!report.damage.empty()) wrong = "check says: " + report.damage.front();
    if (erases && wrong.empty()) wrong = room_left(shared, store);
    store.close();
    if (erases && wrong.empty() && shared.in_bucket) wrong = objects_left(shared);
    ++shared.finished;
  } catch (const Error& error) {
    wrong = std::string(name(error.code())) + ": " + error.what();
  }
  if (!wrong.empty()) shared.world.scheduler.fail("engine: the last process: " + wrong);
}

}  // namespace ingot::simulator
