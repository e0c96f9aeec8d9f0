// The bound on open run files, and readers that are under way while files are closed.
#include "runs/open_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "storage/memory_directory.h"

namespace ingot::runs {
namespace {

using storage::File;
using storage::IoError;
using storage::OpenMode;

// Counts the files that are open, and opens no more than so many.
class CountingDirectory {
 public:
  explicit CountingDirectory(int files) {
    for (int i = 0; i < files; ++i) {
      std::unique_ptr<File> file;
      EXPECT_FALSE(memory_->open(std::to_string(i), OpenMode::create, file));
      EXPECT_FALSE(file->write_at(0, std::to_string(i)));
    }
  }
  storage::Directory& directory() { return counted_; }
  std::atomic<int> open{0};
  std::atomic<int> most{0};
  std::atomic<int> opens{0};
  std::atomic<int> limit{1 << 20};
  std::atomic<int> error{EMFILE};

 private:
  class Counted final : public File {
   public:
    Counted(std::unique_ptr<File> file, CountingDirectory& owner) : file_(std::move(file)), owner_(owner) {}
    ~Counted() override { --owner_.open; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    IoError read_at(std::uint64_t offset, std::span<char> out, std::size_t& got) override {
      return file_->read_at(offset, out, got);
    }
    IoError write_at(std::uint64_t offset, std::string_view bytes) override { return file_->write_at(offset, bytes); }
    IoError sync_data() override { return file_->sync_data(); }
    IoError sync() override { return file_->sync(); }
    IoError size(std::uint64_t& bytes) override { return file_->size(bytes); }
    IoError truncate(std::uint64_t bytes) override { return file_->truncate(bytes); }
    IoError try_lock(std::uint64_t offset, std::uint64_t bytes, storage::LockMode mode, bool& taken) override {
      return file_->try_lock(offset, bytes, mode, taken);
    }
    IoError unlock(std::uint64_t offset, std::uint64_t bytes) override { return file_->unlock(offset, bytes); }
    IoError is_locked(std::uint64_t offset, std::uint64_t bytes, bool& locked) override {
      return file_->is_locked(offset, bytes, locked);
    }

   private:
    std::unique_ptr<File> file_;
    CountingDirectory& owner_;
  };
  class CountedDirectory final : public storage::Directory {
   public:
    explicit CountedDirectory(CountingDirectory& owner) : owner_(owner) {}
    IoError open(std::string_view path, OpenMode mode, std::unique_ptr<File>& file) override {
      ++owner_.opens;
      if (owner_.open.fetch_add(1) >= owner_.limit) {
        --owner_.open;
        return IoError(owner_.error);
      }
      std::unique_ptr<File> opened;
      if (const IoError failed = owner_.memory_->open(path, mode, opened)) {
        --owner_.open;
        return failed;
      }
      owner_.most = std::max(owner_.most.load(), owner_.open.load());
      file = std::make_unique<Counted>(std::move(opened), owner_);
      return {};
    }
    IoError rename(std::string_view, std::string_view) override { return IoError(ENOSYS); }
    IoError remove(std::string_view path) override { return owner_.memory_->remove(path); }
    IoError make_directory(std::string_view) override { return IoError(ENOSYS); }
    IoError list(std::string_view, std::vector<std::string>&) override { return IoError(ENOSYS); }
    IoError sync_directory(std::string_view) override { return IoError(ENOSYS); }
    IoError map(std::string_view, std::size_t, std::unique_ptr<storage::SharedMemory>&) override {
      return IoError(ENOSYS);
    }
    IoError free_bytes(std::uint64_t&) override { return IoError(ENOSYS); }
    [[nodiscard]] std::string where() const override { return "counted"; }

