// The disk cache: what it keeps, that whatever is wrong with it is a miss, that it keeps its bound, and that nothing on
// the disk's side is ever more than a cache that is off.
#include "storage/disk_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "base/random.h"
#include "base/testing.h"
#include "log/faulty_directory.h"
#include "storage/memory_directory.h"
#include "storage/posix_directory.h"
#include "support/temporary_directory.h"

namespace ingot::storage {
namespace {

using ingot::testing::TemporaryDirectory;

constexpr std::string_view kStore = "00112233445566778899aabbccddeeff";
constexpr std::uint64_t kPlenty = 1ULL << 30;

// What an object has in this chunk: never the same twice.
std::string contents(std::string_view key, std::uint64_t chunk, std::size_t bytes = DiskCache::kChunkBytes) {
  base::Random random(std::hash<std::string_view>{}(key) + chunk);
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(random.next());
  return out;
}

// "miss", "right" or "wrong".
std::string look(DiskCache::Object& object, std::uint64_t chunk, const std::string& expected) {
  std::string slot;
  const std::optional<std::string_view> bytes = object.read(chunk, slot);
  if (!bytes.has_value()) return "miss";
  return *bytes == expected ? "right" : "wrong";
}

class DiskCacheTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string root() const { return folder_.at("cache"); }
  [[nodiscard]] std::string file_of(std::string_view key) const {
    std::string path = root() + "/" + std::string(kStore) + "/" + std::string(key);
    const std::size_t name = path.rfind(key);
    std::replace(path.begin() + static_cast<std::ptrdiff_t>(name), path.end(), '/', '-');
    return path;
  }
  std::unique_ptr<DiskCache> cache(std::uint64_t bytes_max = kPlenty) {
    return open_disk_cache(root(), bytes_max, [this](const std::string& text) { messages_.push_back(text); });
  }
  // What all files take.
  [[nodiscard]] std::uint64_t taken() const {
    std::uint64_t bytes = 0;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root(), ignored)) {
      struct stat status {};
      if (::lstat(entry.path().c_str(), &status) == 0 && S_ISREG(status.st_mode))
        bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
    }
    return bytes;
  }

  TemporaryDirectory folder_;
  std::vector<std::string> messages_;
};

TEST_F(DiskCacheTest, KeepsChunksForWhoeverComesNext) {
  {
    const auto first = cache();
    const auto object = first->object(kStore, "runs/a");
    EXPECT_EQ(look(*object, 0, ""), "miss");
    EXPECT_FALSE(std::filesystem::exists(root() + "/" + std::string(kStore))) << "nothing is made by who only reads";
    EXPECT_TRUE(object->write(0, contents("a", 0)));
    EXPECT_TRUE(object->write(7, contents("a", 7, 100))) << "the object's end";
    EXPECT_EQ(look(*object, 0, contents("a", 0)), "right");
  }
  const auto second = cache();
  const auto object = second->object(kStore, "runs/a");
  EXPECT_EQ(look(*object, 0, contents("a", 0)), "right");
  EXPECT_EQ(look(*object, 7, contents("a", 7, 100)), "right");
  for (const std::uint64_t chunk : {1U, 6U, 8U, 1'000'000U}) EXPECT_EQ(look(*object, chunk, ""), "miss");
  EXPECT_EQ(look(*second->object(kStore, "runs/b"), 0, ""), "miss");
  EXPECT_EQ(look(*second->object(std::string(32, '7'), "runs/a"), 0, ""), "miss");
  EXPECT_EQ(second->object(kStore, std::string(201, 'k')), nullptr) << "too long a name for a file";
  EXPECT_EQ(second->counts().hits, 2U);
  EXPECT_EQ(second->counts().misses, 6U);
  EXPECT_LT(taken(), 64U * 1024) << "holes take nothing";
  second->remove(kStore, "runs/a");
  EXPECT_FALSE(std::filesystem::exists(file_of("runs/a")));
  EXPECT_TRUE(messages_.empty());
}

TEST_F(DiskCacheTest, AChunkIsDroppedAlone) {
  const auto one = cache();
  const auto object = one->object(kStore, "runs/a");
  for (const std::uint64_t chunk : {0U, 1U, 2U}) EXPECT_TRUE(object->write(chunk, contents("a", chunk)));
  object->drop(1);
  EXPECT_EQ(look(*object, 0, contents("a", 0)), "right");
  EXPECT_EQ(look(*object, 1, ""), "miss");
  EXPECT_EQ(look(*object, 2, contents("a", 2)), "right");
}

