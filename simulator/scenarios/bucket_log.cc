// The bucket-log scenario: processes on several machines open one log in one bucket, append to it, follow it, write
// checkpoints and collect what lies below them; they are killed at any step, stand still for minutes or days, and the
// bucket does to their requests what the seed says. bucket_log_history.h says what must hold. In the end all is calm:
// whoever is still there must go on, and who comes then finds everything, appends, and collects.
#include <chrono>
#include <deque>
#include <string>
#include <vector>

#include "all.h"
#include "bucket_log_session.h"

namespace ingot::simulator {

namespace {

using namespace std::chrono_literals;

base::Duration draw_span(Chance& chance, base::Duration low, base::Duration high) {
  return base::Duration(static_cast<std::int64_t>(
      chance.magnitude(static_cast<std::uint64_t>(low.count()), static_cast<std::uint64_t>(high.count()))));
}

BucketLogPlan draw_bucket_plan(Chance& chance, Choices& choices) {
  BucketLogPlan plan;
  const base::Duration start_after = draw_span(chance, 1ms, 24h);
  plan.start_after = chance.one_in(2) ? base::Duration::zero() : start_after;
  const std::uint64_t steps = chance.between(1, 25);
  plan.steps = 0;
  for (std::uint64_t i = 0; i < steps; ++i) plan.steps += choices.take(Optional::step) ? 1 : 0;
  plan.append_percent = chance.between(20, 90);
  plan.large_percent = chance.one_in(3) ? 30 : 3;
  plan.new_segment_percent = chance.one_in(3) ? 20 : 0;
  plan.checkpoint_percent = chance.one_in(2) ? 20 : 4;
  plan.sleep_percent = chance.one_in(3) ? 25 : 3;
  plan.waits = chance.one_in(2) ? chance.between(1, 12) : 0;
  plan.collects = chance.percent(60);
  plan.collect_every = chance.one_in(2) ? base::Duration(4h) : base::Duration(10min);
  plan.collects_by_the_clock = chance.one_in(3);
  plan.read_only = chance.one_in(8);
  plan.closes = chance.percent(70);
  plan.lingers = chance.one_in(4);
  return plan;
}

class BucketLogDirector {
 public:
  explicit BucketLogDirector(World& world) : world_(world), chance_(world.chance), shared_(world) {}

  void run() {
    world_.scheduler.set_steps_max(4'000'000);
    shared_.segment_slots = chance_.between(2, 12);
    shared_.segment_bytes = chance_.magnitude(300, 6000);
    shared_.slot_bytes_max = chance_.between(400, 1500);
    shared_.threads_max = chance_.between(2, 8);
    make_store();
    profile_ = BucketProfile::draw(chance_);
    if (chance_.one_in(4)) profile_ = {};
    const bool is_few = chance_.one_in(2);
    if (is_few) profile_[Fault::wrong_date] /= 20;  // so that one at most may come
    const std::uint64_t rounds = chance_.between(1, 4);
    for (std::uint64_t i = 0; i < rounds; ++i) round();
    finish();
  }

 private:
  void make_store() {
    if (world_.bucket.put(log::kStoreKey, "a store", storage::PutMode::create, {}, base::now() + 1min).outcome !=
        storage::Outcome::done) {
      world_.scheduler.fail("bucket-log: no store could be made");
    }
  }

  void round() {
    world_.bucket.set_faults(profile_);
    std::vector<BucketLogPlan>& plans = plans_.emplace_back(chance_.between(1, 6));
    for (BucketLogPlan& plan : plans) plan = draw_bucket_plan(chance_, world_.choices);
    std::vector<Process*> running;
    for (const BucketLogPlan& plan : plans) {
      const bool is_killed = chance_.percent(35);
      const std::uint64_t steps = chance_.magnitude(20, 6'000);
      if (!world_.choices.take(Optional::process)) continue;
      Process& process = start(plan);
      if (is_killed && world_.choices.take(Optional::event)) world_.scheduler.kill_after(process, steps);
      running.push_back(&process);
    }
    for (std::uint64_t count = chance_.below(5); count > 0; --count) {
      const base::Duration after = draw_span(chance_, 10ms, 12h);
      const base::Duration length = draw_span(chance_, 1min, 72h);
      const std::uint64_t which = chance_.next();
      const bool freezes = chance_.one_in(2);
      base::sleep_for(after);
      if (running.empty() || !world_.choices.take(Optional::event)) continue;
      Process& process = *running[which % running.size()];
      if (!process.running()) continue;
      freezes ? world_.scheduler.freeze(process, length) : world_.scheduler.pause(process, length);
      world_.report.outcome(freezes ? "paused: its clock stood still" : "paused");
    }
    if (chance_.one_in(8)) {
      const auto jump = static_cast<std::int64_t>(chance_.magnitude(1'000, 100'000'000'000));
      const bool forward = chance_.one_in(2);
      if (world_.choices.take(Optional::event)) world_.scheduler.jump_wall_clock(forward ? jump : -jump);
    }
    // Those that linger go on through the rounds that follow; so may the others for a while.
    const base::Instant until = base::now() + draw_span(chance_, 1min, 96h);
    for (Process* const process : running) (void)world_.scheduler.wait_for_end(*process, until);
    running_.insert(running_.end(), running.begin(), running.end());
  }

  Process& start(const BucketLogPlan& plan) {
    return world_.scheduler.start("machine" + std::to_string(++started_),
                                  [this, &plan] { run_bucket_log_process(shared_, plan); });
  }

  void finish() {
    world_.bucket.set_faults({});
    world_.bucket.end_periods();
    shared_.calm = true;
    const base::Instant until = base::now() + 60 * 24h;
    for (Process* const process : running_) {
      if (!world_.scheduler.wait_for_end(*process, until)) {
        world_.scheduler.fail("bucket-log: a process does not come to its end");
      }
    }
    collect_to_the_end();
    last(3);
    base::sleep_for(Bucket::kWireMax);
    if (world_.bucket.under_way() != 0) world_.scheduler.fail("bucket-log: something is still under way");
    shared_.history.check_end();
    last(1);
  }

  // A process with nothing in its way, which appends so often.
  void last(std::uint64_t appends) {
    BucketLogPlan plan;
    plan.steps = appends;
    plan.append_percent = 100;
    plan.checkpoint_percent = plan.sleep_percent = 0;
    plan.must_succeed = true;
    come_through(plan);
  }

  // Boundaries that were begun are done with, and a new one is.
  void collect_to_the_end() {
    BucketLogPlan plan;
    plan.steps = 40;
    plan.append_percent = 40;
    plan.checkpoint_percent = 20;
    plan.sleep_percent = 60;
    plan.collects = true;
    plan.must_succeed = true;
    come_through(plan);
  }

  void come_through(const BucketLogPlan& plan) {
    const std::uint64_t finished = shared_.finished;
    Process& process = start(plan);
    world_.scheduler.wait_for_end(process);
    if (shared_.finished == finished) world_.scheduler.fail("bucket-log: the last process did not come through");
  }

  World& world_;
  Chance& chance_;
  BucketLogWorld shared_;
  BucketProfile profile_;
  std::deque<std::vector<BucketLogPlan>> plans_;  // of all rounds: processes outlive theirs
  std::vector<Process*> running_;
  std::uint64_t started_ = 0;
};

}  // namespace

void run_bucket_log_scenario(World& world) {
  BucketLogDirector director(world);
  director.run();
}

}  // namespace ingot::simulator
