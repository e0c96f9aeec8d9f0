#include "engine/run_output.h"

#include <cerrno>
#include <cstdio>

#include "base/random.h"
#include "base/testing.h"

namespace ingot::engine {

std::string new_run_name() {
  const unsigned long long first = base::random_u64();
  const unsigned long long second = base::random_u64();
  char name[33];
  std::snprintf(name, sizeof name, "%016llx%016llx", first, second);
  return {name, 32};
}

std::string run_path(std::string_view name) {
  return std::string(kRunsPrefix).append(name);
}

RunOutput::RunOutput(storage::Directory& directory, const std::vector<ErasureMap::Fragment>& erasures,
                     std::uint64_t file_bytes)
    : directory_(directory), file_bytes_(file_bytes), erasures_(erasures) {
  if (!erasures_.empty()) begin_file();
}

RunOutput::~RunOutput() {
  writer_.reset();
  if (finished_) return;
  for (const runs::RunSummary& summary : summaries_) (void)directory_.remove(run_path(summary.name)).code();
}

void RunOutput::begin_file() {
  summaries_.emplace_back().name = new_run_name();
  writer_ = std::make_unique<runs::RunWriter>(directory_, run_path(summaries_.back().name), runs::Compression::lz4);
  for (const ErasureMap::Fragment& erasure : erasures_) {
    writer_->add_range_erasure({erasure.begin, erasure.end, erasure.version});
  }
}

void RunOutput::end_file() {
  const std::string name = summaries_.back().name;
  if (const storage::IoError error = writer_->finish(summaries_.back())) {
    throw OutputFailed(directory_.where() + "/" + run_path(name) + ": " + error.text());
  }
  summaries_.back().name = name;
  bytes_ += summaries_.back().file_bytes;
  writer_.reset();
}

void RunOutput::require_free() {
  constexpr std::uint64_t kEveryBytes = 1ULL << 20;
  check_free_at_ = bytes_ + writer_->file_bytes() + kEveryBytes;
  std::uint64_t free = 0;
  if (directory_.free_bytes(free) || free >= leave_free_() + kEveryBytes) return;
  base::probe("engine: a merge was given up for want of room");
  throw OutputFailed(directory_.where() +
                     ": a merge needs more room than the disk has: " + storage::IoError(ENOSPC).text());
}

void RunOutput::add(const runs::Record& record) {
  if (writer_ != nullptr && erasures_.empty() && writer_->file_bytes() >= file_bytes_) end_file();
  if (writer_ == nullptr) begin_file();
  if (leave_free_ && bytes_ + writer_->file_bytes() >= check_free_at_) require_free();
  if (const storage::IoError error = writer_->add(record)) {
    throw OutputFailed(directory_.where() + "/" + run_path(summaries_.back().name) + ": " + error.text());
  }
}

std::vector<runs::RunSummary> RunOutput::finish() {
  if (writer_ != nullptr) end_file();
  if (!summaries_.empty()) {
    if (const storage::IoError error = directory_.sync_directory("runs")) {
      throw OutputFailed(directory_.where() + "/runs: " + error.text());
    }
  }
  finished_ = true;
  return std::move(summaries_);
}

}  // namespace ingot::engine
