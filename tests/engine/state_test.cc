// A State made by hand: what reads make of runs that fail for a moment.
#include "engine/state.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/merged_view.h"
#include "engine/read.h"
#include "log/faulty_directory.h"
#include "runs/block_cache.h"
#include "runs/run.h"
#include "storage/memory_directory.h"

namespace ingot::engine {
namespace {

class ReadsOfAState : public testing::Test {
 protected:
  // "k" in the older run, erased by a range erasure in the newer one, which is not open yet.
  std::shared_ptr<State> erased_key() {
    EXPECT_FALSE(directory_->make_directory("runs"));
    auto state = State::make(std::make_shared<PinRegistry>(), 1);
    state->active = std::make_shared<Memtable>(1);
    state->sorted_runs.push_back({2, {written(std::string(32, 'b'), {}, {{"a", "z", 2}})}});
    state->sorted_runs.push_back({1, {written(std::string(32, 'a'), {{"k", 1, RecordKind::value, 0, "v"}}, {})}});
    state->floor = 2;
    state->note_erasures();
    return state;
  }
  std::shared_ptr<runs::Run> written(const std::string& name, const std::vector<Record>& records,
                                     const std::vector<runs::RangeErasure>& erasures) {
    runs::RunWriter writer(*directory_, "runs/" + name, runs::Compression::none);
    for (const Record& record : records) EXPECT_FALSE(writer.add(record));
    for (const runs::RangeErasure& erasure : erasures) writer.add_range_erasure(erasure);
    runs::RunSummary summary;
    EXPECT_FALSE(writer.finish(summary));
    return std::make_shared<runs::Run>(faulty_, "runs/" + name, summary, cache_, [](const std::string&) {});
  }
  void fail_the_next_open() {
    fails_left_ = 1;
    faults_.set([this](const storage::Attempted& attempted) {
      return attempted.operation == storage::Operation::open && fails_left_-- > 0 ? EIO : 0;
    });
  }

  std::unique_ptr<storage::Directory> directory_ = storage::make_memory_directory();
  storage::Faults faults_;
  int fails_left_ = 0;
  storage::FaultyDirectory faulty_{*directory_, faults_};
  base::EpochDomain epochs_;
  std::shared_ptr<runs::BlockCache> cache_ = std::make_shared<runs::BlockCache>(1 << 20, epochs_);
};

TEST_F(ReadsOfAState, AnErasureThatCanNotBeReadForAMomentIsAFailureAndNotForgotten) {
  std::string why;
  const std::shared_ptr<State> state = erased_key();
  const View view{state.get(), 2, 0};
  fail_the_next_open();
  EXPECT_EQ(get(
                view, "k", runs::Io::allowed, [](const Seen&) { ADD_FAILURE() << "it was erased"; }, why),
            Got::failed);
  EXPECT_NE(why.find("EIO"), std::string::npos) << why;
  EXPECT_EQ(get(
                view, "k", runs::Io::allowed, [](const Seen&) { ADD_FAILURE() << "it was erased"; }, why),
            Got::absent);
}

TEST_F(ReadsOfAState, AScanDoesNotForgetItEither) {
  const std::shared_ptr<State> state = erased_key();
  fail_the_next_open();
  MergedView view(state, 2, 0, "", "", ScanUse::lookup);
  EXPECT_FALSE(view.first());
  EXPECT_TRUE(view.failed());
  EXPECT_NE(view.why().find("EIO"), std::string::npos) << view.why();
  EXPECT_FALSE(view.last());
  MergedView again(state, 2, 0, "", "", ScanUse::lookup);
  EXPECT_FALSE(again.first());
  EXPECT_FALSE(again.failed()) << again.why();
}

// Another thread may have held any lock when the process forked; in the child it never lets go of it.
TEST(StateOfAForkedChild, IsDroppedWithoutItsParentsLocks) {
  const auto pins = std::make_shared<PinRegistry>();
  std::atomic<bool> over{false};
  std::thread busy([&] {
    while (!over) {
      pins->add(7);
      pins->remove(7);
    }
  });
  int stuck = 0;
  for (int i = 0; i < 60 && stuck == 0; ++i) {
    auto state = State::make(pins, 1);
    state->active = std::make_shared<Memtable>(1);
    std::this_thread::sleep_for(std::chrono::microseconds(300 + 17 * i));  // the other has waited for us
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(60);
      state.reset();
      ::_exit(0);
    }
    int status = 1;
    ::waitpid(child, &status, 0);
    stuck += status == 0 ? 0 : 1;
  }
  over = true;
  busy.join();
  EXPECT_EQ(stuck, 0);
  EXPECT_EQ(pins->oldest(), ~0ULL) << "the parent's are let go of as ever";
}

}  // namespace
}  // namespace ingot::engine
