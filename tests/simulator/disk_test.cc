// The simulated disk: what a file system promises holds, what it does not promise is taken away, and each kind of fault
// happens and does what it says.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <set>
#include <string>

#include "base/thread.h"
#include "in_world.h"

namespace ingot::simulator {
namespace {

using namespace std::chrono_literals;
using storage::File;
using storage::IoError;
using storage::LockMode;
using storage::OpenMode;

std::unique_ptr<File> open_file(Disk& disk, std::string_view path, OpenMode mode) {
  std::unique_ptr<File> file;
  EXPECT_EQ(disk.open(path, mode, file).code(), 0) << path;
  return file;
}

std::string read_file(Disk& disk, std::string_view path) {
  std::unique_ptr<File> file;
  if (disk.open(path, OpenMode::read, file)) return "<none>";
  std::uint64_t bytes = 0;
  EXPECT_EQ(file->size(bytes).code(), 0);
  std::string text(bytes, '?');
  std::size_t got = 0;
  EXPECT_EQ(file->read_at(0, text, got).code(), 0);
  EXPECT_EQ(got, bytes);
  return text;
}

void write_file(Disk& disk, std::string_view path, std::string_view bytes) {
  const auto file = open_file(disk, path, OpenMode::create);
  EXPECT_EQ(file->write_at(0, bytes).code(), 0);
  EXPECT_EQ(file->sync().code(), 0);
}

TEST(Disk, WhatWasSyncedIsThereAfterAPowerLossAndWhatWasNotIsThereOrNotBySector) {
  std::set<std::string> seen;
  Report report;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      Disk& disk = world.disk;
      write_file(disk, "a", std::string(8192, 'd'));
      EXPECT_EQ(disk.sync_directory("").code(), 0);
      {
        const auto file = open_file(disk, "a", OpenMode::read_write);
        EXPECT_EQ(file->write_at(0, std::string(512, '1')).code(), 0);
        EXPECT_EQ(file->write_at(512, std::string(512, '2')).code(), 0);
        EXPECT_EQ(file->write_at(0, std::string(512, '3')).code(), 0);
        EXPECT_EQ(file->write_at(4096, std::string(512, '4')).code(), 0);
      }
      disk.lose_power();
      const std::string after = read_file(disk, "a");
      ASSERT_EQ(after.size(), 8192u);
      for (const std::size_t sector : {0u, 512u, 4096u}) {
        EXPECT_EQ(after.substr(sector, 512), std::string(512, after[sector])) << "a sector is whole";
      }
      EXPECT_EQ(after.substr(1024, 3072), std::string(3072, 'd'));
      EXPECT_EQ(after.substr(4608), std::string(3584, 'd'));
      seen.insert({after[0], after[512], after[4096]});
    });
    ASSERT_EQ(ran.failure, "");
    report.add(ran.report);
  }
  for (const std::string& outcome : seen) {
    EXPECT_NE(std::string("d13").find(outcome[0]), std::string::npos);
    EXPECT_NE(std::string("d2").find(outcome[1]), std::string::npos);
    EXPECT_NE(std::string("d4").find(outcome[2]), std::string::npos);
  }
  EXPECT_EQ(seen.size(), 12u) << "every combination happens";
  EXPECT_GT(report.counted(Fault::lost_sector), 0u);
  EXPECT_GT(report.counted(Fault::older_sector), 0u);
  EXPECT_GT(report.counted(Fault::torn_page), 0u);
}

TEST(Disk, APageUnderWriteMayBecomeNoiseButNotItsNeighbour) {
  int noise = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      Disk& disk = world.disk;
      FaultProfile profile;
      profile.garbage_page = 500'000;
      disk.set_faults(profile);
      write_file(disk, "a", std::string(8192, 'd'));
      EXPECT_EQ(disk.sync_directory("").code(), 0);
      EXPECT_EQ(open_file(disk, "a", OpenMode::read_write)->write_at(0, std::string(512, '1')).code(), 0);
      disk.lose_power();
      const std::string after = read_file(disk, "a");
      if (after.substr(512, 3584) != std::string(3584, 'd')) ++noise;
      EXPECT_EQ(after.substr(4096), std::string(4096, 'd'));
    });
    ASSERT_EQ(ran.failure, "");
  }
  EXPECT_GT(noise, 5);
  EXPECT_LT(noise, 45);
}

