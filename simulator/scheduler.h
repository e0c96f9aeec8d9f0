// Several simulated processes of the real code, as fibers under one seeded scheduler with a virtual clock.
//
// One operating-system thread runs everything. At each call of src/base and of the simulated disk (a step) another
// fiber may go on, as the seed says: at random, or by priorities that change at few places (PCT: Burckhardt and others,
// "A randomized scheduler with probabilistic guarantees of finding bugs", 2010). The clock moves a little with every
// step, and when all wait it jumps to the next deadline. When all wait without one, that is a deadlock, and a failure.
//
// A process is killed at a step: its fibers are abandoned where they are, nothing on their stacks is destroyed, and its
// memory is freed. Process 0 is the director: a scenario's own fiber (and threads), which starts the others, kills
// them, and looks at what they did. It uses the host's memory. A run that fails abandons the director, too.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/simulation.h"
#include "chance.h"
#include "choices.h"
#include "faults.h"
#include "fiber.h"
#include "memory.h"
#include "trace.h"

namespace ingot::simulator {

class Process {
 public:
  enum class State { running, ended, killed };

  [[nodiscard]] std::uint32_t number() const { return number_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool running() const { return state_ == State::running; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  [[nodiscard]] Allocations& memory() { return memory_; }
  /// For how long its monotonic clock has stood still.
  [[nodiscard]] base::Duration clock_behind() const { return clock_behind_; }

 private:
  friend class Scheduler;
  Process(std::uint32_t number, std::string name, Chance chance)
      : number_(number), name_(std::move(name)), chance_(chance) {}

  std::uint32_t number_;
  std::string name_;
  State state_ = State::running;
  base::ProcessIdentity identity_;
  std::uint32_t fiber_count_ = 0;
  std::vector<bool> thread_indexes_;
  std::uint64_t steps_ = 0;
  std::uint64_t kill_at_step_ = ~0ULL;
  base::Instant paused_until_{};
  base::Duration clock_behind_{};  // its monotonic clock to the world's: for how long it has stood still
  Chance chance_;
  Allocations memory_;
};

class Scheduler final : public base::Simulation {
 public:
  Scheduler(std::uint64_t seed, Trace& trace, Report& report, Choices& choices);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Runs `director` until it returns or something fails. Returns what failed; empty: nothing.
  std::string run(std::function<void()> director);

  // Inside `run`, from the director or (fail) from anywhere:

  /// A new process that runs `main` and ends when it returns: then none of its threads may run, and none of its memory
  /// may be left. `main` and what it captures belong to the host.
  Process& start(std::string name, std::function<void()> main);
  void kill(Process& process);
  /// Kills it when it has made so many more steps (if it runs so long).
  void kill_after(Process& process, std::uint64_t steps);
  /// Calls `action` on the host's stack once so many more steps were made by anyone. One at a time; replaces.
  void after_steps(std::uint64_t steps, std::function<void()> action);
  void pause(Process& process, base::Duration duration);
  /// The same, of a virtual machine: its monotonic clock stands still meanwhile, and so do its timers.
  void freeze(Process& process, base::Duration duration);
  /// Returns false at the deadline.
  bool wait_for_end(Process& process, base::Instant deadline = base::kNever);
  void jump_wall_clock(std::int64_t micros) {
    report_.count(Fault::wall_jump);
    wall_offset_micros_ += micros;
  }
  /// Ends the run: the seed has failed. From a fiber or from an action.
  [[noreturn]] void fail(std::string why);

  /// Called after a process was killed or has ended, before its memory is freed.
  void on_death(std::function<void(Process&)> listener) { listeners_.push_back(std::move(listener)); }

  /// The process whose fiber runs now; null on the host's stack.
  [[nodiscard]] Process* current_process();
  [[nodiscard]] const std::vector<std::unique_ptr<Process>>& processes() const { return processes_; }
  [[nodiscard]] base::Instant time() const { return now_; }
  /// When that is what the running fiber's process means by `instant` of its own clock.
  [[nodiscard]] base::Instant in_world(base::Instant instant) const;
  [[nodiscard]] Trace& trace() { return trace_; }
  [[nodiscard]] Report& report() { return report_; }
  [[nodiscard]] Choices& choices() { return choices_; }
  /// Whether a fiber of a simulation runs now (else there is nobody to wait).
  [[nodiscard]] bool in_fiber() const { return current_ != nullptr; }
  /// A run that takes more steps than this has lost its way.
  void set_steps_max(std::uint64_t steps) { steps_max_ = steps; }

  // base::Simulation
  void step() override;
  void stand_back() override;
  bool wait_until(const void* address, base::Instant deadline) override;
  void wake_one(const void* address) override;
  void wake_all(const void* address) override;
  std::uint64_t start_thread(std::string name, std::function<void()> body) override;
  void join_thread(std::uint64_t thread) override;
  std::uint32_t thread_index() override;
  std::uint32_t fork_generation() override { return 0; }
  base::ProcessIdentity process_identity() override;
  base::Instant now() override;
  std::int64_t wall_micros() override;
  void sleep_for(base::Duration duration) override;
  void random_bytes(std::span<char> out) override;
  void probe(const char* name) override;

 private:
  struct Task;
  struct Stop {};  // thrown on the host's stack by fail

  Task& add_task(Process& process, std::string name);
  static void task_main(void* task);
  void loop(const Task& director);
  Task* choose();
  void resume(Task& task);
  void suspend();
  void finish_task(Task& task);
  void end_process(Process& process);
  void make_dead(Process& process, Process::State state);
  bool wait_in_world(const void* address, base::Instant deadline);
  void expire();
  void wake(Task& task);
  [[nodiscard]] bool can_run(const Task& task) const;
  [[nodiscard]] std::string waiting_tasks() const;

  // Which fiber goes on at a step.
  enum class Policy { random, priorities };

  Trace& trace_;
  Report& report_;
  Choices& choices_;
  Chance schedule_;
  Chance seeds_;  // for the processes' own streams
  Policy policy_ = Policy::random;
  std::uint64_t switch_one_in_ = 1;  // random: a step lets others run one time in so many
  std::uint64_t next_change_ = 0;    // priorities: the step at which the running one falls behind
  std::uint64_t change_distance_ = 0;
  std::int64_t lowest_priority_ = 0;
  std::uint32_t spurious_one_in_ = 200;
  bool woken_ = false;  // somebody became able to run since the last choice

  StackPool stacks_;
  base::Instant now_;
  base::Instant began_;
  base::Instant next_event_ = base::kNever;  // the earliest deadline or end of a pause; may be too early
  std::int64_t wall_offset_micros_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t steps_max_ = 20'000'000;
  std::uint64_t action_at_step_ = ~0ULL;
  std::function<void()> action_;

  std::uint64_t next_task_ = 1;
  std::vector<std::unique_ptr<Task>> tasks_;  // alive, by number
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<std::function<void(Process&)>> listeners_;
  Task* current_ = nullptr;
  std::uint64_t starts_ = 0;
  std::string failure_;
  bool running_ = false;
  Allocations host_memory_;  // what the host has allocated while a fiber ran
};

}  // namespace ingot::simulator
