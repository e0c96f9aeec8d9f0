// The open files of a store's runs: no more than a bound, for a process may have about a thousand open (ulimit -n),
// and most of those are the application's. Beyond it the files that were not used for the longest are closed (CLOCK),
// and opened again when they are. Who reads holds the file, so none is closed under a reader; and none is missing when
// it is opened again, for a run lies in the directory as long as a State names it.
//
// Thread-safe. One short lock for each block that is read from storage.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "base/thread.h"
#include "storage/directory.h"

namespace ingot::runs {

class OpenFiles {
 public:
  // Where a run keeps its file. It must be forgotten before it goes.
  class Slot {
   public:
    Slot() = default;
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

   private:
    friend class OpenFiles;
    std::shared_ptr<storage::File> file_;
    bool used_ = false;  // the clock bit
    std::size_t place_ = 0;
  };

  explicit OpenFiles(std::size_t files_max) : files_max_(files_max) {}
  OpenFiles(const OpenFiles&) = delete;
  OpenFiles& operator=(const OpenFiles&) = delete;

  // The file of `slot`, opened for reading if need be. If the process can open no more, half of ours are closed, and
  // that is the bound from then on: the next that is needed may be the log's.
  storage::IoError get(Slot& slot, storage::Directory& directory, std::string_view path,
                       std::shared_ptr<storage::File>& file);
  void forget(Slot& slot);
  [[nodiscard]] std::size_t count() const;

 private:
  using Files = std::vector<std::shared_ptr<storage::File>>;
  // Takes files out until so many are left. They are closed without the mutex.
  void close_down_to(std::size_t count, Files& gone);
  void take_out(Slot& slot, Files& gone);

  mutable base::Mutex mutex_;
  std::size_t files_max_;
  std::vector<Slot*> ring_;
  std::size_t hand_ = 0;
};

}  // namespace ingot::runs