TEST(Disk, NamesAreDurableOnceTheirDirectoryWasSynced) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      Disk& disk = world.disk;
      FaultProfile profile;
      profile.names_in_order = seed % 2 == 0;
      disk.set_faults(profile);
      EXPECT_EQ(disk.make_directory("d").code(), 0);
      write_file(disk, "d/kept", "kept");
      write_file(disk, "d/old", "old");
      write_file(disk, "d/gone", "gone");
      EXPECT_EQ(disk.sync_directory("d").code(), 0);
      EXPECT_EQ(disk.sync_directory("").code(), 0);
      write_file(disk, "d/new", "new");
      EXPECT_EQ(disk.remove("d/gone").code(), 0);
      EXPECT_EQ(disk.rename("d/new", "d/old").code(), 0);
      EXPECT_EQ(read_file(disk, "d/old"), "new");
      disk.lose_power();
      EXPECT_EQ(read_file(disk, "d/kept"), "kept");
      seen.insert(read_file(disk, "d/old") + " " + read_file(disk, "d/gone") + " " + read_file(disk, "d/new"));
    });
    ASSERT_EQ(ran.failure, "");
  }
  EXPECT_TRUE(seen.contains("old gone <none>"));    // nothing of it
  EXPECT_TRUE(seen.contains("old gone new"));       // the file
  EXPECT_TRUE(seen.contains("old <none> new"));     // and the removal
  EXPECT_TRUE(seen.contains("new <none> <none>"));  // and the rename
  EXPECT_TRUE(seen.contains("new gone <none>"));    // out of order
  for (const std::string& outcome : seen) {
    const std::string first = outcome.substr(0, outcome.find(' '));
    EXPECT_TRUE(first == "old" || first == "new") << "a rename is whole: " << outcome;
  }
}

TEST(Disk, ALengthIsDurableOnceSynced) {
  std::set<std::size_t> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      Disk& disk = world.disk;
      write_file(disk, "a", std::string(5000, 'd'));
      EXPECT_EQ(disk.sync_directory("").code(), 0);
      EXPECT_EQ(open_file(disk, "a", OpenMode::read_write)->write_at(5000, std::string(20'000, 'e')).code(), 0);
      disk.lose_power();
      const std::string after = read_file(disk, "a");
      seen.insert(after.size());
      EXPECT_EQ(after.substr(0, 5000), std::string(5000, 'd'));
      for (const char byte : after.substr(5000)) EXPECT_TRUE(byte == 'e' || byte == 0);
    });
    ASSERT_EQ(ran.failure, "");
  }
  EXPECT_TRUE(seen.contains(5000));
  EXPECT_TRUE(seen.contains(25'000));
  EXPECT_GT(seen.size(), 2u);
}

TEST(Disk, AFailingSyncIsToldOncePerOpenFileAndTheNextSyncProvesNothing) {
  int lost = 0;
  int evicted = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      Disk& disk = world.disk;
      write_file(disk, "a", std::string(4096, 'd'));
      EXPECT_EQ(disk.sync_directory("").code(), 0);
      {
        const auto one = open_file(disk, "a", OpenMode::read_write);
        const auto two = open_file(disk, "a", OpenMode::read);
        EXPECT_EQ(one->write_at(0, std::string(4096, 'e')).code(), 0);
        FaultProfile failing;
        failing.sync_error = 1'000'000;
        disk.set_faults(failing);
        EXPECT_EQ(one->sync_data().code(), EIO);
        disk.set_faults({});
        const auto later = open_file(disk, "a", OpenMode::read);
        EXPECT_EQ(one->sync_data().code(), 0) << "as Linux: the pages are clean";
        EXPECT_EQ(two->sync_data().code(), EIO) << "who had it open is told, too";
        EXPECT_EQ(two->sync_data().code(), 0);
        EXPECT_EQ(later->sync_data().code(), 0);
      }
      const std::string cached = read_file(disk, "a");
      if (cached != std::string(4096, 'e')) ++evicted;
      disk.lose_power();
      if (read_file(disk, "a") != std::string(4096, 'e')) ++lost;
    });
    ASSERT_EQ(ran.failure, "");
    EXPECT_EQ(ran.report.counted(Fault::sync_error), 1u);
  }
  EXPECT_GT(lost, 20);
  EXPECT_LT(lost, 100);
  EXPECT_GT(evicted, 5);
  EXPECT_LT(evicted, lost);
}

