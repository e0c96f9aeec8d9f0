#include "runs/open_files.h"

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <utility>

#include "base/testing.h"

namespace ingot::runs {

namespace {

constexpr std::size_t kFilesMin = 4;  // whatever the process has left

}  // namespace

storage::IoError OpenFiles::get(Slot& slot, storage::Directory& directory, std::string_view path,
                                std::shared_ptr<storage::File>& file) {
  {
    const std::lock_guard lock(mutex_);
    slot.used_ = true;
    file = slot.file_;
    if (file != nullptr) return {};
  }
  std::unique_ptr<storage::File> opened;
  storage::IoError error = directory.open(path, storage::OpenMode::read, opened);
  if (error.code() == EMFILE || error.code() == ENFILE) {
    base::probe("runs: files were closed, for the process can open no more");
    Files gone;
    {
      const std::lock_guard lock(mutex_);
      files_max_ = std::max(kFilesMin, std::min(files_max_, ring_.size()) / 2);
      close_down_to(files_max_ - 1, gone);
    }
    gone.clear();
    error = directory.open(path, storage::OpenMode::read, opened);
  }
  if (error) return error;
  Files gone;
  const std::lock_guard lock(mutex_);
  if (slot.file_ == nullptr) {  // nobody was faster
    close_down_to(files_max_ - 1, gone);
    slot.file_ = std::move(opened);
    slot.place_ = ring_.size();
    ring_.push_back(&slot);
  }
  file = slot.file_;
  return {};
}

void OpenFiles::forget(Slot& slot) {
  Files gone;
  const std::lock_guard lock(mutex_);
  if (slot.file_ != nullptr) take_out(slot, gone);
}

std::size_t OpenFiles::count() const {
  const std::lock_guard lock(mutex_);
  return ring_.size();
}

void OpenFiles::close_down_to(std::size_t count, Files& gone) {
  // Twice around takes every bit away.
  for (std::size_t steps = 2 * ring_.size(); steps > 0 && ring_.size() > count; --steps) {
    if (hand_ >= ring_.size()) hand_ = 0;
    Slot& slot = *ring_[hand_];
    if (std::exchange(slot.used_, false)) {
      ++hand_;
    } else {
      take_out(slot, gone);  // another takes its place: the hand stays
    }
  }
}

void OpenFiles::take_out(Slot& slot, Files& gone) {
  gone.push_back(std::move(slot.file_));
  slot.file_ = nullptr;
  ring_[slot.place_] = ring_.back();
  ring_[slot.place_]->place_ = slot.place_;
  ring_.pop_back();
}

}  // namespace ingot::runs
