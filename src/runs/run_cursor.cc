// Walks over the records of a run: blocks pinned one at a time, or read ahead in large pieces.
#include <algorithm>
#include <optional>

#include "runs/read_ahead.h"
#include "runs/run_file.h"

namespace ingot::runs {

namespace {

class RunCursor final : public Cursor {
 public:
  RunCursor(std::shared_ptr<const Run> self, Run::Implementation& run, bool sequential)
      : self_(std::move(self)), run_(run) {
    meta_ = run_.open(Io::allowed);
    if (meta_ == nullptr) {
      fail(run_.all_keys());
    } else if (sequential) {
      ahead_.emplace(run_, *meta_, storage::Reading::once);
    }
  }

  void seek(std::string_view key) override {
    valid_ = false;
    // Behind a file that can't be opened there is nothing of it.
    if (meta_ == nullptr) return set_failed(key <= run_.summary.largest);
    failed_ = false;
    partition_ = meta_->partition_for(key);
    if (partition_ == meta_->partitions.size() || !load_partition()) return;
    block_ = part_.get()->view.lower_bound(key);
    if (block_ == part_.get()->view.count()) return step_partition();
    if (!load_block()) return;
    place_ = view_.lower_bound(key);
    if (place_ == view_.count()) return step_block();
    show(false);
  }

  void seek_before(std::string_view key) override {
    if (meta_ == nullptr) {
      valid_ = false;
      return set_failed(key > run_.summary.smallest);
    }
    seek(key);
    if (failed_) return;
    if (valid_) {
      previous();
    } else {
      seek_last();
    }
  }

  void seek_first() override {
    valid_ = false;
    if (meta_ == nullptr) return set_failed(true);
    if (meta_->partitions.empty()) return;
    partition_ = 0;
    if (!load_partition()) return;
    block_ = 0;
    if (!load_block()) return;
    place_ = 0;
    show(false);
  }

  void seek_last() override {
    valid_ = false;
    if (meta_ == nullptr) return set_failed(true);
    if (meta_->partitions.empty()) return;
    partition_ = meta_->partitions.size() - 1;
    if (!load_partition()) return;
    block_ = part_.get()->view.count() - 1;
    if (!load_block()) return;
    place_ = view_.count() - 1;
    show(false);
  }

  void next() override {
    if (++place_ < view_.count()) return show(true);
    step_block();
  }

  void previous() override {
    if (place_ > 0) {
      --place_;
      return show(true);
    }
    valid_ = false;
    if (block_ > 0) {
      --block_;
    } else {
      if (partition_ == 0) return;
      --partition_;
      if (!load_partition()) return;
      block_ = part_.get()->view.count() - 1;
    }
    if (!load_block()) return;
    place_ = view_.count() - 1;
    show(false);
  }

  [[nodiscard]] bool failed() const override { return failed_; }
  [[nodiscard]] const Unreadable* unreadable() const override { return failed_ ? &unreadable_ : nullptr; }

 private:
  void set_failed(bool failed) { failed_ = failed; }
  void fail(Unreadable keys) {
    failed_ = true;
    unreadable_ = std::move(keys);
    const std::lock_guard lock(run_.mutex);
    unreadable_.why = run_.why;
  }

  void show(bool same_block) {
    view_.read(place_, record_, key_, same_block);
    valid_ = true;
  }

  void step_block() {
    valid_ = false;
    if (++block_ == part_.get()->view.count()) return step_partition();
    if (!load_block()) return;
    place_ = 0;
    show(false);
  }

  void step_partition() {
    valid_ = false;
    if (++partition_ == meta_->partitions.size()) return;
    if (!load_partition()) return;
    block_ = 0;
    if (!load_block()) return;
    place_ = 0;
    show(false);
  }

  bool load_partition() {
    part_ = PinnedBlock(run_.partition(*meta_, partition_, Io::allowed));
    failed_ = part_.get() == nullptr;
    if (!failed_ && part_.get()->view.count() > meta_->partitions[partition_].block_count) {
      run_.fail("an index has more blocks than the meta block says");
      failed_ = true;
    }
    if (failed_) fail(run_.keys_of(*meta_, partition_, kWholePartition));
    return !failed_;
  }

  bool load_block() {
    Record entry;
    part_.get()->view.read_value(block_, entry);
    const Handle handle = load_handle(entry.value.data());
    if (ahead_.has_value()) return load_ahead(handle);
    data_ = PinnedBlock(run_.data_block(*meta_, partition_, block_, handle, Io::allowed));
    failed_ = data_.get() == nullptr;
    if (failed_) fail(run_.keys_of(*meta_, partition_, block_));
    if (!failed_) view_ = data_.get()->view;
    return !failed_;
  }

  bool load_ahead(const Handle& handle) {
    const std::string_view stored = ahead_->stored(handle);
    const bool unpacked = !stored.empty() && handle.raw_bytes <= kBlockBytesMax && run_.unpack(stored, handle, raw_);
    failed_ = !unpacked &&
              !run_.read_block(handle, kBlockBytesMax, raw_, [&] { return run_.keys_of(*meta_, partition_, block_); });
    if (!failed_ && !BlockView::verify(raw_)) {
      run_.fail("the block at " + std::to_string(handle.offset) + " is not one, though its checksum is right");
      failed_ = true;
    }
    if (failed_) fail(run_.keys_of(*meta_, partition_, block_));
    if (!failed_) view_ = BlockView(raw_.data());
    return !failed_;
  }

  std::shared_ptr<const Run> self_;
  Run::Implementation& run_;
  const Meta* meta_ = nullptr;
  bool failed_ = false;
  Unreadable unreadable_;
  std::size_t partition_ = 0;
  std::uint32_t block_ = 0;
  std::uint32_t place_ = 0;
  PinnedBlock part_;
  PinnedBlock data_;
  BlockView view_;
  std::string key_;
  std::string raw_;
  std::optional<ReadAhead> ahead_;  // if sequential
};

}  // namespace

std::unique_ptr<Cursor> make_run_cursor(std::shared_ptr<const Run> self, Run::Implementation& run, bool sequential) {
  return std::make_unique<RunCursor>(std::move(self), run, sequential);
}

}  // namespace ingot::runs
