// Records of a file in batches, parsed on a thread of their own while the ones before are committed.
#include "cli/import_batches.h"

#include <utility>

#include "cli/verb.h"

namespace ingot::cli {
namespace {

// Large enough that a commit's own cost is spread thin, small enough that little is done again after a kill.
constexpr std::size_t kBatchRecordsMax = 1000;
constexpr std::size_t kBatchBytesMax = 1024 * 1024;
constexpr std::size_t kBatchBadMax = 1000;  // a file that is no such file at all is told of soon
constexpr std::size_t kBatchesMax = 4;

}  // namespace

BatchReader::BatchReader(ImportParser& parser, LineReader& reader, BadLines bad_lines)
    : parser_(parser), reader_(reader), bad_lines_(bad_lines), thread_([this] { run(); }) {}

BatchReader::~BatchReader() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    abandoned_ = true;
  }
  changed_.notify_all();
  end_waiting();  // it may be waiting for a pipe that stays silent
  thread_.join();
}

ImportBatch BatchReader::take() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return !ready_.empty() || failure_ != nullptr; });
  if (ready_.empty()) std::rethrow_exception(failure_);
  ImportBatch batch = std::move(ready_.front());
  ready_.pop_front();
  lock.unlock();
  changed_.notify_all();
  return batch;
}

void BatchReader::run() {
  try {
    for (;;) {
      ImportBatch batch = read_batch();
      const bool last = batch.then != ImportBatch::Then::more;
      if (!hand_over(std::move(batch)) || last) return;
    }
  } catch (...) {
    const std::lock_guard<std::mutex> lock(mutex_);
    failure_ = std::current_exception();
  }
  changed_.notify_all();
}

bool BatchReader::hand_over(ImportBatch batch) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return ready_.size() < kBatchesMax || abandoned_; });
  if (abandoned_) return false;
  ready_.push_back(std::move(batch));
  lock.unlock();
  changed_.notify_all();
  return true;
}

ImportBatch BatchReader::read_batch() {
  ImportBatch batch;
  std::size_t bytes = 0;
  batch.offset = reader_.offset();
  batch.line = reader_.line_number();
  ImportRecord record;
  BadLine bad;
  while (batch.records.size() < kBatchRecordsMax && bytes < kBatchBytesMax && batch.bad.size() < kBatchBadMax) {
    const Parsed parsed = parser_.next(record, bad);
    // After a signal the input ends early, maybe in the middle of this record: it is left to the next run.
    if (signal_received()) {
      batch.then = ImportBatch::Then::stopped;
      return batch;
    }
    if (parsed == Parsed::end) {
      batch.then = ImportBatch::Then::end;
      batch.offset = reader_.offset();
      return batch;
    }
    if (parsed == Parsed::bad) {
      batch.bad.push_back(std::move(bad));
      if (bad_lines_ == BadLines::stop) {
        batch.bad_ahead = 1;
        batch.then = ImportBatch::Then::stopped;
        return batch;
      }
    } else {
      bytes += record.key.size() + record.value.size();
      batch.records.push_back(std::move(record));
    }
    batch.offset = reader_.offset();
    batch.line = reader_.line_number();
  }
  return batch;
}

}  // namespace ingot::cli