   private:
    CountingDirectory& owner_;
  };
  std::unique_ptr<storage::Directory> memory_ = storage::make_memory_directory();
  CountedDirectory counted_{*this};
};

// What is read through the slot of file `index`.
std::string read_through(OpenFiles& files, OpenFiles::Slot& slot, CountingDirectory& world, std::size_t index,
                         IoError& error) {
  std::shared_ptr<File> file;
  error = files.get(slot, world.directory(), std::to_string(index), file);
  if (error) return "";
  std::this_thread::yield();
  char out[8];
  std::size_t got = 0;
  error = file->read_at(0, out, got);
  return {out, got};
}

TEST(OpenFiles, AreBoundedAndOpenedAgain) {
  CountingDirectory world(50);
  OpenFiles files(8);
  std::deque<OpenFiles::Slot> slots(50);
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      IoError error;
      EXPECT_EQ(read_through(files, slots[i], world, i, error), std::to_string(i));
      EXPECT_LE(files.count(), 8U);
    }
  }
  EXPECT_LE(world.most, 9) << "the one that is being opened, beside the others";
  EXPECT_EQ(static_cast<std::size_t>(world.open), files.count());
  for (OpenFiles::Slot& slot : slots) files.forget(slot);
  EXPECT_EQ(files.count(), 0U);
  EXPECT_EQ(world.open, 0) << "what is forgotten is closed";
}

TEST(OpenFiles, ThatAreUsedStayOpen) {
  CountingDirectory world(50);
  OpenFiles files(8);
  std::deque<OpenFiles::Slot> slots(50);
  IoError error;
  for (std::size_t i = 1; i < slots.size(); ++i) {
    (void)read_through(files, slots[0], world, 0, error);
    (void)read_through(files, slots[i], world, i, error);
  }
  // Every other is opened once; the one in use is closed at most when all bits were taken away.
  EXPECT_LE(world.opens, 49 + 10);
  for (OpenFiles::Slot& slot : slots) files.forget(slot);
}

TEST(OpenFiles, AreNotClosedUnderAReader) {
  CountingDirectory world(20);
  OpenFiles files(4);
  std::deque<OpenFiles::Slot> slots(20);
  std::shared_ptr<File> held;
  ASSERT_FALSE(files.get(slots[0], world.directory(), "0", held));
  IoError error;
  for (std::size_t i = 1; i < slots.size(); ++i) (void)read_through(files, slots[i], world, i, error);
  char out[1];
  std::size_t got = 0;
  EXPECT_FALSE(held->read_at(0, out, got));
  EXPECT_EQ(out[0], '0');
  const int before = world.open;
  held.reset();
  EXPECT_EQ(world.open, before - 1) << "it was closed, and the reader had the last hold";
  for (OpenFiles::Slot& slot : slots) files.forget(slot);
}

TEST(OpenFiles, GiveWayWhenTheProcessHasNoneLeft) {
  for (const int code : {EMFILE, ENFILE}) {
    CountingDirectory world(60);
    world.limit = 20;
    world.error = code;
    OpenFiles files(64);
    std::deque<OpenFiles::Slot> slots(60);
    IoError error;
    for (int round = 0; round < 2; ++round) {
      for (std::size_t i = 0; i < slots.size(); ++i) {
        EXPECT_EQ(read_through(files, slots[i], world, i, error), std::to_string(i)) << error.text();
      }
    }
    EXPECT_LE(files.count(), 10U) << "the other half is for others, who need files as well";
    for (OpenFiles::Slot& slot : slots) files.forget(slot);
  }
}

TEST(OpenFiles, SayWhatStandsInTheWay) {
  CountingDirectory world(2);
  OpenFiles files(4);
  OpenFiles::Slot slot;
  std::shared_ptr<File> file;
  EXPECT_EQ(files.get(slot, world.directory(), "nowhere", file).code(), ENOENT);
  world.limit = 0;
  EXPECT_EQ(files.get(slot, world.directory(), "1", file).code(), EMFILE);
  EXPECT_EQ(file, nullptr);
  EXPECT_EQ(world.opens, 3) << "one more try, and no more";
}

TEST(OpenFiles, ServeManyThreads) {
  constexpr int kThreads = 4;
  CountingDirectory world(40);
  OpenFiles files(6);
  std::deque<OpenFiles::Slot> slots(40);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      base::Random random(t);
      for (int i = 0; i < 3000; ++i) {
        const auto index = static_cast<std::size_t>(random.below(slots.size()));
        IoError error;
        if (read_through(files, slots[index], world, index, error) != std::to_string(index)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(files.count(), 6U);
  EXPECT_EQ(static_cast<std::size_t>(world.open), files.count());
  EXPECT_LE(world.most, 6 + 2 * kThreads);
  for (OpenFiles::Slot& slot : slots) files.forget(slot);
  EXPECT_EQ(world.open, 0);
}

}  // namespace
}  // namespace ingot::runs
