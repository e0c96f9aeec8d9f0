// Both directories keep the same contract; what only real files do is tested on them alone.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

#include "storage/memory_directory.h"
#include "storage/posix_directory.h"

namespace ingot::storage {
namespace {

class Temporary {
 public:
  Temporary() {
    char path[] = "/tmp/ingot-storage-XXXXXX";
    path_ = ::mkdtemp(path);
  }
  ~Temporary() { std::filesystem::remove_all(path_); }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class AnyDirectory : public testing::TestWithParam<bool> {
 protected:
  AnyDirectory() {
    if (GetParam()) {
      EXPECT_FALSE(open_posix_directory(temporary_.path(), directory_));
    } else {
      directory_ = make_memory_directory();
    }
  }
  std::unique_ptr<File> file(std::string_view path, OpenMode mode) {
    std::unique_ptr<File> opened;
    EXPECT_FALSE(directory_->open(path, mode, opened));
    return opened;
  }
  Temporary temporary_;
  std::unique_ptr<Directory> directory_;
};

TEST_P(AnyDirectory, FilesKeepWhatIsWritten) {
  const auto opened = file("a", OpenMode::create);
  ASSERT_FALSE(opened->write_at(0, "hello"));
  ASSERT_FALSE(opened->write_at(100'000, "far"));
  std::uint64_t bytes = 0;
  ASSERT_FALSE(opened->size(bytes));
  EXPECT_EQ(bytes, 100'003U);
  char out[10] = {};
  std::size_t got = 0;
  ASSERT_FALSE(opened->read_at(99'998, out, got));
  EXPECT_EQ(std::string_view(out, got), std::string_view("\0\0far", 5));
  ASSERT_FALSE(opened->read_at(200'000, out, got));
  EXPECT_EQ(got, 0U);
  ASSERT_FALSE(opened->truncate(3));
  ASSERT_FALSE(opened->truncate(6));
  ASSERT_FALSE(opened->read_at(0, out, got));
  EXPECT_EQ(std::string_view(out, got), std::string_view("hel\0\0\0", 6));
  EXPECT_FALSE(opened->sync_data());
  EXPECT_FALSE(opened->sync());
}

TEST_P(AnyDirectory, WhatAFileTakesAndWhenItWasUsedIsKnownWithoutReadingIt) {
  const auto opened = file("a", OpenMode::create);
  ASSERT_FALSE(opened->write_at(1'000'000, std::string(5000, 'x')));
  FileStatus before;
  ASSERT_FALSE(opened->status(before));
  EXPECT_EQ(before.bytes, 1'005'000U);
  EXPECT_GE(before.allocated_bytes, 5000U);
  EXPECT_LE(before.allocated_bytes, 256U * 1024) << "what was never written takes nothing";
  EXPECT_TRUE(before.has_name);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // a file system's clock goes in steps
  ASSERT_FALSE(opened->touch());
  FileStatus after;
  ASSERT_FALSE(directory_->status("a", after));
  EXPECT_GT(after.modified_micros, before.modified_micros);
  EXPECT_EQ(after.allocated_bytes, before.allocated_bytes);
  char out[4] = {};
  std::size_t got = 0;
  ASSERT_FALSE(opened->read_at(500'000, out, got));
  EXPECT_EQ(std::string_view(out, got), std::string_view("\0\0\0\0", 4));
  ASSERT_FALSE(opened->truncate(0));
  ASSERT_FALSE(opened->status(after));
  EXPECT_EQ(after.allocated_bytes, 0U);
  ASSERT_FALSE(directory_->remove("a"));
  ASSERT_FALSE(opened->status(after));
  EXPECT_FALSE(after.has_name);
  EXPECT_EQ(directory_->status("a", after).code(), ENOENT);
  ASSERT_FALSE(directory_->make_directory("d"));
  EXPECT_EQ(directory_->status("d", after).code(), EISDIR);
}

TEST_P(AnyDirectory, NamesComeAndGo) {
  std::unique_ptr<File> opened;
  EXPECT_EQ(directory_->open("a", OpenMode::read, opened).code(), ENOENT);
  file("a", OpenMode::create);
  EXPECT_EQ(directory_->open("a", OpenMode::create, opened).code(), EEXIST);
  EXPECT_EQ(directory_->open("d/a", OpenMode::create, opened).code(), ENOENT);
  ASSERT_FALSE(directory_->make_directory("d"));
  EXPECT_EQ(directory_->make_directory("d").code(), EEXIST);
  ASSERT_FALSE(file("d/b", OpenMode::create)->write_at(0, "b"));
  ASSERT_FALSE(directory_->rename("d/b", "a"));
  std::vector<std::string> names;
  ASSERT_FALSE(directory_->list("", names));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"a", "d"}));
  ASSERT_FALSE(directory_->list("d", names));
  EXPECT_TRUE(names.empty());
  EXPECT_EQ(directory_->list("e", names).code(), ENOENT);
  EXPECT_FALSE(directory_->sync_directory("d"));
  EXPECT_FALSE(directory_->sync_directory(""));
  const auto kept = file("a", OpenMode::read);
  ASSERT_FALSE(directory_->remove("a"));
  EXPECT_EQ(directory_->remove("a").code(), ENOENT);
  char out[1];
  std::size_t got = 0;
  ASSERT_FALSE(kept->read_at(0, out, got)) << "an open file outlives its name";
  EXPECT_EQ(out[0], 'b');
  std::uint64_t bytes = 0;
  ASSERT_FALSE(directory_->free_bytes(bytes));
  EXPECT_GT(bytes, 0U);
}

TEST_P(AnyDirectory, WritingToAReadFileFails) {
  file("a", OpenMode::create);
  EXPECT_EQ(file("a", OpenMode::read)->write_at(0, "x").code(), EBADF);
}

TEST_P(AnyDirectory, LocksExcludeOtherFilesAndEndWithTheirs) {
  const auto one = file("a", OpenMode::create);
  auto two = file("a", OpenMode::read_write);
  bool taken = false;
  ASSERT_FALSE(one->try_lock(0, 10, LockMode::shared, taken));
  EXPECT_TRUE(taken);
  ASSERT_FALSE(two->try_lock(5, 10, LockMode::shared, taken));
  EXPECT_TRUE(taken);
  ASSERT_FALSE(one->try_lock(0, 10, LockMode::exclusive, taken));
  EXPECT_FALSE(taken) << "shared by the other";
  bool locked = false;
  ASSERT_FALSE(one->is_locked(5, 1, locked));
  EXPECT_TRUE(locked);
  ASSERT_FALSE(one->is_locked(20, 1, locked));
  EXPECT_FALSE(locked);
  ASSERT_FALSE(two->unlock(5, 5));
  ASSERT_FALSE(one->try_lock(0, 10, LockMode::exclusive, taken));
  EXPECT_TRUE(taken) << "the part that stood in the way is free, and shared becomes exclusive";
  ASSERT_FALSE(two->try_lock(9, 1, LockMode::shared, taken));
  EXPECT_FALSE(taken);
  ASSERT_FALSE(one->is_locked(12, 1, locked));
  EXPECT_TRUE(locked);
  two.reset();
  ASSERT_FALSE(one->is_locked(12, 1, locked));
  EXPECT_FALSE(locked);
}

TEST_P(AnyDirectory, MapsAreSharedAndWake) {
  const auto opened = file("live", OpenMode::create);
  ASSERT_FALSE(opened->truncate(4096));
  std::unique_ptr<SharedMemory> one;
  std::unique_ptr<SharedMemory> two;
  ASSERT_FALSE(directory_->map("live", 4096, one));
  ASSERT_FALSE(directory_->map("live", 4096, two));
  std::atomic_ref<std::uint32_t> word(*reinterpret_cast<std::uint32_t*>(one->data() + 64));
  std::thread waiter([&] {
    std::atomic_ref<std::uint32_t> mine(*reinterpret_cast<std::uint32_t*>(two->data() + 64));
    while (mine.load() == 0) two->wait_until(64, 0, base::kNever);
  });
  word.store(1);
  one->wake_all(64);
  waiter.join();
  EXPECT_FALSE(one->wait_until(64, 1, base::now() + std::chrono::milliseconds(5)));
  EXPECT_TRUE(one->wait_until(64, 7, base::kNever));
}

INSTANTIATE_TEST_SUITE_P(RealAndMemory, AnyDirectory, testing::Bool(),
                         [](const auto& chosen) { return chosen.param ? "Real" : "Memory"; });

TEST(MemoryDirectory, CanBeSharedBetweenHandles) {
  const auto one = make_memory_directory();
  const auto two = share_memory_directory(*one);
  std::unique_ptr<File> file;
  ASSERT_FALSE(one->open("a", OpenMode::create, file));
  EXPECT_FALSE(two->open("a", OpenMode::read, file));
}

class PosixDirectory : public testing::Test {
 protected:
  PosixDirectory() { EXPECT_FALSE(open_posix_directory(temporary_.path(), directory_)); }
  // Runs `body` in a fork's child; whether it returned true.
  static bool in_child(const std::function<bool()>& body) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(body() ? 0 : 1);
    int status = 1;
    ::waitpid(child, &status, 0);
    return status == 0;
  }
  Temporary temporary_;
  std::unique_ptr<Directory> directory_;
};

TEST_F(PosixDirectory, AForksChildHasNoneOfItsParentsFiles) {
  std::unique_ptr<File> file;
  ASSERT_FALSE(directory_->open("a", OpenMode::create, file));
  ASSERT_FALSE(file->write_at(0, "x"));
  EXPECT_TRUE(in_child([&] {
    // The number may be somebody else's now: nothing may reach it.
    const int other = ::open("/dev/null", O_RDONLY);
    char out[1];
    std::size_t got = 0;
    const bool closed = file->read_at(0, out, got).code() == EBADF && file->write_at(0, "y").code() == EBADF;
    file.reset();
    return closed && ::fcntl(other, F_GETFD) != -1;
  }));
}

TEST_F(PosixDirectory, ADeadParentsLockIsFreeThoughItsChildLives) {
  int ready[2];
  int finish[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(finish), 0);
  const std::string path = temporary_.path();
  const pid_t parent = ::fork();
  if (parent == 0) {
    std::unique_ptr<Directory> directory;
    std::unique_ptr<File> file;
    bool taken = false;
    if (open_posix_directory(path, directory) || directory->open("a", OpenMode::create, file) ||
        file->try_lock(0, 1, LockMode::exclusive, taken) || !taken) {
      ::_exit(1);
    }
    if (::fork() == 0) {
      // The grandchild lives on until it is told to end.
      (void)!::write(ready[1], "r", 1);
      char byte;
      (void)!::read(finish[0], &byte, 1);
      ::_exit(0);
    }
    ::pause();
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  std::unique_ptr<File> file;
  ASSERT_FALSE(directory_->open("a", OpenMode::read_write, file));
  bool taken = true;
  ASSERT_FALSE(file->try_lock(0, 1, LockMode::exclusive, taken));
  EXPECT_FALSE(taken);
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  ASSERT_FALSE(file->try_lock(0, 1, LockMode::exclusive, taken));
  EXPECT_TRUE(taken);
  ASSERT_EQ(::write(finish[1], "f", 1), 1);
  for (const int descriptor : {ready[0], ready[1], finish[0], finish[1]}) ::close(descriptor);
}

TEST_F(PosixDirectory, WordsWakeOtherProcesses) {
  std::unique_ptr<File> file;
  ASSERT_FALSE(directory_->open("live", OpenMode::create, file));
  ASSERT_FALSE(file->truncate(4096));
  std::unique_ptr<SharedMemory> memory;
  ASSERT_FALSE(directory_->map("live", 4096, memory));
  const std::string path = temporary_.path();
  const pid_t child = ::fork();
  if (child == 0) {
    std::unique_ptr<Directory> directory;
    std::unique_ptr<SharedMemory> mine;
    if (open_posix_directory(path, directory) || directory->map("live", 4096, mine)) ::_exit(1);
    std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(mine->data())).store(1);
    mine->wake_all(0);
    ::_exit(0);
  }
  std::atomic_ref<std::uint32_t> word(*reinterpret_cast<std::uint32_t*>(memory->data()));
  const base::Instant deadline = base::now() + std::chrono::seconds(20);
  while (word.load() == 0 && memory->wait_until(0, 0, deadline)) {
  }
  EXPECT_EQ(word.load(), 1U);
  ::waitpid(child, nullptr, 0);
}

// The default of SIGXFSZ is the death of the application.
TEST_F(PosixDirectory, BeyondTheLimitOnFileSizesIsAnErrorAndNoSignal) {
  EXPECT_TRUE(in_child([&] {
    struct rlimit limit {};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 4096;
    std::unique_ptr<Directory> directory;
    std::unique_ptr<File> file;
    const std::string bytes(4096, 'b');
    return ::setrlimit(RLIMIT_FSIZE, &limit) == 0 && !open_posix_directory(temporary_.path(), directory) &&
           !directory->open("a", OpenMode::create, file) && !file->write_at(0, bytes) &&
           file->write_at(1, bytes).code() == EFBIG && file->write_at(4096, "b").code() == EFBIG &&
           file->truncate(4097).code() == EFBIG && !file->truncate(4096);
  }));
}

TEST(FileSystemKind, NetworkFileSystemsAreTold) {
  EXPECT_TRUE(file_system_kind_of(0x6969).network);
  EXPECT_EQ(file_system_kind_of(0x6969).name, "NFS");
  EXPECT_TRUE(file_system_kind_of(0xfe534d42).network);
  EXPECT_FALSE(file_system_kind_of(0xef53).network) << "ext4";
  EXPECT_TRUE(fuse_kind_of("fuse.sshfs").network);
  EXPECT_FALSE(fuse_kind_of("fuse.mergerfs").network);
  EXPECT_FALSE(fuse_kind_of("").network) << "what can't be told";
  EXPECT_FALSE(file_system_kind_of(0x01021994).network) << "tmpfs";
  FileSystemKind kind;
  EXPECT_FALSE(file_system_kind("/tmp", kind));
  EXPECT_FALSE(kind.network);
  EXPECT_EQ(file_system_kind("/nowhere/at/all", kind).code(), ENOENT);
}

TEST(IoError, SaysItsName) {
  EXPECT_EQ(IoError(ENOSPC).text(), "No space left on device (ENOSPC)");
  EXPECT_NE(IoError(EMFILE).text().find("ulimit -n"), std::string::npos);
  EXPECT_NE(IoError(EFBIG).text().find("ulimit -f"), std::string::npos);
  EXPECT_FALSE(IoError());
}

}  // namespace
}  // namespace ingot::storage
