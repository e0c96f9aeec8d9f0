#include "engine/copy_runs.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/testing.h"
#include "engine/run_output.h"
#include "engine/watched_work.h"

namespace ingot::engine {

namespace {

CopiedRun copy_one(const runs::Run& source, storage::Directory& target, WatchedWork& watched) {
  CopiedRun copied;
  std::unique_ptr<storage::File> file;
  copied.error = target.open(run_path(source.summary().name), storage::OpenMode::create, file);
  if (copied.error) return copied;
  std::uint64_t written = 0;
  std::uint64_t untold = 0;  // the last piece is there when the file is
  copied.passed = source.pass_bytes([&](std::string_view bytes) {
    copied.error = file->write_at(written, bytes);
    written += bytes.size();
    return !copied.error && watched.note(std::exchange(untold, bytes.size()));
  });
  if (copied.passed != runs::Passed::all) return copied;
  if (!base::broken(base::Break::run_skip_sync)) copied.error = file->sync();
  if (copied.error) {
    copied.passed = runs::Passed::stopped;
  } else {
    watched.note(untold);
  }
  return copied;
}

}  // namespace

std::vector<CopiedRun> copy_runs(const std::vector<std::shared_ptr<runs::Run>>& sources, storage::Directory& target,
                                 std::size_t at_once, base::FunctionRef<void(std::uint64_t bytes)> tell,
                                 base::FunctionRef<void()> stop) {
  std::vector<CopiedRun> copied(sources.size());
  std::atomic<std::size_t> next{0};
  WatchedWork watched;
  const auto work = [&] {
    while (watched.note(0)) {
      const std::size_t index = next.fetch_add(1);
      if (index >= sources.size()) return;
      copied[index] = copy_one(*sources[index], target, watched);
      if (copied[index].error || copied[index].passed == runs::Passed::failed) watched.end();
    }
  };
  watched.run(std::min(at_once, sources.size()), work, tell, stop);
  return copied;
}

}  // namespace ingot::engine