TEST_F(DiskCacheTest, DamageInAnyByteIsAMiss) {
  const auto one = cache();
  const auto object = one->object(kStore, "runs/a");
  ASSERT_TRUE(object->write(0, contents("a", 0)));
  ASSERT_TRUE(object->write(1, contents("a", 1, 300)));
  std::fstream file(file_of("runs/a"), std::ios::in | std::ios::out | std::ios::binary);
  const auto byte_at = [&file](std::size_t at) {
    file.seekg(static_cast<std::streamoff>(at));
    return static_cast<char>(file.get());
  };
  const auto put = [&file](std::size_t at, char byte) {
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte).flush();
  };
  for (std::size_t at = 0; at < DiskCache::kSlotBytes + 316; at += at < 100 || at >= DiskCache::kSlotBytes ? 1 : 37) {
    const std::uint64_t chunk = at / DiskCache::kSlotBytes;
    const char before = byte_at(at);
    put(at, static_cast<char>(before ^ 0x20));
    EXPECT_EQ(look(*object, chunk, ""), "miss") << at;
    EXPECT_EQ(look(*object, 1 - chunk, contents("a", 1 - chunk, chunk == 0 ? 300 : DiskCache::kChunkBytes)), "right");
    put(at, before);
  }
  EXPECT_EQ(look(*object, 0, contents("a", 0)), "right");
  EXPECT_EQ(look(*object, 1, contents("a", 1, 300)), "right");
}

TEST_F(DiskCacheTest, WhatACrashToreIsAMiss) {
  const auto one = cache();
  const auto object = one->object(kStore, "runs/a");
  ASSERT_TRUE(object->write(0, contents("a", 0)));
  ASSERT_TRUE(object->write(1, contents("a", 1, 300)));
  const auto whole = std::filesystem::file_size(file_of("runs/a"));
  for (std::uintmax_t length = whole; length > 0; length -= length > DiskCache::kSlotBytes + 320 ? 1 : 331) {
    std::filesystem::resize_file(file_of("runs/a"), length);
    if (length < whole) {
      EXPECT_EQ(look(*object, 1, ""), "miss");
    }
    EXPECT_EQ(look(*object, 0, contents("a", 0)), length >= DiskCache::kSlotBytes ? "right" : "miss");
    // Its length is there, and its bytes are not.
    std::filesystem::resize_file(file_of("runs/a"), whole);
    EXPECT_EQ(look(*object, 1, contents("a", 1, 300)), length < whole ? "miss" : "right");
    if (length < 400) break;
  }
}

TEST_F(DiskCacheTest, AChunkInAnothersPlaceIsAMiss) {
  const auto one = cache();
  const auto object = one->object(kStore, "runs/a");
  ASSERT_TRUE(object->write(0, contents("a", 0)));
  ASSERT_TRUE(object->write(1, contents("a", 1)));
  std::filesystem::copy_file(file_of("runs/a"), file_of("runs/b"));
  EXPECT_EQ(look(*one->object(kStore, "runs/b"), 0, ""), "miss");
  std::string bytes(2 * DiskCache::kSlotBytes, '\0');
  std::fstream file(file_of("runs/a"), std::ios::in | std::ios::out | std::ios::binary);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  std::rotate(bytes.begin(), bytes.begin() + DiskCache::kSlotBytes, bytes.end());
  file.seekp(0);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush();
  EXPECT_EQ(look(*object, 0, ""), "miss");
  EXPECT_EQ(look(*object, 1, ""), "miss");
}

