#include "engine/copy.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/testing.h"
#include "engine/checkpoint.h"
#include "engine/copy_runs.h"
#include "engine/flush.h"
#include "engine/merged_view.h"
#include "engine/run_output.h"
#include "engine/watched_work.h"
#include "ingot/error.h"

namespace ingot::engine {

namespace {

// How often a newer snapshot is taken: each time the copy has come nearer to the end.
constexpr int kSnapshotsMax = 100;
constexpr std::uint64_t kReportBytes = 1 << 20;
// A file's begin and end are round trips in which nothing is sent. Each takes 32 MiB of memory
// (BucketFiles::kPartBytes).
constexpr std::size_t kRemoteFilesAtOnce = 4;

class StoreCopy {
 public:
  StoreCopy(Engine& engine, CopyTarget& target, base::FunctionRef<void(const CopyFigures&)> progress)
      : engine_(engine), target_(target), progress_(progress) {}

  void take() {
    watched([this](WatchedWork&) { target_.take(engine_.header()); });
  }

  // Throws `expired` if the snapshot's files are gone.
  void copy(const HeldView& held) {
    const State& state = *held.state;
    std::vector<std::shared_ptr<Memtable>> memtables = state.sealed;
    memtables.insert(memtables.begin(), state.active);
    Checkpoint checkpoint;
    checkpoint.edit_number = state.edit_number + 1;
    checkpoint.floor = held.version;
    checkpoint.floor_time_micros = held.time_micros;
    checkpoint.start.segment = 1;
    checkpoint.start.version = held.version;
    checkpoint.start.time_micros = held.time_micros;
    checkpoint.start.link.low = base::random_u64();
    checkpoint.start.link.high = base::random_u64();

    figures_ = {};
    for (const auto& memtable : memtables) figures_.total += memtable->memory_bytes();
    for (const SortedRun& sorted : state.sorted_runs) {
      for (const auto& file : sorted.files)
        figures_.total += engine_.options().salvage ? file->summary().data_bytes : file->summary().file_bytes;
    }
    CheckpointSortedRun newest;
    newest.id = checkpoint.edit_number;
    if (engine_.options().salvage) {
      watched([&](WatchedWork& work) {
        target_.drop_others({});
        newest.files = copy_records(held, work);
      });
    } else {
      find_what_is_there(state);
      copy_missing(state);
      for (const SortedRun& sorted : state.sorted_runs) {
        CheckpointSortedRun& entry = checkpoint.sorted_runs.emplace_back();
        entry.id = sorted.id;
        for (const auto& file : sorted.files) {
          if (there_.contains(file->summary().name)) {
            entry.files.push_back(file->summary());
          } else {
            watched([&](WatchedWork& work) { rewrite(file, entry.files, work); });
          }
        }
      }
      watched([&](WatchedWork& work) { newest.files = copy_memtables(held, memtables, work); });
    }
    if (!newest.files.empty()) checkpoint.sorted_runs.insert(checkpoint.sorted_runs.begin(), std::move(newest));
    watched([&](WatchedWork&) { target_.prepare(checkpoint); });
    // For the last time: what ends it now ends it before it is a store.
    figures_.done += std::exchange(untold_, 0);
    figures_.total = figures_.done;
    tell(0);
    target_.finish();
  }

 private:
  void tell(std::uint64_t bytes) {
    figures_.done += bytes;
    figures_.total = std::max(figures_.total, figures_.done);
    engine_.require_open();
    progress_(figures_);
  }
  // Whoever waits can end it though it waits for a network.
  template <class Work>
  void watched(Work work) {
    WatchedWork watched;
    watched.run(
        1, [&] { work(watched); }, [this](std::uint64_t bytes) { tell(bytes); }, [this] { target_.stop(); });
  }
  // Of records, about once a MiB. Returns whether to go on.
  bool note_some(WatchedWork& work, const runs::Record& record) {
    untold_ += record.key.size() + record.value.size();
    return untold_ < kReportBytes || work.note(std::exchange(untold_, 0));
  }

  void find_what_is_there(const State& state) {
    std::vector<std::string_view> names;
    for (const SortedRun& sorted : state.sorted_runs) {
      for (const auto& file : sorted.files) names.emplace_back(file->summary().name);
    }
    std::sort(names.begin(), names.end());
    watched([&](WatchedWork&) { target_.drop_others(names); });
    for (const SortedRun& sorted : state.sorted_runs) {
      for (const auto& file : sorted.files) {
        const runs::RunSummary& summary = file->summary();
        auto there = there_.find(summary.name);
        if (there == there_.end() && target_.has(summary)) there = there_.emplace(summary.name, true).first;
        if (there == there_.end()) continue;
        if (there->second) figures_.found += summary.file_bytes;
        tell(summary.file_bytes);
      }
    }
  }

