// Records of a file in batches, parsed on a thread of their own while the ones before are committed.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "cli/import_parser.h"

namespace ingot::cli {

/// What one transaction takes.
struct ImportBatch {
  enum class Then {
    more,
    end,      ///< the file has ended
    stopped,  ///< by a signal, or at the first bad line where that is wanted
  };
  std::vector<ImportRecord> records;
  std::vector<BadLine> bad;
  std::uint64_t bad_ahead = 0;  ///< of those: not passed over, so a later run meets them again
  Then then = Then::more;
  std::uint64_t offset = 0;  ///< where a later run goes on
  std::uint64_t line = 0;
};

enum class BadLines { pass_over, stop };

/// The thread that parses. take() and the destructor: one thread. Bounds what it holds to kBatchesMax batches.
class BatchReader {
 public:
  BatchReader(ImportParser& parser, LineReader& reader, BadLines bad_lines);
  ~BatchReader();
  BatchReader(const BatchReader&) = delete;
  BatchReader& operator=(const BatchReader&) = delete;

  /// The next batch; waits for it. Not after one that says `end` or `stopped`.   throws what the parser threw
  ImportBatch take();

 private:
  void run();
  ImportBatch read_batch();
  bool hand_over(ImportBatch batch);  // false: nobody takes any more

  ImportParser& parser_;
  LineReader& reader_;
  const BadLines bad_lines_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // under mutex_
  std::deque<ImportBatch> ready_;
  std::exception_ptr failure_;
  bool abandoned_ = false;

  std::thread thread_;  // last: it uses all the others
};

}  // namespace ingot::cli