TEST_F(DiskCacheTest, KeepsItsBoundWhoeverWrites) {
  constexpr std::uint64_t kMost = 8ULL << 20;
  const std::unique_ptr<DiskCache> caches[] = {cache(kMost), cache(kMost), cache(kMost)};
  std::uint64_t most = 0;
  for (int i = 0; i < 90; ++i) {
    const std::string key = "runs/" + std::to_string(i);
    const auto object = caches[i % 3]->object(kStore, key);
    for (std::uint64_t chunk = 0; chunk < 20; ++chunk) {
      ASSERT_TRUE(object->write(chunk, contents(key, chunk)));
      most = std::max(most, taken());
    }
    EXPECT_EQ(look(*object, 3, contents(key, 3)), "right") << "what was written last is there";
  }
  EXPECT_LE(most, kMost);
  EXPECT_GE(taken(), kMost / 2) << "it does not throw away all of it";
  EXPECT_GT(caches[0]->counts().evicted + caches[1]->counts().evicted + caches[2]->counts().evicted, 20U);
  EXPECT_TRUE(messages_.empty());
}

TEST_F(DiskCacheTest, WhatWasNotUsedForLongestGoesFirst) {
  {
    const auto one = cache();
    for (const char* key : {"runs/a", "runs/b", "runs/c", "runs/d"}) {
      const auto object = one->object(kStore, key);
      for (std::uint64_t chunk = 0; chunk < 16; ++chunk) ASSERT_TRUE(object->write(chunk, contents(key, chunk)));
    }
    const auto hour = std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
    for (const char* key : {"runs/a", "runs/b", "runs/c", "runs/d"}) {
      std::filesystem::last_write_time(file_of(key), hour - std::chrono::minutes(key[5]));
    }
    // The oldest is used.
    EXPECT_EQ(look(*one->object(kStore, "runs/d"), 0, contents("runs/d", 0)), "right");
  }
  const auto smaller = cache(taken() * 8 / 10);
  smaller->evict();
  EXPECT_EQ(smaller->counts().evicted, 2U);
  EXPECT_TRUE(std::filesystem::exists(file_of("runs/d")));
  EXPECT_FALSE(std::filesystem::exists(file_of("runs/c")));
  EXPECT_FALSE(std::filesystem::exists(file_of("runs/b")));
  EXPECT_TRUE(std::filesystem::exists(file_of("runs/a")));
}

TEST_F(DiskCacheTest, WhatIsNotItsOwnIsLeftAlone) {
  const auto one = cache(1);
  const auto object = one->object(kStore, "runs/a");
  ASSERT_TRUE(object->write(0, contents("a", 0)));
  std::filesystem::create_directory(root() + "/photos");
  for (const char* name : {"/photos/cat", "/notes"}) std::ofstream(root() + name) << "mine";
  one->evict();
  EXPECT_FALSE(std::filesystem::exists(file_of("runs/a")));
  EXPECT_TRUE(std::filesystem::exists(root() + "/photos/cat"));
  EXPECT_TRUE(std::filesystem::exists(root() + "/notes"));
}

TEST_F(DiskCacheTest, AnEvictedFileThatIsOpenGoesOn) {
  const auto one = cache();
  const auto object = one->object(kStore, "runs/a");
  ASSERT_TRUE(object->write(0, contents("a", 0)));
  cache(1)->evict();
  EXPECT_EQ(taken(), 0U);
  EXPECT_EQ(look(*object, 0, ""), "miss") << "its room was given back";
  EXPECT_TRUE(object->write(1, contents("a", 1)));
  EXPECT_EQ(look(*object, 1, contents("a", 1)), "right");
  EXPECT_EQ(look(*cache()->object(kStore, "runs/a"), 1, contents("a", 1)), "right") << "others find it, too";
  EXPECT_GT(base::probe_count("disk cache: a file was evicted while it was open"), 0U);
}

TEST_F(DiskCacheTest, AnybodyMayWipeItAtAnyTime) {
  const auto one = cache();
  const auto object = one->object(kStore, "runs/a");
  for (std::uint64_t chunk = 0; chunk < 10; ++chunk) {
    ASSERT_TRUE(object->write(chunk, contents("a", chunk)));
    EXPECT_EQ(look(*object, chunk, contents("a", chunk)), "right");
    std::filesystem::remove_all(chunk % 2 == 0 ? root() : root() + "/" + std::string(kStore));
    const auto other = one->object(kStore, "runs/b");
    EXPECT_EQ(look(*other, 0, ""), "miss");
    if (chunk % 3 == 0) {
      EXPECT_TRUE(other->write(0, contents("b", 0)));
    }
  }
  EXPECT_TRUE(messages_.empty());
}

