// The engine scenario: several processes open one store on one disk and use all of the public API, from several threads
// each; they are killed, stopped for up to hours, and lose their power, and the disk fails, fills, forgets and rots as
// the seed says. engine_history.h says what must hold. At the end the disk is good again, and the store must open, hold
// what it promised, take more, lose its power once more, and give back its room when everything is erased.
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "all.h"
#include "base/time.h"
#include "engine_session.h"
#include "scenario.h"

namespace ingot::simulator {

namespace {

using namespace std::chrono_literals;

class Director {
 public:
  explicit Director(World& world) : world_(world), chance_(world.chance), shared_(world) {}

  void run() {
    world_.scheduler.set_steps_max(20'000'000);
    const bool faults = chance_.percent(45);
    pauses_ = chance_.percent(20);
    damages_ = chance_.percent(40);
    const bool small_disk = chance_.percent(12);
    const std::uint64_t pages = chance_.magnitude(400, 4'000);
    shared_.workload = Workload::draw(chance_);
    profile_ = FaultProfile::draw(chance_);
    if (!faults) {
      const FaultProfile drawn = profile_;
      profile_ = {};
      profile_.names_in_order = drawn.names_in_order;
      profile_.garbage_page = drawn.garbage_page;
    }
    // After a sync that failed, what is not durable may be lost while others go on, if the log says so: then versions
    // are given out twice, and histories that have both are the log scenario's subject.
    if (profile_.sync_error != 0) shared_.workload.process_percent = 0;
    shared_.calm = !faults && !pauses_ && !small_disk;
    shared_.writes_fail = profile_.sync_error != 0 || profile_.write_error != 0;
    if (small_disk) world_.disk.set_pages_max(pages);
    const std::uint64_t rounds = chance_.between(1, 3);
    for (std::uint64_t i = 0; i < rounds; ++i) {
      world_.disk.set_faults(profile_);
      round();
      if (damages_) rot(true);
    }
    finish();
  }

 private:
  void round() {
    enum class End { quiet, power, kill_all };
    const End end = chance_.percent(40) ? End::power : chance_.percent(40) ? End::kill_all : End::quiet;
    power_lost_ = false;
    if (end != End::quiet) {
      const std::uint64_t steps = chance_.magnitude(200, 200'000);
      if (world_.choices.take(Optional::event)) {
        world_.scheduler.after_steps(steps, [this, end] { end == End::power ? lose_power() : kill_all(); });
      }
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
    world_.scheduler.after_steps(~0ULL >> 1, [] {});  // the power holds
    if (chance_.one_in(3) && !power_lost_ && world_.choices.take(Optional::event)) lose_power();
  }

  // What happens to them while they are at work.
  void befall(const std::vector<Process*>& running) {
    const std::uint64_t events = chance_.below(4);
    for (std::uint64_t i = 0; i < events; ++i) {
      const auto when = static_cast<std::int64_t>(chance_.magnitude(100'000, 1'000'000'000));
      const std::uint64_t kind = chance_.below(3);
      const std::uint64_t whom = chance_.below(running.size() + 1);
      const std::uint64_t length = chance_.one_in(4) ? chance_.magnitude(1'000'000'000, 14'400'000'000'000)
                                                     : chance_.magnitude(1'000'000, 1'000'000'000);
      const auto jump = static_cast<std::int64_t>(chance_.magnitude(1'000, 100'000'000'000));
      const bool forward = chance_.one_in(2);
      base::sleep_for(base::Duration(when));
      if (kind == 0 && pauses_ && whom < running.size()) {
        if (world_.choices.take(Optional::event) && running[whom]->running()) {
          world_.scheduler.pause(*running[whom], base::Duration(static_cast<std::int64_t>(length)));
        }
      } else if (kind == 1 && damages_) {
        rot(false);
      } else if (kind == 2 && forward == (whom == 0)) {
        if (world_.choices.take(Optional::event)) world_.scheduler.jump_wall_clock(forward ? jump : -jump);
      }
    }
  }

  void kill_all() {
    for (const auto& process : world_.scheduler.processes()) {
      if (process->number() != 0) world_.scheduler.kill(*process);
    }
  }

  void lose_power() {
    power_lost_ = true;
    world_.disk.lose_power();
    shared_.history.power_lost();
  }

  // The medium changes: one place of one file, which must be healed. A run or a checkpoint is damaged once (its name is
  // never used again), and so is the header, at any time; `live` and the log when nobody has the store open, and then
  // one place before the next who reads it all.
  void rot(bool nobody_is_in) {
    std::vector<Disk::Listed> files;
    for (const Disk::Listed& file : world_.disk.files()) {
      const bool many = file.path.starts_with("log/") || file.path == "live";
      const bool may = many ? nobody_is_in && shared_.opens != opens_at_damage_ : !damaged_.contains(file.path);
      if (may) files.push_back(file);
    }
    if (files.empty()) return;
    const Disk::Listed& file = files[chance_.below(files.size())];
    FileImage* const image = world_.disk.image(file.path);
    std::vector<std::uint64_t> settled;
    for (std::uint64_t offset = 0; offset < file.bytes; offset += kPageBytes) {
      if (image->is_settled(offset)) settled.push_back(offset);
    }
    if (settled.empty()) return;
    static constexpr Damage kKinds[] = {Damage::bit_flip,  Damage::noise_512,  Damage::noise_4096,
                                        Damage::zeros_512, Damage::zeros_4096, Damage::unreadable};
    const std::uint64_t page = settled[chance_.below(settled.size())];
    const Damage kind = kKinds[chance_.below(std::size(kKinds))];
    const std::uint64_t inside = chance_.below(std::min(kPageBytes, file.bytes - page));
    if (!world_.disk.damage(file.path, page + inside, kind)) return;
    world_.report.outcome("damage: " + file.path.substr(0, file.path.find('/')));
    damaged_.insert(file.path);
    if (nobody_is_in) opens_at_damage_ = shared_.opens;
  }

  void finish() {
    world_.disk.set_faults({});
    world_.disk.set_full(false);
    world_.disk.set_pages_max(1UL << 18);
    shared_.calm = true;
    world_.report.outcomes["commits in flight at kills"] += shared_.history.in_flight();
    last(false);
    // A little more, and the power fails once more.
    Workload more;
    more.steps_max = 6;
    more.segment_bytes = shared_.workload.segment_bytes;
    shared_.workload = more;
    ProcessPlan plan = draw_process(more, true, chance_, world_.choices);
    plan.read_only = false;
    Process& process = world_.scheduler.start("more", [this, &plan] { run_engine_process(shared_, plan); });
    world_.scheduler.wait_for_end(process);
    lose_power();
    last(true);
  }

  void last(bool erases) {
    history::FinalState found;
    const std::uint64_t finished = shared_.finished;
    Process& process =
        world_.scheduler.start("last", [this, &found, erases] { run_last_engine_process(shared_, found, erases); });
    world_.scheduler.wait_for_end(process);
    if (shared_.finished == finished) world_.scheduler.fail("engine: the last process did not come through");
    const std::string wrong = shared_.history.judge(found);
    if (!wrong.empty()) world_.scheduler.fail("engine: the history is wrong:\n" + wrong);
  }

  World& world_;
  Chance& chance_;
  EngineWorld shared_;
  FaultProfile profile_;
  bool pauses_ = false;
  bool damages_ = false;
  bool power_lost_ = false;
  std::uint64_t started_ = 0;
  std::set<std::string> damaged_;
  std::uint64_t opens_at_damage_ = ~0ULL;
};

}  // namespace

void run_engine_scenario(World& world) {
  Director director(world);
  director.run();
}

}  // namespace ingot::simulator
