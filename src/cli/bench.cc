// bench: what this machine's disk and the engine do together, on a store of its own, in about ten seconds.
//
// Not the project's benchmark (that is bench/, with its peers): an answer to "how fast is it here?".
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <system_error>
#include <thread>
#include <vector>

#include "cli/json.h"
#include "cli/text.h"
#include "cli/verb.h"

namespace ingot::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kValueBytes = 100;
constexpr std::size_t kBatchRecords = 1000;
constexpr std::size_t kThreads = 8;
constexpr std::uint64_t kLoadedRecordsMax =
    5'000'000;  // about 600 MB: a large disk that is fast must not fill a small one

// A directory that is gone when this is.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::filesystem::path& parent) {
    std::string pattern = (parent / "ingot-bench-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      throw UsageError("No directory can be made in " + shown(parent.string()) + ": " + std::strerror(errno) +
                       ". Say where to measure with --directory.");
    }
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
    if (error) say("What was measured with is left over in " + path_ + ": " + error.message());
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// xorshift64*: which keys are read need not be secret, only spread.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u | 1) {}
  std::uint64_t below(std::uint64_t bound) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return (state_ * 0x2545f4914f6cdd1du >> 11) % bound;
  }

 private:
  std::uint64_t state_;
};

std::string key_of(std::uint64_t number) {
  std::string digits = std::to_string(number);
  return std::string(16 - std::min<std::size_t>(16, digits.size()), '0') + digits;
}

struct Measure {
  const char* name;
  const char* unit;
  double per_second = 0;
  double median_micros = 0;  // of one call; 0: not taken
  double high_micros = 0;    // 99 of 100 are below
};

double percentile(std::vector<double>& micros, double share) {
  if (micros.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(micros.size() - 1));
  std::nth_element(micros.begin(), micros.begin() + at, micros.end());
  return micros[static_cast<std::size_t>(at)];
}

// Calls `step` on `threads` threads until the time is over or it says that it is done; it returns how much it did.
Measure measure(const char* name, const char* unit, std::chrono::duration<double> time, std::size_t threads,
                const std::function<std::uint64_t(std::size_t thread)>& step) {
  constexpr std::size_t kSamplesMax = 200'000;
  std::vector<std::vector<double>> samples(threads);
  std::atomic<std::uint64_t> total{0};
  std::atomic<bool> over{false};
  std::exception_ptr failure;
  std::atomic<bool> failed{false};
  const auto begun = Clock::now();
  const auto work = [&](std::size_t thread) {
    try {
      auto before = Clock::now();
      while (!over && !signal_received() && before - begun < time) {
        const std::uint64_t done = step(thread);
        const auto after = Clock::now();
        if (samples[thread].size() < kSamplesMax) {
          samples[thread].push_back(std::chrono::duration<double, std::micro>(after - before).count());
        }
        before = after;
        total += done;
        if (done == 0) over = true;
      }
    } catch (...) {
      over = true;
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  };
  std::vector<std::thread> helpers;
  for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back(work, i);
  work(0);
  for (std::thread& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
  const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  std::vector<double> all;
  for (const auto& each : samples) all.insert(all.end(), each.begin(), each.end());
  return {name, unit, static_cast<double>(total) / seconds, percentile(all, 0.5), percentile(all, 0.99)};
}

void print(Context& context, const Measure& measure) {
  if (context.json) {
    context.output.line(JsonObject()
                            .add("measure", measure.name)
                            .add("unit", measure.unit)
                            .add("per_second", measure.per_second)
                            .add("median_microseconds", measure.median_micros)
                            .add("percentile_99_microseconds", measure.high_micros)
                            .finish());
  } else {
    char line[160];
    std::snprintf(line, sizeof line, "%-34s %14s %-8s %12.1f %12.1f", measure.name,
                  count_text(static_cast<std::uint64_t>(std::llround(measure.per_second))).c_str(), measure.unit,
                  measure.median_micros, measure.high_micros);
    context.output.line(line);
  }
  context.output.flush();
}

void run_measures(Context& context, Store& store, std::chrono::duration<double> slice) {
  const Space small{"small"}, large{"large"};
  const std::string value(kValueBytes, 'v');
  std::atomic<std::uint64_t> next{0};
  const auto commit = [&](std::size_t) -> std::uint64_t {
    small.put(store, key_of(next++), value);
    return 1;
  };
  print(context, measure("durable commits, one thread", "/s", slice, 1, commit));
  print(context, measure("durable commits, eight threads", "/s", slice, kThreads, commit));

  std::uint64_t loaded = 0;
  Chance spread(1);
  std::string random_value(kValueBytes, '\0');
  print(context, measure("load, 1000 records a commit", "records/s", slice, 1, [&](std::size_t) -> std::uint64_t {
          if (loaded >= kLoadedRecordsMax) return 0;
          store.transact(
              [&](Transaction& tx) {
                for (std::size_t i = 0; i < kBatchRecords; ++i) {
                  for (char& c : random_value) c = static_cast<char>('a' + spread.below(26));
                  large.put(tx, key_of(loaded + i), random_value);
                }
              },
              {.durability = Durability::process});
          loaded += kBatchRecords;
          return kBatchRecords;
        }));
  store.sync();
  if (loaded == 0) return;

  std::vector<Chance> chances;
  for (std::size_t i = 0; i < kThreads; ++i) chances.emplace_back(i + 2);
  print(context,
        measure("gets, chosen at random, one thread", "/s", slice, 1, [&](std::size_t thread) -> std::uint64_t {
          return large.get(store, key_of(chances[thread].below(loaded))) ? 1 : 0;
        }));
  print(context, measure("scans", "records/s", slice, 1, [&](std::size_t thread) -> std::uint64_t {
          std::uint64_t count = 0;
          const std::string begin = key_of(chances[thread].below(loaded));
          Scan scan = large.scan(store, from(begin), {.limit = 1000});
          while (scan.next()) ++count;
          return count;
        }));
}

}  // namespace

Exit run_bench(Context& context) {
  std::filesystem::path parent;
  if (const auto directory = context.arguments.value("directory")) {
    parent = *directory;
  } else if (context.where().starts_with("s3://")) {
    throw UsageError(shown(context.where()) + " is in a bucket, and this measures a disk: say which with --directory.");
  } else {
    parent = std::filesystem::absolute(context.where()).lexically_normal();
    if (!parent.has_filename()) parent = parent.parent_path();  // "data/" is data
    parent = parent.parent_path();
  }
  const auto seconds = static_cast<double>(context.number("seconds", 5, 600).value_or(10));
  note_signals();
  const TemporaryDirectory directory(parent);
  Store store = open_store(directory.path(), Access::make);
  if (!context.json) {
    char line[160];
    std::snprintf(line, sizeof line, "%-34s %14s %-8s %12s %12s", "100-byte values", "", "", "median µs", "99 % µs");
    context.output.line(line);
  }
  run_measures(context, store, std::chrono::duration<double>(seconds / 5));
  store.close();
  return signal_received() ? Exit::interrupted : Exit::done;
}

}  // namespace ingot::cli
