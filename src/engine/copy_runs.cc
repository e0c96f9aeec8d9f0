#include "engine/copy_runs.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <system_error>
#include <utility>

#include "base/testing.h"
#include "base/thread.h"
#include "engine/run_output.h"

namespace ingot::engine {

namespace {

using CopyLock = std::unique_lock<base::Mutex>;

class RunCopies {
 public:
  RunCopies(const std::vector<std::shared_ptr<runs::Run>>& sources, storage::Directory& target)
      : sources_(sources), target_(target), copied_(sources.size()) {}
  ~RunCopies() {
    {
      const CopyLock lock(mutex_);
      ending_ = true;
    }
    for (base::Thread& thread : threads_) thread.join();
  }
  RunCopies(const RunCopies&) = delete;
  RunCopies& operator=(const RunCopies&) = delete;

  std::vector<CopiedRun> run(std::size_t at_once, base::FunctionRef<void(std::uint64_t bytes)> tell,
                             base::FunctionRef<void()> stop) {
    CopyLock lock(mutex_);
    for (std::size_t i = std::min(at_once, sources_.size()); i > 0; --i) {
      try {
        threads_.emplace_back("ingot-copy", [this] { work(); });
        ++working_;
      } catch (const std::system_error&) {
        if (working_ == 0) throw;  // fewer threads do it, too
        break;
      }
    }
    while (working_ != 0 || done_bytes_ != 0) {
      // While nothing moves, whoever waits may want to end it.
      const base::Instant until = base::now() + std::chrono::seconds(1);
      while (done_bytes_ == 0 && working_ != 0 && changed_.wait_until(lock, until)) {
      }
      const std::uint64_t bytes = std::exchange(done_bytes_, 0);
      lock.unlock();
      try {
        tell(bytes);
      } catch (...) {
        stop();
        throw;
      }
      lock.lock();
    }
    if (thrown_) std::rethrow_exception(thrown_);
    return std::move(copied_);
  }

 private:
  void work() {
    for (;;) {
      std::size_t index = 0;
      {
        const CopyLock lock(mutex_);
        if (ending_ || next_ == sources_.size()) break;
        index = next_++;
      }
      std::exception_ptr thrown;
      CopiedRun copied;
      try {
        copied = copy(*sources_[index]);
      } catch (...) {
        thrown = std::current_exception();
      }
      const CopyLock lock(mutex_);
      copied_[index] = copied;
      if (thrown && !thrown_) thrown_ = thrown;
      if (thrown || copied.error || copied.passed == runs::Passed::failed) ending_ = true;
    }
    const CopyLock lock(mutex_);
    --working_;
    changed_.notify_all();
  }

  CopiedRun copy(const runs::Run& source) {
    const std::string path = run_path(source.summary().name);
    CopiedRun copied;
    std::unique_ptr<storage::File> file;
    copied.error = target_.open(path, storage::OpenMode::create, file);
    if (copied.error) return copied;
    std::uint64_t written = 0;
    std::uint64_t untold = 0;  // the last piece is there when the file is
    copied.passed = source.pass_bytes([&](std::string_view bytes) {
      copied.error = file->write_at(written, bytes);
      written += bytes.size();
      return !copied.error && note(std::exchange(untold, bytes.size()));
    });
    if (copied.passed != runs::Passed::all) return copied;
    if (!base::broken(base::Break::run_skip_sync)) copied.error = file->sync();
    if (copied.error) {
      copied.passed = runs::Passed::stopped;
    } else {
      note(untold);
    }
    return copied;
  }

  // Whether to go on.
  bool note(std::uint64_t bytes) {
    const CopyLock lock(mutex_);
    done_bytes_ += bytes;
    changed_.notify_all();
    return !ending_;
  }

  const std::vector<std::shared_ptr<runs::Run>>& sources_;
  storage::Directory& target_;
  base::Mutex mutex_;
  base::ConditionVariable changed_;
  // Guarded by mutex_:
  std::vector<CopiedRun> copied_;
  std::size_t next_ = 0;
  std::size_t working_ = 0;
  std::uint64_t done_bytes_ = 0;  // not told yet
  std::exception_ptr thrown_;
  bool ending_ = false;

  std::vector<base::Thread> threads_;
};

}  // namespace

std::vector<CopiedRun> copy_runs(const std::vector<std::shared_ptr<runs::Run>>& sources, storage::Directory& target,
                                 std::size_t at_once, base::FunctionRef<void(std::uint64_t bytes)> tell,
                                 base::FunctionRef<void()> stop) {
  return RunCopies(sources, target).run(at_once, tell, stop);
}

}  // namespace ingot::engine