TEST(Disk, ASyncDoesNotCoverWhatIsWrittenWhileItRuns) {
  int lost = 0;
  int kept = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      Disk& disk = world.disk;
      write_file(disk, "a", std::string(8192, 'd'));
      EXPECT_EQ(disk.sync_directory("").code(), 0);
      {
        const auto file = open_file(disk, "a", OpenMode::read_write);
        EXPECT_EQ(file->write_at(0, std::string(512, '1')).code(), 0);
        base::Thread writer("writer", [&] { EXPECT_EQ(file->write_at(4096, std::string(512, '2')).code(), 0); });
        EXPECT_EQ(file->sync_data().code(), 0);
      }
      disk.lose_power();
      const std::string after = read_file(disk, "a");
      EXPECT_EQ(after[0], '1');
      ++(after[4096] == '2' ? kept : lost);
    });
    ASSERT_EQ(ran.failure, "");
  }
  EXPECT_GT(lost, 10);
  EXPECT_GT(kept, 10);
}

TEST(Disk, AKillLosesNothingThatWasWrittenButMayTearTheWriteThatRuns) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      Disk& disk = world.disk;
      write_file(disk, "a", std::string(12'288, 'd'));
      Process& process = world.scheduler.start("writer", [&] {
        const auto file = open_file(disk, "a", OpenMode::read_write);
        EXPECT_EQ(file->write_at(0, std::string(4096, '1')).code(), 0);
        EXPECT_EQ(file->write_at(0, std::string(12'288, '2')).code(), 0);
        for (;;) base::sleep_for(1s);
      });
      world.scheduler.kill_after(process, world.chance.between(1, 12));
      world.scheduler.wait_for_end(process);
      const std::string after = read_file(disk, "a");
      seen.insert({after[0], after[4096], after[8192]});
      if (disk.open_files() != 0) world.scheduler.fail("the killed process's file is open");
    });
    ASSERT_EQ(ran.failure, "");
  }
  EXPECT_EQ(seen, (std::set<std::string>{"ddd", "1dd", "2dd", "22d", "222"}));
}

TEST(Disk, LocksExcludeOpenFilesNotProcessesAndEndWithThem) {
  const Ran ran = in_world(1, [](World& world) {
    Disk& disk = world.disk;
    write_file(disk, "lock", "x");
    const auto take = [](File& file, std::uint64_t at, std::uint64_t bytes, LockMode mode) {
      bool taken = false;
      EXPECT_EQ(file.try_lock(at, bytes, mode, taken).code(), 0);
      return taken;
    };
    const auto stands_in_the_way = [](File& file, std::uint64_t at) {
      bool locked = false;
      EXPECT_EQ(file.is_locked(at, 1, locked).code(), 0);
      return locked;
    };
    const auto one = open_file(disk, "lock", OpenMode::read_write);
    auto two = open_file(disk, "lock", OpenMode::read_write);
    EXPECT_TRUE(take(*one, 0, 10, LockMode::shared));
    EXPECT_TRUE(take(*two, 0, 10, LockMode::shared));
    EXPECT_FALSE(take(*one, 5, 1, LockMode::exclusive));
    EXPECT_EQ(two->unlock(5, 1).code(), 0);
    EXPECT_TRUE(take(*one, 5, 1, LockMode::exclusive));
    EXPECT_FALSE(take(*two, 0, 10, LockMode::shared));
    EXPECT_TRUE(stands_in_the_way(*two, 5));
    EXPECT_TRUE(stands_in_the_way(*two, 4));
    EXPECT_TRUE(stands_in_the_way(*one, 4));
    EXPECT_FALSE(stands_in_the_way(*one, 5)) << "its own does not";
    two.reset();
    EXPECT_FALSE(stands_in_the_way(*one, 4)) << "closing lets go";
    Process& process = world.scheduler.start("holder", [&] {
      const auto file = open_file(disk, "lock", OpenMode::read_write);
      EXPECT_TRUE(take(*file, 100, 1, LockMode::exclusive));
      for (;;) base::sleep_for(1s);
    });
    base::sleep_for(1min);
    EXPECT_FALSE(take(*one, 100, 1, LockMode::exclusive));
    world.scheduler.kill(process);
    EXPECT_TRUE(take(*one, 100, 1, LockMode::exclusive)) << "so does dying";
  });
  EXPECT_EQ(ran.failure, "");
}

TEST(Disk, AMappingIsSharedCoherentWithTheFileAndCanBeWaitedOn) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Ran ran = in_world(seed, [](World& world) {
      Disk& disk = world.disk;
      write_file(disk, "live", std::string(8192, '\0'));
      EXPECT_EQ(disk.sync_directory("").code(), 0);
      const auto word = [](storage::SharedMemory& memory) {
        return std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(memory.data() + 64));
      };
      Process& waiter = world.scheduler.start("waiter", [&] {
        std::unique_ptr<storage::SharedMemory> memory;
        ASSERT_EQ(disk.map("live", 8192, memory).code(), 0);
        while (word(*memory).load() == 0) memory->wait_until(64, 0, base::kNever);
        EXPECT_EQ(word(*memory).load(), 0x31323334u);
      });
      Process& setter = world.scheduler.start("setter", [&] {
        std::unique_ptr<storage::SharedMemory> memory;
        ASSERT_EQ(disk.map("live", 8192, memory).code(), 0);
        base::sleep_for(50us);
        word(*memory).store(0x31323334);
        memory->wake_all(64);
        base::sleep_for(1h);
      });
      world.scheduler.wait_for_end(waiter);
      world.scheduler.kill(setter);
      EXPECT_EQ(read_file(disk, "live").substr(64, 4), "4321") << "what a killed process wrote stays";
      Process& third = world.scheduler.start("third", [&] {
        std::unique_ptr<storage::SharedMemory> memory;
        ASSERT_EQ(disk.map("live", 4096, memory).code(), 0);
        EXPECT_EQ(open_file(disk, "live", OpenMode::read_write)->write_at(64, "ab").code(), 0);
        EXPECT_EQ(word(*memory).load(), 0x31326261u);
      });
      world.scheduler.wait_for_end(third);
      disk.lose_power();
      const std::string after = read_file(disk, "live").substr(64, 4);
      EXPECT_TRUE(after == "ab21" || after == "4321" || after == std::string(4, '\0'));
    });
    ASSERT_EQ(ran.failure, "");
  }
}

