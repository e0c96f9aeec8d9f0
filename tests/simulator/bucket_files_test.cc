// Files in a bucket, by several processes of a machine that share its disk cache, while requests meet all that can
// befall them, the disk fails, fills and rots, and processes are killed or stand still. What must hold:
//   - whatever is read is right, or an error that says why it could not be had
//   - a file that was finished is there, whole, until it is removed; any other is whole or not there, and never a part
//   - its date is not later than the object's
//   - what is left behind can be found by whoever sweeps
#include "storage/bucket_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "base/testing.h"
#include "in_world.h"
#include "memory.h"
#include "mounted.h"
#include "storage/disk_cache.h"
#include "storage/request_pool.h"
#include "support/memory_bucket.h"

namespace ingot::simulator {
namespace {

using namespace std::chrono_literals;
using storage::BucketDate;
using storage::BucketFiles;
using storage::IoError;

constexpr const char* kStore = "00112233445566778899aabbccddeeff";

std::string contents_of(std::string_view path, std::uint64_t bytes) {
  base::Random random(base::hash64(path));
  std::string out;
  out.reserve(bytes + 8);
  while (out.size() < bytes) {
    const std::uint64_t word = random.next();
    out.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  out.resize(bytes);
  return out;
}

// What all processes did, as the host knows it.
class FilesHistory {
 public:
  enum class State { begun, finished, failed, removing };
  struct Made {
    std::string path;
    std::uint64_t bytes;
    State state;
    std::optional<BucketDate> begun;
  };

  explicit FilesHistory(World& world) : world_(world) {}

  std::size_t begin(std::string_view path, std::uint64_t bytes) {
    HostMemory host;
    files_.push_back({std::string(path), bytes, State::begun, {}});
    return files_.size() - 1;
  }
  void set(std::size_t file, State state, std::optional<BucketDate> begun = {}) {
    HostMemory host;
    files_[file].state = state;
    if (begun.has_value()) files_[file].begun = begun;
  }
  [[nodiscard]] std::size_t count() const { return files_.size(); }
  [[nodiscard]] const Made& at(std::size_t file) const { return files_[file]; }
  [[noreturn]] void fail(const std::string& why) { world_.scheduler.fail("files: " + why); }

  // When all is over, and nothing is on the wire.
  void check() {
    std::map<std::string, BucketDate> modified;
    std::string continuation;
    do {
      const storage::Listing page = world_.bucket.list("runs/", continuation, base::now() + 30s);
      for (const storage::ListedObject& object : page.objects) modified.emplace(object.key, object.modified);
      continuation = page.continuation;
    } while (!continuation.empty());
    std::set<std::string> known;
    for (const Made& file : files_) {
      known.insert(file.path);
      const std::optional<std::string> bytes = world_.bucket.peek(file.path);
      if (!bytes.has_value()) {
        if (file.state == State::finished) fail("a file that was finished is not there: " + file.path);
        continue;
      }
      if (*bytes != contents_of(file.path, file.bytes)) fail("a file is not whole: " + file.path);
      if (file.begun.has_value() && *file.begun > modified.at(file.path)) fail("a date is too late: " + file.path);
    }
    for (const storage::OpenUpload& upload : world_.bucket.open_uploads()) {
      if (!known.contains(upload.key)) fail("an upload that nobody began: " + upload.key);
    }
  }

 private:
  World& world_;
  std::vector<Made> files_;
};

// One life of one process. In its memory.
class FilesLife {
 public:
  FilesLife(World& world, FilesHistory& history, std::uint64_t cache_bytes)
      : world_(world), history_(history), random_(base::random_u64()) {
    if (cache_bytes != 0) {
      cache_ = std::make_unique<storage::DiskCache>(
          [&world](std::unique_ptr<storage::Directory>& root) {
            root = std::make_unique<Mounted>(world.disk);
            return IoError();
          },
          cache_bytes, [&world](const std::string&) { world.report.outcome("cache off"); });
    }
    storage::BucketFiles::Options options;
    options.store_id = kStore;
    options.clock = [&world] { return world.bucket.date(); };
    files_ = storage::make_bucket_files(world.bucket, pool_, cache_.get(), std::move(options));
  }

  void run(int operations, std::uint64_t file_bytes_max) {
    for (int i = 0; i < operations; ++i) {
      ++world_.report.operations;
      const std::uint64_t what = random_.below(10);
      if (what < 3 || history_.count() == 0) {
        write(file_bytes_max);
      } else if (what < 9) {
        read_some();
      } else {
        remove_one();
      }
    }
  }

 private:
  void write(std::uint64_t bytes_max) {
    char name[48];
    std::snprintf(name, sizeof name, "runs/%016llx", static_cast<unsigned long long>(base::random_u64()));
    std::uint64_t bytes = random_.below(bytes_max);
    if (bytes_max < BucketFiles::kPartBytes) bytes = random_.below(bytes + 1);
    const std::size_t number = history_.begin(name, bytes);
    const std::string whole = contents_of(name, bytes);
    std::unique_ptr<storage::File> file;
    (void)files_->open(name, storage::OpenMode::create, file).code();
    const std::uint64_t end = random_.below(10) == 0 ? random_.below(bytes + 1) : bytes;  // given up, or not
    IoError error;
    for (std::uint64_t at = 0; at < end && !error;) {
      const std::uint64_t step = std::min(end - at, 1 + random_.below(3'000'000));
      error = file->write_at(at, std::string_view(whole).substr(at, step));
      at += step;
    }
    if (!error && end == bytes) {
      error = file->sync();
      if (!error) {
        history_.set(number, FilesHistory::State::finished, files_->begun(name));
        world_.report.outcome("finished");
        return;
      }
    }
    world_.report.outcome(error ? "write failed" : "given up");
    if (error) expect_sensible(error);
    history_.set(number, FilesHistory::State::failed);
    file.reset();
    if (random_.below(2) == 0) (void)files_->remove(name).code();
  }

  void expect_sensible(const IoError& error) {
    switch (error.code()) {
      case ETIMEDOUT:
      case ENETUNREACH:
      case EACCES:
        return;
      default:
        history_.fail("an error that can't be: " + error.text());
    }
  }

  void read_some() {
    const std::size_t number = random_.below(history_.count());
    const FilesHistory::Made made = history_.at(number);
    const std::string whole = contents_of(made.path, made.bytes);
    std::unique_ptr<storage::File> file;
    (void)files_->open(made.path, storage::OpenMode::read, file).code();
    for (std::uint64_t times = random_.below(6); times > 0; --times) {
      const std::uint64_t offset = random_.below(made.bytes + 1);
      std::string out(random_.below(random_.below(4) == 0 ? 2'000'000 : 20'000) + 1, '\0');
      const std::uint64_t how = random_.below(8);
      if (how < 4) file->will_read(offset, out.size(), static_cast<storage::Reading>(how));
      std::size_t got = 0;
      const IoError error = file->read_at(offset, out, got);
      const std::size_t expected = std::min<std::size_t>(out.size(), whole.size() - offset);
      const bool is_right = std::string_view(out).substr(0, got) == std::string_view(whole).substr(offset, got);
      if (!is_right || (!error && got != expected)) history_.fail("wrong bytes of " + made.path);
      if (error.code() == ENOENT) {
        world_.report.outcome("absent");
        if (history_.at(number).state == FilesHistory::State::finished && made.state == FilesHistory::State::finished)
          history_.fail("a file that was finished is said to be absent");
        return;
      }
      if (error) expect_sensible(error);
      world_.report.outcome(error ? "read failed" : "read");
      if (how == 3) file->wont_read(offset, out.size());
      if (how == 4) (void)file->distrust(offset, 1000);
    }
  }

  void remove_one() {
    const std::size_t number = random_.below(history_.count());
    if (history_.at(number).state == FilesHistory::State::begun) return;  // somebody is at it
    const std::string path = history_.at(number).path;
    history_.set(number, FilesHistory::State::removing);
    if (const IoError error = files_->remove(path)) expect_sensible(error);
  }

  World& world_;
  FilesHistory& history_;
  base::Random random_;
  storage::RequestPool pool_;
  std::unique_ptr<storage::DiskCache> cache_;
  std::unique_ptr<BucketFiles> files_;
};

// Now and then something happens to what is on the disk.
void trouble_cache(World& world, Chance& chance) {
  const std::vector<Disk::Listed> files = world.disk.files();
  if (files.empty()) return;
  const Disk::Listed& file = files[chance.below(files.size())];
  if (chance.one_in(8)) {
    (void)world.disk.remove(file.path).code();
  } else if (file.bytes != 0) {
    // As if somebody had written there: the cache syncs nothing, so there is little on the medium to damage.
    std::unique_ptr<storage::File> opened;
    if (world.disk.open(file.path, storage::OpenMode::read_write, opened)) return;
    std::string noise(chance.magnitude(1, 100'000), '\0');
    for (char& byte : noise) byte = static_cast<char>(chance.next());
    (void)opened->write_at(chance.below(file.bytes), noise).code();
  }
}

Ran run_files(std::uint64_t seed) {
  return in_world(seed, [&](World& world) {
    Chance& chance = world.chance;
    FilesHistory history(world);
    const bool is_good = chance.one_in(8);
    if (!is_good) world.bucket.set_faults(BucketProfile::draw(chance));
    FaultProfile disk;
    if (chance.one_in(2)) disk = FaultProfile::draw(chance);
    world.disk.set_faults(disk);
    if (chance.one_in(6)) world.disk.set_pages_max(chance.between(10, 400));
    // Parts are large: most seeds have none.
    const std::uint64_t bytes_max = chance.one_in(12) ? 20'000'000 : chance.magnitude(10'000, 2'000'000);
    const std::uint64_t cache_bytes = chance.one_in(5) ? 0 : chance.magnitude(200'000, 50'000'000);
    std::vector<Process*> processes;
    const auto start = [&](std::uint64_t count) {
      for (; count > 0; --count) {
        const int operations = static_cast<int>(chance.between(1, bytes_max > 2'000'000 ? 4 : 15));
        Process& process = world.scheduler.start("machine", [&world, &history, operations, bytes_max, cache_bytes] {
          FilesLife(world, history, cache_bytes).run(operations, bytes_max);
        });
        processes.push_back(&process);
        const std::uint64_t steps = chance.magnitude(10, 10'000);
        if (chance.one_in(3)) world.scheduler.kill_after(process, steps);
      }
    };
    start(chance.between(1, 4));
    for (std::uint64_t count = chance.below(16); count > 0; --count) {
      if (chance.one_in(20)) {
        world.disk.lose_power();  // and the disk cache is what that leaves of it
        start(chance.between(1, 3));
      }
      base::sleep_for(base::Duration(static_cast<std::int64_t>(chance.magnitude(1'000'000, 30'000'000'000))));
      Process& process = *processes[chance.below(processes.size())];
      const auto length = static_cast<std::int64_t>(chance.magnitude(1'000'000, 4'000'000'000'000));
      if (chance.one_in(4) && process.running()) world.scheduler.pause(process, base::Duration(length));
      trouble_cache(world, chance);
    }
    for (Process* const process : processes) world.scheduler.wait_for_end(*process);
    world.disk.set_faults({});
    world.bucket.set_faults({});
    world.bucket.end_periods();
    base::sleep_for(Bucket::kWireMax);
    if (world.bucket.under_way() != 0) world.scheduler.fail("something is still under way");
    history.check();
  });
}

#ifdef INGOT_SIMULATOR_ASAN
constexpr std::uint64_t kFilesSeeds = 60;
#else
constexpr std::uint64_t kFilesSeeds = 400;
#endif

TEST(BucketFiles, AreRightOrSayWhyNotInEverySeed) {
  Report report;
  for (std::uint64_t seed = 0; seed < kFilesSeeds; ++seed) {
    const Ran ran = run_files(seed);
    ASSERT_EQ(ran.failure, "") << seed;
    report.add(ran.report);
  }
  for (const char* outcome : {"finished", "write failed", "given up", "read", "read failed", "absent", "cache off"})
    EXPECT_GT(report.outcomes[outcome], 0U) << outcome;
  for (const auto& [outcome, count] : report.outcomes) std::cout << count << " " << outcome << "\n";
  for (const auto& [probe, count] : report.probes) std::cout << count << " " << probe << "\n";
}

TEST(BucketFiles, ASeedDoesTheSameEachTime) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) EXPECT_EQ(run_files(seed).hash, run_files(seed).hash) << seed;
}

TEST(BucketFiles, EachDeliberateBreakIsCaught) {
  for (const base::Break broken : {base::Break::cache_ignore_checksum, base::Break::upload_trust_silence}) {
    base::set_break(broken, true);
    std::uint64_t seed = 0;
    std::string failure;
    for (; seed < 400 && failure.empty(); ++seed) failure = run_files(seed).failure;
    base::set_break(broken, false);
    EXPECT_NE(failure, "") << base::break_name(broken);
    std::cout << base::break_name(broken) << " after " << seed << " seeds: " << failure << "\n";
  }
}

TEST(BucketFiles, WhoIsKilledWhileHeWritesLeavesAnUploadAndNoFile) {
  int left = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      Process& process = world.scheduler.start("writer", [&world] {
        storage::RequestPool pool;
        const auto files = storage::make_bucket_files(world.bucket, pool, nullptr, {.store_id = kStore});
        const std::string part(BucketFiles::kPartBytes, 'x');
        std::unique_ptr<storage::File> file;
        (void)files->open("runs/a", storage::OpenMode::create, file).code();
        for (std::uint64_t i = 0; i < 5; ++i) EXPECT_FALSE(file->write_at(i * part.size(), part));
        base::sleep_for(1h);
      });
      base::sleep_for(30min);
      EXPECT_EQ(world.bucket.open_uploads().size(), 1U);
      world.scheduler.kill(process);
      base::sleep_for(Bucket::kWireMax);
      EXPECT_FALSE(world.bucket.peek("runs/a").has_value());
      const storage::OpenUploads open = world.bucket.list_uploads("runs/", "", base::now() + 30s);
      for (const storage::OpenUpload& upload : open.uploads) EXPECT_EQ(upload.key, "runs/a");
      left += static_cast<int>(open.uploads.size());
    });
    ASSERT_EQ(ran.failure, "") << seed;
  }
  EXPECT_GT(left, 5);
}

// In virtual time: the first gives up while the second waits for him.
TEST(BucketFiles, OneWhoseOwnTimeLastsTriesOnHisOwn) {
  const Ran ran = in_world(3, [](World& world) {
    Process& process = world.scheduler.start("machine", [] {
      ingot::testing::MemoryBucket bucket;
      bucket.set("runs/a", "bytes");
      int gets = 0;
      bucket.decide([&gets](const std::string&) -> std::optional<ingot::testing::MemoryBucket::Instead> {
        if (++gets != 1) return std::nullopt;
        base::sleep_for(40s);
        return ingot::testing::MemoryBucket::Instead{.outcome = storage::Outcome::unanswered};
      });
      storage::RequestPool pool;
      const auto files = storage::make_bucket_files(bucket, pool, nullptr, {.store_id = kStore});
      const auto read = [&files] {
        std::unique_ptr<storage::File> file;
        (void)files->open("runs/a", storage::OpenMode::read, file).code();
        char out[5];
        std::size_t got = 0;
        return file->read_at(0, out, got).code();
      };
      int first = 0;
      base::Thread reader("reader", [&] { first = read(); });
      base::sleep_for(20s);
      EXPECT_EQ(read(), 0);
      EXPECT_EQ(gets, 2);
      reader.join();
      EXPECT_EQ(first, ETIMEDOUT);
    });
    world.scheduler.wait_for_end(process);
  });
  EXPECT_EQ(ran.failure, "");
}

// In virtual time: the cache is tried again, and told of once.
TEST(BucketFiles, ADiskThatIsBackIsUsedAgain) {
  const Ran ran = in_world(3, [](World& world) {
    Process& process = world.scheduler.start("machine", [&world] {
      int messages = 0;
      storage::DiskCache cache(
          [&world](std::unique_ptr<storage::Directory>& root) {
            root = std::make_unique<Mounted>(world.disk);
            return IoError();
          },
          1 << 20, [&messages](const std::string&) { ++messages; });
      const auto object = cache.object(kStore, "runs/a");
      std::string slot;
      EXPECT_TRUE(object->write(0, "bytes"));
      for (int outage = 0; outage < 3; ++outage) {
        world.disk.set_full(true);
        EXPECT_FALSE(object->write(1000, "more"));
        world.disk.set_full(false);
        EXPECT_FALSE(object->write(1000, "more")) << "not tried yet";
        base::sleep_for(61s);
        EXPECT_TRUE(object->write(1000, "more"));
        EXPECT_EQ(object->read(1000, slot), "more");
        object->drop(1000);
        cache.remove(kStore, "runs/a");
      }
      EXPECT_EQ(messages, 1);
    });
    world.scheduler.wait_for_end(process);
  });
  EXPECT_EQ(ran.failure, "");
}

}  // namespace
}  // namespace ingot::simulator
