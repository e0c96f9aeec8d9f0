#include "engine/copy.h"

#include <cerrno>

#include "base/random.h"
#include "base/time.h"
#include "engine/checkpoint.h"
#include "engine/merged_view.h"
#include "engine/place.h"
#include "engine/run_output.h"
#include "engine/store_header.h"
#include "ingot/error.h"

namespace ingot::engine {

namespace {

// An empty directory, or one that an interrupted copy left, made empty again.
void require_target(storage::Directory& target, const std::string& where) {
  std::vector<std::string> names;
  if (const storage::IoError error = target.list("", names))
    throw Error(ErrorCode::unavailable, where + ": " + error.text());
  bool marked = false;
  bool whole = false;
  for (const std::string& name : names) {
    marked |= name == kCopyingMark;
    whole |= name == "store";
  }
  if (whole && !marked) {
    throw Error(ErrorCode::invalid_argument, "copy to " + where +
                                                 ": a store is there already. If a copy to it was killed: it was whole "
                                                 "by then. Name a directory that does not exist yet.");
  }
  if (!names.empty() && !marked) {
    throw Error(ErrorCode::invalid_argument,
                "copy to " + where + ": the directory is not empty. Name one that does not exist yet.");
  }
  if (marked) (void)target.remove("store").code();  // first: without it nothing of the rest is a store's
  for (const std::string_view folder : {"log", "runs", "checkpoints"}) {
    std::vector<std::string> files;
    if (target.list(folder, files)) continue;
    for (const std::string& file : files) (void)target.remove(std::string(folder) + "/" + file).code();
  }
}

}  // namespace

void copy_store(Engine& engine, const HeldView& held, const std::string& where,
                base::FunctionRef<void(std::uint64_t done, std::uint64_t total)> progress) {
  const std::unique_ptr<storage::Directory> target = new_directory_at(where);
  require_target(*target, where);
  const auto require = [&](const storage::IoError& error) {
    if (error)
      throw Error(ErrorCode::unavailable,
                  "copy to " + where + ": " + error.text() + ". Run it again when that is mended.");
  };
  std::unique_ptr<storage::File> mark;
  if (const storage::IoError error = target->open(kCopyingMark, storage::OpenMode::create, mark);
      error.code() != EEXIST)
    require(error);
  require(make_folders(*target));

  std::uint64_t total = held.state->active->memory_bytes();
  for (const auto& memtable : held.state->sealed) total += memtable->memory_bytes();
  for (const SortedRun& sorted : held.state->sorted_runs) {
    for (const auto& file : sorted.files) total += file->summary().data_bytes;
  }

  Checkpoint checkpoint;
  try {
    RunOutput output(*target, {}, Sizes().run_file_bytes);
    MergedView view(held.state, held.version, held.time_micros, {}, {}, ScanUse::sequential, engine.on_lost());
    std::uint64_t done = 0;
    std::uint64_t reported = 0;
    for (bool more = view.first(); more; more = view.next()) {
      output.add({view.key(), view.seen().version, RecordKind::value, view.seen().expires_micros, view.seen().value});
      done += view.key().size() + view.seen().value.size();
      constexpr std::uint64_t kReportBytes = 1 << 20;
      if (done - reported < kReportBytes) continue;
      reported = done;
      engine.require_open();
      progress(done, total);
    }
    if (view.failed()) engine.throw_read_failure(view.why());
    CheckpointSortedRun sorted;
    sorted.id = 1;
    sorted.files = output.finish();
    if (!sorted.files.empty()) checkpoint.sorted_runs.push_back(std::move(sorted));
    progress(done, done);
  } catch (const OutputFailed& failure) {
    throw Error(ErrorCode::unavailable,
                "copy to " + where + ": " + failure.what() + ". Run it again when that is mended.");
  }
  checkpoint.edit_number = 1;
  checkpoint.floor = held.version;
  checkpoint.start.segment = 1;
  checkpoint.start.version = held.version;
  checkpoint.start.link = {base::random_u64(), base::random_u64()};
  checkpoint.start.time_micros = held.time_micros;
  checkpoint.floor_time_micros = held.time_micros;

  StoreHeader header;
  header.store_id = {base::random_u64(), base::random_u64()};
  header.made_micros = base::wall_micros();
  require(write_checkpoint(*target, header.store_id, checkpoint));
  require(write_store_header(*target, header));  // from here on it is a store
  mark.reset();
  require(target->remove(kCopyingMark));
  // Opened once: that makes its log, so that it can be opened read-only, and shows that it opens.
  Engine::open(open_directory_at(where), where, {})->close();
}

}  // namespace ingot::engine
