// Writes sorted records into run files: what flush, compaction and copy have in common. Cuts the output into files of a
// bounded size, so that later merges and deletions work on parts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/merged_view.h"
#include "runs/run.h"
#include "storage/directory.h"

namespace ingot::engine {

// A failure of storage while a run was written.
class OutputFailed : public std::exception {
 public:
  explicit OutputFailed(std::string what) : what_(std::move(what)) {}
  [[nodiscard]] const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

class RunOutput {
 public:
  // Begins another file when one has `file_bytes`. `erasures` are written too, each to the file that covers it; with
  // erasures the output is one file.
  RunOutput(storage::Directory& directory, const std::vector<ErasureMap::Fragment>& erasures, std::uint64_t file_bytes);
  ~RunOutput();  // what was not finished is removed
  // From now on fails with ENOSPC rather than leave less than `bytes()` of the disk free.
  void leave_free(std::function<std::uint64_t()> bytes) { leave_free_ = std::move(bytes); }
  void add(const runs::Record& record);
  // Syncs the files and their directory. The summaries are in key order; none if there was nothing to write.
  std::vector<runs::RunSummary> finish();
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  void require_free();
  void begin_file();
  void end_file();

  storage::Directory& directory_;
  const std::uint64_t file_bytes_;
  std::vector<ErasureMap::Fragment> erasures_;
  std::unique_ptr<runs::RunWriter> writer_;
  std::vector<runs::RunSummary> summaries_;
  std::uint64_t bytes_ = 0;
  std::function<std::uint64_t()> leave_free_;
  std::uint64_t check_free_at_ = 0;  // once so many bytes of the file are written
  bool finished_ = false;
};

// A new random name for a run file.
std::string new_run_name();
inline constexpr std::string_view kRunsPrefix = "runs/";
// kRunsPrefix, and the name.
std::string run_path(std::string_view name);

}  // namespace ingot::engine
