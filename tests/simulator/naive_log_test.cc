// The simulator finds what it is made to find: a naive log, one file, appended to by threads of one process that is
// killed and loses its power. Done right it passes every seed; each classic mistake is caught within a few.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/thread.h"
#include "in_world.h"

namespace ingot::simulator {
namespace {

enum class Mistake { none, no_sync, no_directory_sync, acknowledge_first, no_checksum, no_lock, trust_the_cache };

constexpr std::size_t kRecordBytes = 512 * 3;  // longer than a sector, so it can tear

// A record: hash, number, filler that follows from the number.
std::string record(std::uint64_t number) {
  std::string bytes(8, '\0');
  base::append_little(bytes, number);
  bytes.resize(kRecordBytes, static_cast<char>('a' + number % 26));
  base::store_little(bytes.data(), base::hash64(std::string_view(bytes).substr(8)));
  return bytes;
}

struct NaiveWorld {
  Mistake mistake;
  std::vector<std::uint64_t> acknowledged;  // or shown; the host's
};

// Returns the numbers that a good reader finds; a record that is not whole ends the log.
std::vector<std::uint64_t> read_back(storage::File& file, Mistake mistake) {
  std::vector<std::uint64_t> numbers;
  std::string bytes(kRecordBytes, '\0');
  for (std::uint64_t at = 0;; at += kRecordBytes) {
    std::size_t got = 0;
    if (file.read_at(at, bytes, got) || got != kRecordBytes) return numbers;
    const bool whole =
        base::load_little<std::uint64_t>(bytes.data()) == base::hash64(std::string_view(bytes).substr(8));
    const auto number = base::load_little<std::uint64_t>(bytes.data() + 8);
    if (mistake == Mistake::no_checksum ? number == 0 : !whole) return numbers;
    numbers.push_back(number);
  }
}

void naive_process(World& world, NaiveWorld& shared, std::uint64_t first_number) {
  std::unique_ptr<storage::File> file;
  if (world.disk.open("wal", storage::OpenMode::read_write, file)) {
    if (world.disk.open("wal", storage::OpenMode::create, file)) return;
  }
  // Also if it was there: whoever made it may have been killed before this line.
  if (shared.mistake != Mistake::no_directory_sync && world.disk.sync_directory("")) return;
  // What was read may be in the cache alone, so it is synced before anything is built on it, or shown.
  if (shared.mistake != Mistake::trust_the_cache && file->sync_data()) return;
  const std::vector<std::uint64_t> seen = read_back(*file, shared.mistake);
  std::uint64_t end = seen.size() * kRecordBytes;
  {
    HostMemory host;  // what was shown to anybody is a promise
    for (const std::uint64_t number : seen) {
      if (std::find(shared.acknowledged.begin(), shared.acknowledged.end(), number) == shared.acknowledged.end()) {
        shared.acknowledged.push_back(number);
      }
    }
  }
  if (first_number == 0) return;  // a reader
  base::Mutex mutex;
  std::vector<base::Thread> threads;
  for (std::uint64_t thread = 0; thread < 2; ++thread) {
    threads.emplace_back("writer", [&, thread] {
      for (std::uint64_t i = 0; i < 4; ++i) {
        const std::uint64_t number = first_number + thread * 4 + i;
        const std::string bytes = record(number);
        std::unique_lock lock(mutex, std::defer_lock);
        if (shared.mistake != Mistake::no_lock) lock.lock();
        const std::uint64_t at = end;
        if (file->write_at(at, bytes)) return;
        if (shared.mistake == Mistake::acknowledge_first) {
          HostMemory host;
          shared.acknowledged.push_back(number);
        }
        if (shared.mistake != Mistake::no_sync && file->sync_data()) return;
        end = at + kRecordBytes;
        if (shared.mistake != Mistake::acknowledge_first) {
          HostMemory host;
          shared.acknowledged.push_back(number);
        }
      }
    });
  }
}

std::string run_naive(std::uint64_t seed, Mistake mistake) {
  NaiveWorld shared{mistake, {}};
  const Ran ran = in_world(seed, [&](World& world) {
    std::uint64_t next = 1;
    for (std::uint64_t round = world.chance.between(1, 3); round > 0; --round) {
      Process& process = world.scheduler.start("naive", [&, first = next] { naive_process(world, shared, first); });
      next += 8;
      if (world.chance.one_in(2)) world.scheduler.kill_after(process, world.chance.magnitude(1, 300));
      if (world.chance.one_in(2)) {
        world.scheduler.after_steps(world.chance.magnitude(1, 300), [&world] { world.disk.lose_power(); });
      }
      world.scheduler.wait_for_end(process);
    }
    world.scheduler.after_steps(~0ULL >> 1, [] {});
    world.scheduler.wait_for_end(world.scheduler.start("reader", [&] { naive_process(world, shared, 0); }));
    world.disk.lose_power();
    std::unique_ptr<storage::File> file;
    std::vector<std::uint64_t> found;
    if (!world.disk.open("wal", storage::OpenMode::read, file)) found = read_back(*file, mistake);
    for (const std::uint64_t number : shared.acknowledged) {
      if (std::count(found.begin(), found.end(), number) != 1) {
        world.scheduler.fail("acknowledged, and not there once: " + std::to_string(number));
      }
    }
    std::string bytes(kRecordBytes, '\0');
    for (std::size_t i = 0; i < found.size(); ++i) {
      std::size_t got = 0;
      if (file->read_at(i * kRecordBytes, bytes, got) || bytes != record(found[i])) world.scheduler.fail("torn");
    }
  });
  return ran.failure;
}

TEST(NaiveLog, DoneRightItPassesEverySeed) {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) ASSERT_EQ(run_naive(seed, Mistake::none), "") << seed;
}

TEST(NaiveLog, EachClassicMistakeIsCaughtWithinAHundredSeeds) {
  for (const Mistake mistake : {Mistake::no_sync, Mistake::no_directory_sync, Mistake::acknowledge_first,
                                Mistake::no_checksum, Mistake::no_lock, Mistake::trust_the_cache}) {
    std::uint64_t seed = 0;
    while (seed < 100 && run_naive(seed, mistake).empty()) ++seed;
    EXPECT_LT(seed, 100u) << "mistake " << static_cast<int>(mistake);
  }
}

}  // namespace
}  // namespace ingot::simulator