TEST_F(DiskCacheTest, OnlyItsOwnerMayReadIt) {
  ::umask(0);
  const auto one = cache();
  ASSERT_TRUE(one->object(kStore, "runs/a")->write(0, contents("a", 0)));
  ::umask(022);
  const auto mode = [](const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 0777;
  };
  EXPECT_EQ(mode(root()), 0700U);
  EXPECT_EQ(mode(root() + "/" + std::string(kStore)), 0700U);
  EXPECT_EQ(mode(file_of("runs/a")), 0600U);
}

TEST_F(DiskCacheTest, AFolderThatOthersMayWriteToIsNotUsed) {
  std::filesystem::create_directory(root());
  ASSERT_EQ(::chmod(root().c_str(), 0777), 0);
  const auto one = cache();
  const auto object = one->object(kStore, "runs/a");
  EXPECT_FALSE(object->write(0, contents("a", 0)));
  EXPECT_EQ(look(*object, 0, ""), "miss");
  EXPECT_TRUE(std::filesystem::is_empty(root()));
  ASSERT_EQ(messages_.size(), 1U);
  EXPECT_NE(messages_[0].find(root()), std::string::npos) << messages_[0];
  EXPECT_NE(messages_[0].find("EPERM"), std::string::npos) << messages_[0];
}

// Over a directory of which calls fail.
class TroubledDiskCache : public ::testing::Test {
 protected:
  TroubledDiskCache()
      : cache_(
            [this](std::unique_ptr<Directory>& root) {
              ++opened_;
              if (open_error_ != 0) return IoError(open_error_);
              root = std::make_unique<FaultyDirectory>(*disk_, faults_);
              return IoError();
            },
            kPlenty, [this](const std::string& text) { messages_.push_back(text); }) {}
  std::unique_ptr<Directory> disk_ = make_memory_directory();
  Faults faults_;
  int opened_ = 0;
  int open_error_ = 0;
  std::vector<std::string> messages_;
  DiskCache cache_;
};

TEST_F(TroubledDiskCache, AFullDiskIsReadAndNotWritten) {
  const auto object = cache_.object(kStore, "runs/a");
  ASSERT_TRUE(object->write(0, contents("a", 0)));
  int writes = 0;
  faults_.set([&](const Attempted& attempted) {
    if (attempted.operation != Operation::write) return 0;
    ++writes;
    return ENOSPC;
  });
  for (std::uint64_t chunk = 1; chunk < 5; ++chunk) EXPECT_FALSE(object->write(chunk, contents("a", chunk)));
  EXPECT_EQ(writes, 1) << "it is not tried each time";
  EXPECT_EQ(look(*object, 0, contents("a", 0)), "right");
  ASSERT_EQ(messages_.size(), 1U);
  EXPECT_NE(messages_[0].find("can't be written: No space left on device (ENOSPC)"), std::string::npos) << messages_[0];
}

TEST_F(TroubledDiskCache, WithoutADiskItIsOff) {
  open_error_ = ENODEV;
  const auto object = cache_.object(kStore, "runs/a");
  for (std::uint64_t chunk = 0; chunk < 5; ++chunk) {
    EXPECT_EQ(look(*object, chunk, ""), "miss");
    EXPECT_FALSE(object->write(chunk, contents("a", chunk)));
  }
  EXPECT_EQ(opened_, 1);
  EXPECT_EQ(messages_.size(), 1U);
  cache_.evict();
  cache_.remove(kStore, "runs/a");
}

TEST_F(TroubledDiskCache, AFileThatCanNotBeReadIsRemoved) {
  const auto object = cache_.object(kStore, "runs/a");
  ASSERT_TRUE(object->write(0, contents("a", 0)));
  faults_.set([](const Attempted& attempted) { return attempted.operation == Operation::read ? EIO : 0; });
  EXPECT_EQ(look(*object, 0, ""), "miss");
  faults_.clear();
  EXPECT_EQ(look(*object, 0, ""), "miss");
  EXPECT_TRUE(object->write(0, contents("a", 0)));
  EXPECT_EQ(look(*object, 0, contents("a", 0)), "right");
  EXPECT_TRUE(messages_.empty());
}

