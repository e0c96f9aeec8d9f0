// The engine scenario on a bucket: processes of several machines open one store, and use all of the public API, from
// several threads each; they are killed, and stand still for up to days, and the bucket and the way to it do what
// faults.h says. The history must hold as on a disk (engine_history.h), but that reads which do not ask for news may be
// older. At the end the bucket is good again: the store must open, hold what it promised, take more, and some days
// later keep nothing that nobody needs.
#include <chrono>
#include <string>
#include <vector>

#include "all.h"
#include "base/time.h"
#include "engine_session.h"
#include "scenario.h"

namespace ingot::simulator {

namespace {

using namespace std::chrono_literals;

class EngineBucketDirector {
 public:
  explicit EngineBucketDirector(World& world) : world_(world), chance_(world.chance), shared_(world) {}

  void run() {
    world_.scheduler.set_steps_max(40'000'000);
    const bool faults = chance_.percent(60);
    sleeps_ = chance_.percent(40);
    shared_.in_bucket = true;
    shared_.caches = chance_.percent(60);
    shared_.fresh = chance_.percent(60);
    shared_.workload = Workload::draw(chance_);
    shared_.workload.process_percent = 0;
    shared_.workload.steps_max = std::min<std::uint64_t>(shared_.workload.steps_max, 120);
    const BucketProfile drawn = BucketProfile::draw(chance_);
    if (faults) profile_ = drawn;
    const FaultProfile disk_profile = FaultProfile::draw(chance_);
    const bool disk_faults = chance_.percent(50);
    shared_.calm = !faults && !sleeps_;
    const std::uint64_t rounds = chance_.between(1, 3);
    for (std::uint64_t i = 0; i < rounds; ++i) {
      world_.bucket.set_faults(profile_);
      if (disk_faults) world_.disk.set_faults(disk_profile);
      round();
      const std::uint64_t hours = chance_.magnitude(1, 100);
      if (sleeps_ && world_.choices.take(Optional::event)) base::sleep_for(hours * 1h);
    }
    finish();
  }

 private:
  void round() {
    const bool kills_all = chance_.percent(40);
    const std::uint64_t steps_until = chance_.magnitude(500, 200'000);
    if (kills_all && world_.choices.take(Optional::event)) {
      world_.scheduler.after_steps(steps_until, [this] { kill_all(); });
    }
    std::vector<ProcessPlan> plans;
    std::vector<Process*> running;
    const std::uint64_t count = chance_.one_in(2) ? 4 : chance_.between(1, 4);
    plans.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      plans.push_back(draw_process(shared_.workload, shared_.calm, chance_, world_.choices));
      const bool killed = chance_.percent(40);
      const std::uint64_t steps = chance_.magnitude(20, 100'000);
      if (!world_.choices.take(Optional::process)) continue;
      const ProcessPlan& plan = plans.back();
      Process& process = world_.scheduler.start("engine" + std::to_string(++started_),
                                                [this, &plan] { run_engine_process(shared_, plan); });
      if (killed && world_.choices.take(Optional::event)) world_.scheduler.kill_after(process, steps);
      running.push_back(&process);
    }
    befall(running);
    for (Process* process : running) world_.scheduler.wait_for_end(*process);
    world_.scheduler.after_steps(~0ULL >> 1, [] {});
  }

  // Machines stand still, for a moment or for days, and their clocks are set.
  void befall(const std::vector<Process*>& running) {
    const std::uint64_t events = chance_.below(4);
    for (std::uint64_t i = 0; i < events; ++i) {
      const auto when = static_cast<std::int64_t>(chance_.magnitude(1'000'000, 10'000'000'000));
      const std::uint64_t whom = chance_.below(running.size() + 1);
      const bool for_days = chance_.one_in(3);
      const auto hours = static_cast<std::int64_t>(chance_.magnitude(1, 80));
      const auto length = static_cast<std::int64_t>(chance_.magnitude(10'000'000, 1'800'000'000'000));
      const auto jump = static_cast<std::int64_t>(chance_.magnitude(1'000, 1'000'000'000'000));
      const bool forward = chance_.one_in(2);
      base::sleep_for(base::Duration(when));
      if (whom == running.size()) {
        if (world_.choices.take(Optional::event)) world_.scheduler.jump_wall_clock(forward ? jump : -jump);
      } else if (sleeps_ && world_.choices.take(Optional::event) && running[whom]->running()) {
        world_.scheduler.pause(*running[whom], for_days ? base::Duration(hours * 1h) : base::Duration(length));
      }
    }
  }

  void kill_all() {
    for (const auto& process : world_.scheduler.processes()) {
      if (process->number() != 0) world_.scheduler.kill(*process);
    }
  }

  void finish() {
    world_.bucket.set_faults({});
    world_.bucket.end_periods();
    world_.disk.set_faults({});
    shared_.calm = true;
    world_.report.outcomes["commits in flight at kills"] += shared_.history.in_flight();
    last(false);
    Workload more;
    more.steps_max = 6;
    more.segment_bytes = shared_.workload.segment_bytes;
    shared_.workload = more;
    ProcessPlan plan = draw_process(more, true, chance_, world_.choices);
    plan.read_only = false;
    Process& process = world_.scheduler.start("more", [this, &plan] { run_engine_process(shared_, plan); });
    world_.scheduler.wait_for_end(process);
    last(chance_.one_in(3));
  }

  void last(bool erases) {
    history::FinalState found;
    const std::uint64_t finished = shared_.finished;
    Process& process =
        world_.scheduler.start("last", [this, &found, erases] { run_last_engine_process(shared_, found, erases); });
    world_.scheduler.wait_for_end(process);
    if (shared_.finished == finished) world_.scheduler.fail("engine: the last process did not come through");
    const std::string wrong = shared_.history.judge(found, shared_.fresh);
    if (!wrong.empty()) world_.scheduler.fail("engine: the history is wrong:\n" + wrong);
  }

  World& world_;
  Chance& chance_;
  EngineWorld shared_;
  BucketProfile profile_;
  bool sleeps_ = false;
  std::uint64_t started_ = 0;
};

}  // namespace

void run_engine_bucket_scenario(World& world) {
  EngineBucketDirector director(world);
  director.run();
}

}  // namespace ingot::simulator
