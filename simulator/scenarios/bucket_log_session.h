// One process of the bucket-log scenario: it opens the log, appends, reads, waits, writes checkpoints, collects,
// sleeps, and opens it anew when the boundary has passed it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/thread.h"
#include "base/time.h"
#include "bucket_log_history.h"
#include "log/bucket_log.h"
#include "storage/request_pool.h"

namespace ingot::simulator {

// What one process does in its life. The host's.
struct BucketLogPlan {
  base::Duration start_after{};
  std::uint64_t steps = 10;  // of its main thread
  std::uint64_t append_percent = 60;
  std::uint64_t large_percent = 5;
  std::uint64_t new_segment_percent = 0;
  std::uint64_t checkpoint_percent = 10;
  std::uint64_t sleep_percent = 10;  // for minutes to days
  std::uint64_t waits = 0;           // by a thread that follows
  bool collects = false;
  base::Duration collect_every = std::chrono::hours(1);  // at most
  bool collects_by_the_clock = false;                    // each hour, as the others
  bool read_only = false;
  bool closes = true;         // else it ends like a kill
  bool lingers = false;       // and appends once more when all is calm
  bool must_succeed = false;  // nothing stands in its way
};

struct BucketLogWorld {
  explicit BucketLogWorld(World& its_world) : world(its_world), history(its_world) {}
  World& world;
  BucketLogHistory history;
  std::uint64_t segment_slots = 4;
  std::uint64_t segment_bytes = 2000;
  std::uint64_t slot_bytes_max = 700;
  std::size_t threads_max = 8;
  bool calm = false;  // faults, pauses and kills are over
  std::uint64_t finished = 0;
};

// What a process has applied. Its own.
struct BucketState {
  std::vector<std::uint64_t> applied;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> rows;  // newest sequence by session

  [[nodiscard]] std::string encode(const log::Start& start, std::size_t count) const;
  static bool decode(std::string_view bytes, BucketState& state, log::Start& start);
};

class BucketLogSession {
 public:
  BucketLogSession(BucketLogWorld& shared, const BucketLogPlan& plan)
      : shared_(shared), plan_(plan), random_(base::random_u64()), pool_(shared.threads_max) {}

  void run();

 private:
  using Lock = std::unique_lock<base::Mutex>;
  BucketLogHistory& history() { return shared_.history; }
  World& world() { return shared_.world; }
  [[noreturn]] void fail(const std::string& why) { world().scheduler.fail("bucket-log: " + why); }
  void outcome(std::string_view what) { world().report.outcome(what); }
  [[nodiscard]] bool must_succeed() const { return plan_.must_succeed || (plan_.lingers && shared_.calm); }
  base::Duration patience(base::Random& random);

  // Opening, and reading. The owner's mutex is held.
  bool open(base::Duration patience);
  enum class Opened { opened, again, failed };
  Opened open_once(base::Instant deadline);
  bool reopen();
  bool read();
  log::Sink sink(BucketState& state, BucketLogHistory::View& view);
  void applied(const log::Entry& entry);
  void settle_open();
  std::shared_ptr<log::BucketLog> log();

  // What it does.
  void step();
  bool append(base::Duration patience);
  void look();
  void ask();
  void follow();
  void write_checkpoint();
  void linger();

  // As an engine's maintenance: bucket_log_collector.cc.
  void collect();
  void collect_once(log::BucketLog& log);
  bool remove_below(log::BucketLog& log, const log::Boundary& boundary, storage::BucketDate seen);
  bool remove_all(const std::vector<std::string>& keys);
  std::optional<std::vector<storage::ListedObject>> list(std::string_view prefix);

  BucketLogWorld& shared_;
  const BucketLogPlan& plan_;
  base::Random random_;
  storage::RequestPool pool_;

  base::Mutex owner_;
  // Guarded by owner_:
  std::shared_ptr<log::BucketLog> log_;
  BucketState state_;
  BucketLogHistory::View view_;
  struct Snapshot {
    std::size_t index = 0;
    BucketState rows_only;
  };
  std::map<std::uint64_t, Snapshot> segments_;  // by number, as of where they begin
  struct Open {
    std::uint64_t attempt = 0;
    log::Log::Attempt as;
    std::uint64_t slot = 0;
  };
  std::vector<Open> open_;  // undecided or collected

  base::Mutex stop_mutex_;
  base::ConditionVariable stopped_;
  bool stop_ = false;
  bool wait_or_stop(base::Duration duration);  // true: to stop
};

void run_bucket_log_process(BucketLogWorld& shared, const BucketLogPlan& plan);

}  // namespace ingot::simulator