TEST_F(TroubledDiskCache, ThatCanNotBeSeenIsNotAddedTo) {
  const auto object = cache_.object(kStore, "runs/a");
  faults_.set([](const Attempted& attempted) { return attempted.operation == Operation::list ? EIO : 0; });
  (void)object->write(0, contents("a", 0));
  EXPECT_FALSE(object->write(1, contents("a", 1)));
  EXPECT_EQ(messages_.size(), 1U);
}

TEST_F(DiskCacheTest, ThreadsMayDoEverythingAtOnce) {
  const auto one = cache(2ULL << 20);
  const auto shared = one->object(kStore, "runs/shared");
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      base::Random random(t);
      for (int i = 0; i < 500; ++i) {
        const std::uint64_t chunk = random.below(16);
        const std::uint64_t which = random.below(12);
        const std::string key = which < 6 ? "runs/shared" : "runs/" + std::to_string(which);
        const auto own = which < 6 ? nullptr : one->object(kStore, key);
        DiskCache::Object& object = own != nullptr ? *own : *shared;
        if (look(object, chunk, contents(key, chunk)) == "wrong") wrong.fetch_add(1);
        (void)object.write(chunk, contents(key, chunk));
        if (random.below(50) == 0) one->evict();
        if (random.below(100) == 0) object.drop(chunk);
        if (random.below(100) == 0) one->remove(kStore, key);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_TRUE(messages_.empty());
}

TEST_F(DiskCacheTest, ProcessesShareIt) {
  constexpr int kProcesses = 3;
  constexpr std::uint64_t kMost = 2ULL << 20;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      int wrong = 0;
      int right = 0;
      {
        const auto one = cache(kMost);
        base::Random random(static_cast<std::uint64_t>(p));
        for (int i = 0; i < 1500; ++i) {
          const std::string key = "runs/" + std::to_string(random.below(12));
          const std::uint64_t chunk = random.below(16);
          const auto object = one->object(kStore, key);
          const std::string found = look(*object, chunk, contents(key, chunk));
          wrong += found == "wrong" ? 1 : 0;
          right += found == "right" ? 1 : 0;
          if (found == "miss") (void)object->write(chunk, contents(key, chunk));
        }
      }
      ::_exit(wrong == 0 && right > 0 ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_LE(taken(), kMost);
  EXPECT_GT(taken(), 0U);
}

TEST_F(DiskCacheTest, TheDeliberateBreakIsNoticed) {
  const auto one = cache();
  const auto object = one->object(kStore, "runs/a");
  ASSERT_TRUE(object->write(0, contents("a", 0)));
  std::fstream file(file_of("runs/a"), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(1000);
  file.write("damage", 6).flush();
  EXPECT_EQ(look(*object, 0, contents("a", 0)), "miss");
  base::set_break(base::Break::cache_ignore_checksum, true);
  EXPECT_EQ(look(*object, 0, contents("a", 0)), "wrong");
  base::set_break(base::Break::cache_ignore_checksum, false);
}

class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    const char* before = std::getenv(name);
    if (before != nullptr) before_ = before;
    value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
  }
  ~Environment() { before_.has_value() ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST(DiskCachePlace, IsWhereCachesAre) {
  const TemporaryDirectory home;
  const Environment our_home("HOME", home.path().c_str());
  {
    const Environment caches("XDG_CACHE_HOME", "/somewhere");
    EXPECT_EQ(default_disk_cache_path(), "/somewhere/ingot");
  }
  {
    const Environment caches("XDG_CACHE_HOME", "relative");
    EXPECT_EQ(default_disk_cache_path(), home.path() + "/.cache/ingot");
  }
  const Environment caches("XDG_CACHE_HOME", nullptr);
  EXPECT_EQ(default_disk_cache_path(), home.path() + "/.cache/ingot");
  const auto cache = open_disk_cache(*default_disk_cache_path(), kPlenty, nullptr);
  EXPECT_TRUE(cache->object(kStore, "runs/a")->write(0, "bytes"));
  EXPECT_TRUE(std::filesystem::exists(home.path() + "/.cache/ingot/" + std::string(kStore) + "/runs-a"));
  const Environment no_home("HOME", nullptr);
  EXPECT_EQ(default_disk_cache_path(), std::nullopt);
  const Environment missing("HOME", "/nonexistent/home");
  EXPECT_EQ(default_disk_cache_path(), std::nullopt);
}

}  // namespace
}  // namespace ingot::storage
