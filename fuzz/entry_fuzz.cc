// Log segments: any bytes may stand in one. Opening must end with entries, a torn tail or a sentence about damage. Half
// of the time entries' hashes are not looked at, so that what lies behind them is reached.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/testing.h"
#include "log/directory_log.h"
#include "log/live.h"
#include "log/segment_format.h"
#include "storage/memory_directory.h"

using namespace ingot;

namespace {

constexpr base::Hash128 kStore{1, 2};

// A segment as the log itself writes it, with one entry: the seed that damage starts from.
const std::string& whole_segment() {
  static const std::string bytes = [] {
    const auto directory = storage::make_memory_directory();
    (void)directory->make_directory("log").code();
    auto opened = log::Live::open(*directory, kStore, base::now() + std::chrono::seconds(5));
    log::DirectoryLogOptions options;
    options.store_id = kStore;
    options.segment_bytes = log::kSegmentBytesMin;
    log::Read outcome = log::Read::caught_up;
    std::string why;
    const auto log = log::open_directory_log(
        *directory, *opened.live, options, [](const log::Entry&) {}, outcome, why);
    for (int i = 0; i < 3; ++i) {
      log::Draft draft;
      draft.transaction_count = 1;
      const std::string_view part = "an entry of the log";
      draft.parts = {&part, 1};
      draft.durable = i != 1;
      (void)log->append(draft, base::now() + std::chrono::seconds(5));
    }
    std::vector<std::string> names;
    (void)directory->list("log", names).code();
    std::string best;
    for (const std::string& name : names) {
      if (name.find_first_not_of("0123456789abcdef") != std::string::npos) continue;
      std::unique_ptr<storage::File> file;
      (void)directory->open("log/" + name, storage::OpenMode::read, file).code();
      best.resize(log::kSegmentBytesMin);
      std::size_t got = 0;
      (void)file->read_at(0, best, got).code();
    }
    log->close();
    return best;
  }();
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  std::string segment = whole_segment();
  base::set_break(base::Break::log_ignore_entry_hash, (data[0] & 1) != 0);
  // The input is laid over the segment, at an offset of its own.
  const std::size_t offset =
      (static_cast<std::size_t>(data[1]) | static_cast<std::size_t>(data[2]) << 8U) % segment.size();
  for (std::size_t i = 3; i < size && offset + i - 3 < segment.size(); ++i)
    segment[offset + i - 3] = static_cast<char>(data[i]);

  const auto directory = storage::make_memory_directory();
  (void)directory->make_directory("log").code();
  std::unique_ptr<storage::File> file;
  (void)directory->open("log/0000000000000001", storage::OpenMode::create, file).code();
  (void)file->write_at(0, segment).code();
  const auto live = log::Live::open_read_only(*directory, kStore);
  log::DirectoryLogOptions options;
  options.store_id = kStore;
  options.read_only = true;
  options.segment_bytes = log::kSegmentBytesMin;
  log::Read outcome = log::Read::caught_up;
  std::string why;
  const auto log = log::open_directory_log(
      *directory, *live, options, [](const log::Entry&) {}, outcome, why);
  if (log != nullptr) log->close();
  base::set_break(base::Break::log_ignore_entry_hash, false);
  return 0;
}