TEST(Disk, AFullDiskRefusesGrowthButNotOverwritingAndComesBack) {
  const Ran ran = in_world(1, [](World& world) {
    Disk& disk = world.disk;
    write_file(disk, "a", std::string(8192, 'd'));
    disk.set_full(true);
    const auto file = open_file(disk, "a", OpenMode::read_write);
    EXPECT_EQ(file->write_at(0, std::string(8192, 'e')).code(), 0);
    EXPECT_EQ(file->write_at(8192, "x").code(), ENOSPC);
    std::unique_ptr<File> other;
    EXPECT_EQ(disk.open("b", OpenMode::create, other).code(), ENOSPC);
    std::uint64_t free = 1;
    EXPECT_EQ(disk.free_bytes(free).code(), 0);
    EXPECT_EQ(free, 0u);
    disk.set_full(false);
    EXPECT_EQ(file->write_at(8192, "x").code(), 0);
  });
  EXPECT_EQ(ran.failure, "");
  EXPECT_EQ(ran.report.counted(Fault::no_space), 2u);
}

TEST(Disk, ItHoldsSoMuchAndGivesBackWhatIsRemovedOnceNobodyHasItOpen) {
  Report report;
  const auto trace = std::make_unique<Trace>(nullptr);
  Choices choices;
  Scheduler scheduler(1, *trace, report, choices);
  Disk disk(scheduler, Chance(1), 10);
  const std::string failure = scheduler.run([&] {
    write_file(disk, "a", std::string(8 * 4096, 'd'));
    const auto second = open_file(disk, "b", OpenMode::create);
    EXPECT_EQ(second->write_at(0, std::string(4 * 4096, 'd')).code(), ENOSPC);
    {
      const auto first = open_file(disk, "a", OpenMode::read);
      EXPECT_EQ(disk.remove("a").code(), 0);
      EXPECT_EQ(disk.sync_directory("").code(), 0);
      EXPECT_EQ(second->write_at(0, std::string(4 * 4096, 'd')).code(), ENOSPC);
      std::string text(4, '?');
      std::size_t got = 0;
      EXPECT_EQ(first->read_at(0, text, got).code(), 0);
      EXPECT_EQ(text, "dddd") << "an open file survives its name";
    }
    EXPECT_EQ(second->write_at(0, std::string(4 * 4096, 'd')).code(), 0);
  });
  EXPECT_EQ(failure, "");
}

