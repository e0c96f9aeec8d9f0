// The log on the simulated disk, step by step as a test says, where only virtual time is long enough.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/time.h"
#include "in_world.h"
#include "log/directory_log.h"
#include "log/live.h"

namespace ingot::simulator {
namespace {

using namespace std::chrono_literals;

constexpr base::Hash128 kStoreId{1, 2};

// One process's life with the log open.
void with_log(World& world, std::uint64_t& entries, const std::function<void(log::Log&)>& body) {
  log::Live::Opened opened = log::Live::open(world.disk, kStoreId, base::now() + 1s);
  if (opened.live == nullptr) world.scheduler.fail("live can't be opened");
  log::DirectoryLogOptions options;
  options.store_id = kStoreId;
  options.segment_bytes = 64 << 10;
  log::Read outcome = log::Read::caught_up;
  std::string why;
  entries = 0;
  const std::unique_ptr<log::Log> log = log::open_directory_log(
      world.disk, *opened.live, options, [&](const log::Entry&) { ++entries; }, outcome, why);
  if (log == nullptr) world.scheduler.fail("the log can't be opened: " + why);
  body(*log);
}

log::Append append(log::Log& log, bool durable, base::Duration patience) {
  const std::string payload(100, 'x');
  const std::string_view parts[] = {payload};
  return log.append(
      {.transaction_count = 1, .time_micros = log.position().time_micros, .parts = parts, .durable = durable},
      base::now() + patience);
}

// It could be neither made durable nor taken back for so long that its append was given up; the handle commits no more,
// but its worker went on trying to make durable what stood before it, and that entry with it.
TEST(RefusedEntry, WhoseOutcomeCouldNotBeDecidedNeverAppears) {
  const Ran ran = in_world(7, [](World& world) {
    std::uint64_t found = 0;
    Process& first = world.scheduler.start("first", [&] {
      with_log(world, found, [&](log::Log& log) {
        if (append(log, false, 1s) != log::Append::kept) world.scheduler.fail("the first append");
        FaultProfile broken;
        broken.sync_error = 1'000'000;
        world.disk.set_faults(broken);
        if (append(log, true, 1ms) != log::Append::undecided) world.scheduler.fail("an append without a disk");
        world.disk.set_faults({});
        base::sleep_for(10s);
      });
    });
    world.scheduler.wait_for_end(first);
    Process& second = world.scheduler.start("second", [&] { with_log(world, found, [](log::Log&) {}); });
    world.scheduler.wait_for_end(second);
    if (found != 1) world.scheduler.fail("an opening found " + std::to_string(found) + " entries");
  });
  EXPECT_EQ(ran.failure, "");
}

}  // namespace
}  // namespace ingot::simulator