  // All that are missing. Of those that can't be had as they were written there is nothing yet.
  void copy_missing(const State& state) {
    std::vector<std::shared_ptr<runs::Run>> missing;
    // The oldest first: they change least, should a newer snapshot be needed.
    for (auto sorted = state.sorted_runs.rbegin(); sorted != state.sorted_runs.rend(); ++sorted) {
      for (const auto& file : sorted->files) {
        if (!there_.contains(file->summary().name)) missing.push_back(file);
      }
    }
    const bool remote = target_.is_remote() || !engine_.medium().deletes_at_once();
    const std::vector<CopiedRun> copied = copy_runs(
        missing, target_.files(), remote ? kRemoteFilesAtOnce : 1, [this](std::uint64_t bytes) { tell(bytes); },
        [this] { target_.stop(); });
    for (std::size_t i = 0; i < missing.size(); ++i) {
      const std::string& name = missing[i]->summary().name;
      if (copied[i].passed == runs::Passed::all) there_.emplace(name, false);
      if (copied[i].passed == runs::Passed::failed) engine_.throw_read_failure(missing[i]->why());
      if (copied[i].error)
        throw OutputFailed(target_.files().where() + "/" + run_path(name) + ": " + copied[i].error.text());
    }
  }

  // A run of which some bytes can't be had as they were written: if all of its records can be read, they make another.
  void rewrite(const std::shared_ptr<runs::Run>& run, std::vector<runs::RunSummary>& files, WatchedWork& work) {
    base::probe("engine: a copy wrote a damaged run anew");
    RunOutput output(target_.files(), ErasureMap(run->range_erasures()).fragments(), engine_.sizes().run_file_bytes);
    const std::unique_ptr<runs::Cursor> cursor = run->cursor(run, true);
    for (cursor->seek_first(); cursor->valid(); cursor->next()) {
      output.add(cursor->record());
      if (!note_some(work, cursor->record())) return;
    }
    if (cursor->failed()) engine_.throw_read_failure(run->why());
    for (runs::RunSummary& summary : output.finish()) files.push_back(std::move(summary));
  }

  std::vector<runs::RunSummary> copy_memtables(const HeldView& held,
                                               const std::vector<std::shared_ptr<Memtable>>& memtables,
                                               WatchedWork& work) {
    try {
      std::optional<Flushed> flushed =
          flush_memtables(target_.files(), *held.state, memtables, held.version, engine_.sizes().run_file_bytes,
                          [&](const runs::Record& record) { return note_some(work, record); });
      return flushed ? std::move(flushed->files) : std::vector<runs::RunSummary>();
    } catch (const CounterUnreadable& failure) {
      engine_.throw_read_failure(failure.why);
    }
  }

  // With salvage, record by record: what can't be read hides what lies below it, in all runs.
  std::vector<runs::RunSummary> copy_records(const HeldView& held, WatchedWork& work) {
    RunOutput output(target_.files(), {}, engine_.sizes().run_file_bytes);
    MergedView view(held.state, held.version, held.time_micros, {}, {}, ScanUse::sequential, engine_.on_lost());
    for (bool more = view.first(); more; more = view.next()) {
      const runs::Record record{view.key(), view.seen().version, RecordKind::value, view.seen().expires_micros,
                                view.seen().value};
      output.add(record);
      if (!note_some(work, record)) return {};
    }
    if (view.failed()) engine_.throw_read_failure(view.why());
    return output.finish();
  }

  Engine& engine_;
  CopyTarget& target_;
  const base::FunctionRef<void(const CopyFigures&)> progress_;
  CopyFigures figures_;
  std::uint64_t untold_ = 0;                        // of records that are written
  std::map<std::string, bool, std::less<>> there_;  // runs in the target; whether an earlier copy had left them
};

}  // namespace

void copy_store(Engine& engine, CopyTarget& target, base::FunctionRef<void(const CopyFigures&)> progress) {
  StoreCopy copy(engine, target, progress);
  copy.take();
  engine.refresh(true);
  HeldView held = engine.hold();
  for (int snapshots = 1;; ++snapshots) {
    std::optional<Error> expired;
    try {
      return copy.copy(held);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::expired || snapshots == kSnapshotsMax) throw;
      expired = error;
    } catch (const OutputFailed& failure) {
      throw Error(ErrorCode::unavailable,
                  std::string("copy to ") + failure.what() +
                      ". What is there is kept: run it again when that is mended, and it goes on.");
    }
    engine.refresh_state();
    HeldView newer = engine.hold();
    if (newer.state->edit_number == held.state->edit_number) throw *expired;
    base::probe("engine: a copy went on with a newer snapshot");
    held = std::move(newer);
  }
}

}  // namespace ingot::engine