TEST(Disk, DamageIsInPlaceAndAnUnreadableSectorIsHealedByWritingIt) {
  int bits = 0;
  for (const Damage kind : {Damage::bit_flip, Damage::noise_512, Damage::noise_4096, Damage::zeros_512,
                            Damage::zeros_4096, Damage::unreadable}) {
    const Ran ran = in_world(7, [&](World& world) {
      Disk& disk = world.disk;
      write_file(disk, "a", std::string(12'288, 'd'));
      EXPECT_FALSE(disk.damage("a", 20'000, kind));
      EXPECT_TRUE(disk.damage("a", 5000, kind));
      const auto file = open_file(disk, "a", OpenMode::read_write);
      std::string text(12'288, '?');
      std::size_t got = 0;
      if (kind == Damage::unreadable) {
        EXPECT_EQ(file->read_at(0, text, got).code(), EIO);
        EXPECT_EQ(file->read_at(0, {text.data(), 4608}, got).code(), 0) << "up to it";
        EXPECT_EQ(file->write_at(4608, std::string(512, 'e')).code(), 0);
        EXPECT_EQ(file->read_at(0, text, got).code(), 0);
        EXPECT_EQ(text.substr(4608, 512), std::string(512, 'e'));
        return;
      }
      EXPECT_EQ(file->read_at(0, text, got).code(), 0);
      std::size_t first = text.size();
      std::size_t last = 0;
      for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == 'd') continue;
        first = std::min(first, i);
        last = i;
        if (kind == Damage::bit_flip) bits += __builtin_popcount(static_cast<unsigned char>(text[i] ^ 'd'));
      }
      const bool whole = kind == Damage::noise_4096 || kind == Damage::zeros_4096;
      EXPECT_GE(first, whole ? 4096u : 4608u);
      EXPECT_LT(first, text.size());
      EXPECT_LT(last, whole ? 8192u : 5120u);
      EXPECT_EQ(disk.image("a")->durable_bytes(), text);
    });
    ASSERT_EQ(ran.failure, "");
  }
  EXPECT_EQ(bits, 1);
}

TEST(Disk, EachOperationFailsAsTheProfileSays) {
  const auto with = [](auto set, auto operation) {
    const Ran ran = in_world(5, [&](World& world) {
      write_file(world.disk, "a", std::string(8192, 'd'));
      const auto file = open_file(world.disk, "a", OpenMode::read_write);
      FaultProfile profile;
      set(profile);
      world.disk.set_faults(profile);
      operation(world, *file);
    });
    EXPECT_EQ(ran.failure, "");
    return ran.report;
  };
  const auto sure = 1'000'000u;
  std::string text(4096, '?');
  std::size_t got = 0;
  EXPECT_EQ(with([&](FaultProfile& p) { p.read_error = sure; },
                 [&](World&, File& file) { EXPECT_EQ(file.read_at(0, text, got).code(), EIO); })
                .counted(Fault::read_error),
            1u);
  EXPECT_EQ(with([&](FaultProfile& p) { p.write_error = sure; },
                 [&](World& world, File& file) {
                   EXPECT_EQ(file.write_at(0, std::string(8192, 'e')).code(), EIO);
                   world.disk.set_faults({});
                   const std::string after = read_file(world.disk, "a");
                   EXPECT_EQ(after.find_first_not_of('d', after.find_last_of('e') + 1), std::string::npos);
                 })
                .counted(Fault::write_error),
            1u);
  EXPECT_EQ(with([&](FaultProfile& p) { p.open_error = sure; },
                 [&](World& world, File&) {
                   std::unique_ptr<File> file;
                   EXPECT_EQ(world.disk.open("a", OpenMode::read, file).code(), EMFILE);
                 })
                .counted(Fault::open_error),
            1u);
  EXPECT_EQ(with([&](FaultProfile& p) { p.full_begins = sure; },
                 [&](World&, File& file) { EXPECT_EQ(file.write_at(8192, "x").code(), ENOSPC); })
                .counted(Fault::no_space),
            1u);
  EXPECT_EQ(with([&](FaultProfile& p) { p.slow = sure; },
                 [&](World& world, File& file) {
                   const base::Instant start = world.scheduler.time();
                   EXPECT_EQ(file.read_at(0, text, got).code(), 0);
                   EXPECT_GE(world.scheduler.time() - start, 100ms);
                 })
                .counted(Fault::slow),
            1u);
}

TEST(Disk, NamesBehaveAsPosixSays) {
  const Ran ran = in_world(5, [](World& world) {
    Disk& disk = world.disk;
    std::unique_ptr<File> file;
    EXPECT_EQ(disk.open("a", OpenMode::read, file).code(), ENOENT);
    EXPECT_EQ(disk.open("d/a", OpenMode::create, file).code(), ENOENT);
    write_file(disk, "a", "one");
    EXPECT_EQ(disk.open("a", OpenMode::create, file).code(), EEXIST);
    EXPECT_EQ(disk.make_directory("d").code(), 0);
    EXPECT_EQ(disk.make_directory("d").code(), EEXIST);
    EXPECT_EQ(disk.open("d", OpenMode::read, file).code(), EISDIR);
    write_file(disk, "d/b", "two");
    EXPECT_EQ(disk.remove("d").code(), ENOTEMPTY);
    EXPECT_EQ(disk.rename("none", "d/c").code(), ENOENT);
    EXPECT_EQ(disk.rename("a", "d/b").code(), 0);
    EXPECT_EQ(read_file(disk, "d/b"), "one");
    EXPECT_EQ(read_file(disk, "a"), "<none>");
    std::vector<std::string> names;
    EXPECT_EQ(disk.list("d", names).code(), 0);
    EXPECT_EQ(names, std::vector<std::string>{"b"});
    EXPECT_EQ(disk.list("", names).code(), 0);
    EXPECT_EQ(names, std::vector<std::string>{"d"});
    EXPECT_EQ(disk.list("none", names).code(), ENOENT);
    {
      const auto read_only = open_file(disk, "d/b", OpenMode::read);
      EXPECT_EQ(read_only->write_at(0, "x").code(), EBADF);
    }
    const auto both = open_file(disk, "d/b", OpenMode::read_write);
    EXPECT_EQ(both->truncate(2).code(), 0);
    EXPECT_EQ(both->truncate(4).code(), 0);
    EXPECT_EQ(read_file(disk, "d/b"), std::string("on\0\0", 4));
  });
  EXPECT_EQ(ran.failure, "");
}

}  // namespace
}  // namespace ingot::simulator
