// What redundancy costs, in bytes and in time: runs with parity and what of that is parity; appends to the log with and
// without. Medians of several rounds, which take turns.
//   redundancy-cost DIRECTORY      (on the file system to be measured; what it makes there it removes)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/testing.h"
#include "log/directory_log.h"
#include "log/live.h"
#include "log/parity.h"
#include "runs/run.h"
#include "runs/run_parity.h"
#include "storage/posix_directory.h"

namespace ingot {
namespace {

constexpr int kRounds = 9;

double seconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> numbers) {
  std::sort(numbers.begin(), numbers.end());
  return numbers[numbers.size() / 2];
}

void require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::exit(1);
}

std::string noise(std::size_t bytes) {
  base::Random random(1);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random.below(256));
  return text;
}

// A run of 45 MiB of values that don't compress.
void measure_runs(storage::Directory& directory) {
  require(!directory.make_directory("runs"), "make runs/");
  const std::string values = noise(1 << 20);
  runs::RunSummary summary;
  std::vector<double> whole;
  std::vector<double> parity;
  for (int round = 0; round < kRounds; ++round) {
    const std::string path = "runs/0000000000000000000000000000000" + std::to_string(round);
    whole.push_back(seconds([&] {
      runs::RunWriter writer(directory, path, runs::Compression::lz4);
      for (int i = 0; i < 550'000; ++i) {
        char key[16];
        std::snprintf(key, sizeof key, "key%010d", i);
        const std::size_t at = static_cast<std::size_t>(i) * 61 % (values.size() - 100);
        require(!writer.add({key, 1, runs::RecordKind::value, 0, std::string_view(values).substr(at, 100)}), "add");
      }
      require(!writer.finish(summary), "finish");
    }));
    require(!directory.remove(path), "remove");
    const std::string bytes = noise(1 << 20);
    parity.push_back(seconds([&] {
      runs::ParityBuilder builder;
      for (std::uint64_t done = 0; done < summary.file_bytes; done += bytes.size()) builder.add(bytes);
      require(!builder.finish().empty(), "parity");
    }));
  }
  std::uint64_t covered = summary.file_bytes / 4096 * 4096;
  while (covered + runs::parity_bytes(covered) + 2 * 4096 > summary.file_bytes) covered -= 4096;
  std::printf(
      "run of %.1f MiB: parity, checksums and the second footer are %.2f %% of it\n",
      static_cast<double>(summary.file_bytes) / (1 << 20),
      100.0 * static_cast<double>(summary.file_bytes - covered - 4096) / static_cast<double>(summary.file_bytes));
  std::printf("  written and synced in %.0f ms; computing the parity takes %.1f ms of it (%.1f %%, %.1f GB/s)\n",
              median(whole) * 1e3, median(parity) * 1e3, 100 * median(parity) / median(whole),
              static_cast<double>(summary.file_bytes) / median(parity) / 1e9);
}

// Computing the parity of a group of one entry, without the disk.
void measure_parity(std::size_t payload_bytes) {
  const std::string group = noise(log::entry_bytes(payload_bytes));
  std::string parity(log::parity_payload_bytes(group.size()), '\0');
  const std::size_t count = 200'000'000 / (group.size() + 4'000);
  std::vector<double> times;
  for (int round = 0; round < kRounds; ++round) {
    times.push_back(seconds([&] {
      for (std::size_t i = 0; i < count; ++i) log::encode_parity(log::kEntriesStart, group, parity.data());
    }));
  }
  std::printf("log, parity of an entry of %zu bytes: %.2f us, %llu bytes on the disk\n", payload_bytes,
              median(times) * 1e6 / static_cast<double>(count),
              static_cast<unsigned long long>(log::group_extent(group.size()) - log::sector_up(group.size())));
}

struct Appended {
  double per_second = 0;
  double bytes_each = 0;
};

Appended append_many(const std::string& where, std::size_t payload_bytes, bool durable, std::size_t count) {
  std::filesystem::remove_all(where);
  std::filesystem::create_directory(where);
  std::unique_ptr<storage::Directory> directory;
  require(!storage::open_posix_directory(where, directory), "open the directory");
  const auto soon = [] { return base::now() + std::chrono::seconds(60); };
  log::Live::Opened opened = log::Live::open(*directory, {1, 2}, soon());
  require(opened.live != nullptr, "open live");
  log::DirectoryLogOptions options;
  options.store_id = {1, 2};
  log::Read outcome = log::Read::unavailable;
  std::string why;
  const auto log = log::open_directory_log(
      *directory, *opened.live, options, [](const log::Entry&) {}, outcome, why);
  require(log != nullptr, why.c_str());
  const std::string payload = noise(payload_bytes);
  const std::string_view parts[] = {payload};
  log::Draft draft;
  draft.transaction_count = 1;
  draft.parts = parts;
  draft.durable = durable;
  const std::uint64_t before = log->stats().bytes_written;
  const double time = seconds([&] {
    for (std::size_t i = 0; i < count; ++i) require(log->append(draft, soon()) == log::Append::kept, "append");
    require(log->sync(soon()), "sync");
  });
  const std::uint64_t bytes = log->stats().bytes_written - before;
  log->close();
  return {static_cast<double>(count) / time, static_cast<double>(bytes) / static_cast<double>(count)};
}

void measure_log(const std::string& where, std::size_t payload_bytes, bool durable, std::size_t count) {
  std::vector<double> rates[2];
  std::vector<double> bytes[2];
  for (int round = 0; round < kRounds; ++round) {
    for (const bool parity : {true, false}) {
      base::set_break(base::Break::log_skip_parity, !parity);
      const Appended appended = append_many(where, payload_bytes, durable, count);
      rates[parity].push_back(appended.per_second);
      bytes[parity].push_back(appended.bytes_each);
    }
  }
  std::printf(
      "log, entries of %zu bytes, %s: %.0f a second with parity, %.0f without (%+.1f %%); %.0f bytes each, %.0f\n",
      payload_bytes, durable ? "each synced" : "synced in the background", median(rates[1]), median(rates[0]),
      100 * (median(rates[1]) / median(rates[0]) - 1), median(bytes[1]), median(bytes[0]));
}

}  // namespace
}  // namespace ingot

int main(int count, char** words) {
  using namespace ingot;
  require(count == 2, "give a directory");
  const std::string where = std::string(words[1]) + "/redundancy-cost";
  std::filesystem::remove_all(where);
  std::filesystem::create_directory(where);
  std::unique_ptr<storage::Directory> directory;
  require(!storage::open_posix_directory(where, directory), "open the directory");
  measure_runs(*directory);
  for (const std::size_t bytes : {100UL, 1'000UL, 10'000UL, 100'000UL, 1'000'000UL}) measure_parity(bytes);
  for (const std::size_t bytes : {100UL, 1'000UL, 10'000UL, 100'000UL})
    measure_log(where + "/log", bytes, true, bytes > 20'000 ? 100 : 400);
  for (const std::size_t bytes : {100UL, 1'000UL, 100'000UL})
    measure_log(where + "/log", bytes, false, 20'000'000 / (bytes + 400));
  std::filesystem::remove_all(where);
  return 0;
}
