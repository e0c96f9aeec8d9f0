#include "scheduler.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <utility>

namespace ingot::simulator {

struct Scheduler::Task {
  enum class State { ready, waiting, done };

  std::uint64_t number = 0;
  Scheduler* scheduler = nullptr;
  Process* process = nullptr;
  std::string name;
  std::uint32_t thread_index = 0;
  bool is_main = false;
  std::function<void()> host_body;                // a process's main: the host's
  std::function<void()>* process_body = nullptr;  // a thread's: in the process's memory
  std::unique_ptr<Fiber> fiber;

  State state = State::ready;
  const void* address = nullptr;  // waited on
  base::Instant deadline = base::kNever;
  bool timed_out = false;
  std::int64_t priority = 0;
};

Scheduler::Scheduler(std::uint64_t seed, Trace& trace, Report& report, Choices& choices)
    : trace_(trace),
      report_(report),
      choices_(choices),
      schedule_(seed ^ 0x5c8e'd01e'5eed'0001ULL),
      seeds_(seed ^ 0x9207'ce55'0000'0002ULL) {
  policy_ = schedule_.percent(30) ? Policy::priorities : Policy::random;
  switch_one_in_ = std::uint64_t{1} << schedule_.below(7);
  change_distance_ = schedule_.magnitude(50, 20'000);
  next_change_ = schedule_.below(change_distance_ * 2) + 1;
  now_ = base::Instant(base::Duration(1'000'000'000 + static_cast<std::int64_t>(schedule_.below(1'000'000'000))));
  began_ = now_;
}

Scheduler::~Scheduler() {
  // What the scheduler itself has is not freed yet, but will be.
  if (failure_.empty()) {
    host_memory_.disown_all();
  } else {
    host_memory_.abandon_all();
  }
}

std::string Scheduler::run(std::function<void()> director) {
  if (running_ || !processes_.empty()) std::abort();  // one run each
  running_ = true;
  processes_.emplace_back(new Process(0, "director", seeds_.fork()));
  processes_.front()->identity_ = {99, 0};
  Task& task = add_task(*processes_.front(), "director");
  task.is_main = true;
  task.host_body = std::move(director);
  try {
    loop(task);
  } catch (const Stop&) {
  }
  // What is left is abandoned, as at a power loss; but nobody is told: the scenario that listens is gone itself.
  listeners_.clear();
  for (const auto& process : processes_) {
    if (process->running()) make_dead(*process, Process::State::killed);
  }
  running_ = false;
  report_.steps += steps_;
  report_.virtual_micros += static_cast<std::uint64_t>((now_ - began_).count() / 1000);
  return failure_;
}

void Scheduler::loop(const Task& director) {
  while (director.state != Task::State::done) {
    trace_.set_place(now_, 0, 0);
    if (steps_ >= action_at_step_) {
      action_at_step_ = ~0ULL;
      const std::function<void()> action = std::exchange(action_, nullptr);
      action();
    }
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      Process& process = *processes_[i];
      if (process.running() && process.steps_ >= process.kill_at_step_) kill(process);
    }
    if (now_ >= next_event_) expire();
    Task* next = choose();
    if (next == nullptr) {
      if (next_event_ == base::kNever)
        fail("deadlock: everybody waits, and nothing will wake them\n" + waiting_tasks());
      now_ = std::max(now_, next_event_);
      continue;
    }
    if (steps_ > steps_max_) fail("no end after " + std::to_string(steps_) + " steps\n" + waiting_tasks());
    resume(*next);
    if (!failure_.empty()) return;
  }
}

bool Scheduler::can_run(const Task& task) const {
  return task.state == Task::State::ready && task.process->paused_until_ <= now_;
}

Scheduler::Task* Scheduler::choose() {
  woken_ = false;
  if (policy_ == Policy::priorities) {
    Task* best = nullptr;
    for (const auto& task : tasks_) {
      if (can_run(*task) && (best == nullptr || task->priority > best->priority)) best = task.get();
    }
    return best;
  }
  std::size_t count = 0;
  for (const auto& task : tasks_) count += can_run(*task) ? 1 : 0;
  if (count == 0) return nullptr;
  std::size_t chosen = count == 1 ? 0 : schedule_.below(count);
  for (const auto& task : tasks_) {
    if (can_run(*task) && chosen-- == 0) return task.get();
  }
  return nullptr;
}

void Scheduler::resume(Task& task) {
  trace_.set_place(now_, task.process->number_, static_cast<std::uint32_t>(task.number));
  trace_.event("run");
  ++report_.switches;
  current_ = &task;
  base::active_simulation = this;
  Allocations::set_of_host(&host_memory_);
  Allocations::set_current(task.process->number_ == 0 ? &host_memory_ : &task.process->memory_);
  task.fiber->resume();
  Allocations::set_current(nullptr);
  Allocations::set_of_host(nullptr);
  base::active_simulation = nullptr;
  current_ = nullptr;
  if (task.state == Task::State::done) finish_task(task);
}

void Scheduler::suspend() {
  Task& task = *current_;
  Allocations* const memory = Allocations::current();
  task.fiber->suspend();
  Allocations::set_current(memory);
}

Scheduler::Task& Scheduler::add_task(Process& process, std::string name) {
  auto owned = std::make_unique<Task>();
  Task& task = *owned;
  task.number = next_task_++;
  task.scheduler = this;
  task.process = &process;
  task.name = std::move(name);
  task.priority = static_cast<std::int64_t>(schedule_.below(1'000'000));
  const auto free = std::find(process.thread_indexes_.begin(), process.thread_indexes_.end(), false);
  task.thread_index = static_cast<std::uint32_t>(free - process.thread_indexes_.begin());
  if (free == process.thread_indexes_.end()) {
    process.thread_indexes_.push_back(true);
  } else {
    *free = true;
  }
  ++process.fiber_count_;
  task.fiber = std::make_unique<Fiber>(stacks_, &Scheduler::task_main, &task);
  tasks_.push_back(std::move(owned));
  woken_ = true;
  return task;
}

void Scheduler::task_main(void* argument) {
  Task& task = *static_cast<Task*>(argument);
  std::string escaped;  // the host's
  try {
    if (task.process_body != nullptr) {
      (*task.process_body)();
    } else {
      task.host_body();
    }
  } catch (const std::exception& error) {
    HostMemory host;
    escaped = "an exception left " + task.process->name_ + "/" + task.name + ": " + error.what();
  } catch (...) {
    HostMemory host;
    escaped = "an exception of unknown type left " + task.process->name_ + "/" + task.name;
  }
  if (!escaped.empty()) task.scheduler->fail(std::move(escaped));  // out here: the exception itself has been freed
  delete std::exchange(task.process_body, nullptr);
  task.state = Task::State::done;
  task.fiber->suspend();
  std::abort();  // a task that is done is not resumed
}

// On the host's stack, after the task's last suspension.
void Scheduler::finish_task(Task& task) {
  Process& process = *task.process;
  trace_.event("thread ends", task.number);
  process.thread_indexes_[task.thread_index] = false;
  --process.fiber_count_;
  for (const auto& other : tasks_) {
    if (other->state == Task::State::waiting && other->address == &task) wake(*other);
  }
  const bool is_main = task.is_main;
  if (process.number_ == 0 && is_main) {
    if (process.fiber_count_ != 0) fail("the director ended before its threads\n" + waiting_tasks());
    return;  // `loop` looks at the task
  }
  std::erase_if(tasks_, [&task](const auto& owned) { return owned.get() == &task; });
  if (is_main) end_process(process);
}

void Scheduler::end_process(Process& process) {
  if (process.fiber_count_ != 0) {
    fail("process " + process.name_ + " ended before its threads\n" + waiting_tasks());
  }
  make_dead(process, Process::State::ended);
}

void Scheduler::make_dead(Process& process, Process::State state) {
  process.state_ = state;
  trace_.event(state == Process::State::killed ? "killed" : "ended", process.number_, process.steps_);
  std::erase_if(tasks_, [&process](const auto& task) { return task->process == &process; });
  process.fiber_count_ = 0;
  for (const auto& listener : listeners_) listener(process);
  if (state == Process::State::ended && process.memory_.count() != 0 && failure_.empty()) {
    fail("process " + process.name_ + " ended with " + std::to_string(process.memory_.bytes()) + " bytes in " +
         std::to_string(process.memory_.count()) + " allocations not freed");
  }
  process.memory_.free_all();
  if (running_ && failure_.empty()) {
    for (const auto& task : tasks_) {
      if (task->state == Task::State::waiting && task->address == &process) wake(*task);
    }
  }
}

Process& Scheduler::start(std::string name, std::function<void()> main) {
  HostMemory host;
  processes_.emplace_back(new Process(static_cast<std::uint32_t>(processes_.size()), std::move(name), seeds_.fork()));
  Process& process = *processes_.back();
  // Ids are used again, as soon as the one who had it is gone.
  std::uint32_t pid = 100;
  const auto taken = [&](std::uint32_t id) {
    return std::any_of(processes_.begin(), processes_.end(),
                       [id](const auto& other) { return other->running() && other->identity_.pid == id; });
  };
  while (taken(pid)) ++pid;
  process.identity_ = {pid, ++starts_};
  ++report_.processes;
  Task& task = add_task(process, process.name_);
  task.is_main = true;
  task.host_body = std::move(main);
  trace_.event("start", process.number_, pid, process.name_);
  return process;
}

void Scheduler::kill(Process& process) {
  HostMemory host;
  if (!process.running()) return;
  if (current_ != nullptr && current_->process == &process) {
    process.kill_at_step_ = 0;
    suspend();  // the loop kills it; never comes back
    std::abort();
  }
  report_.count(Fault::kill);
  make_dead(process, Process::State::killed);
}

void Scheduler::kill_after(Process& process, std::uint64_t steps) {
  process.kill_at_step_ = process.steps_ + steps;
}

void Scheduler::after_steps(std::uint64_t steps, std::function<void()> action) {
  HostMemory host;
  action_at_step_ = steps_ + steps;
  action_ = std::move(action);
}

void Scheduler::pause(Process& process, base::Duration duration) {
  report_.count(Fault::pause);
  trace_.event("pause", process.number_, static_cast<std::uint64_t>(duration.count()));
  process.paused_until_ = std::max(process.paused_until_, base::deadline_after(now_, duration));
  next_event_ = std::min(next_event_, process.paused_until_);
}

void Scheduler::freeze(Process& process, base::Duration duration) {
  const base::Instant stood = std::max(now_, process.paused_until_);  // it may stand still already
  pause(process, duration);
  const base::Duration more = process.paused_until_ - stood;
  process.clock_behind_ += more;
  for (const auto& task : tasks_) {
    if (task->process == &process && task->state == Task::State::waiting) {
      task->deadline = base::deadline_after(task->deadline, more);
    }
  }
}

base::Instant Scheduler::in_world(base::Instant instant) const {
  return current_ == nullptr ? instant : base::deadline_after(instant, current_->process->clock_behind_);
}

bool Scheduler::wait_for_end(Process& process, base::Instant deadline) {
  while (process.running()) {
    if (!wait_until(&process, deadline)) return !process.running();
  }
  return true;
}

void Scheduler::fail(std::string why) {
  HostMemory host;
  if (failure_.empty()) failure_ = std::string(why.data(), why.size());  // the host's copy: `why` may be the process's
  trace_.event("FAILURE", 0, 0, failure_);
  if (current_ == nullptr) throw Stop();
  suspend();
  std::abort();  // a failed run is not resumed
}

Process* Scheduler::current_process() {
  return current_ == nullptr ? nullptr : current_->process;
}

std::string Scheduler::waiting_tasks() const {
  std::string text;
  for (const auto& task : tasks_) {
    text += "  " + task->process->name_ + "." + std::to_string(task->number) + " (" + task->name + ") ";
    if (task->state == Task::State::ready) {
      text += task->process->paused_until_ > now_ ? "paused" : "can run";
    } else if (task->deadline == base::kNever) {
      text += "waits without a deadline";
    } else {
      text += "waits until " + std::to_string(task->deadline.time_since_epoch().count() / 1000) + " us";
    }
    text += "\n";
  }
  return text;
}

void Scheduler::wake(Task& task) {
  task.state = Task::State::ready;
  task.address = nullptr;
  task.timed_out = false;
  woken_ = true;
}

void Scheduler::expire() {
  next_event_ = base::kNever;
  for (const auto& task : tasks_) {
    if (task->state == Task::State::waiting) {
      if (task->deadline <= now_) {
        wake(*task);
        task->timed_out = true;
      } else {
        next_event_ = std::min(next_event_, task->deadline);
      }
    }
    if (task->process->paused_until_ > now_) next_event_ = std::min(next_event_, task->process->paused_until_);
  }
}

void Scheduler::step() {
  if (current_ == nullptr) return;
  Task& task = *current_;
  Process& process = *task.process;
  ++steps_;
  ++process.steps_;
  const std::uint64_t draw = schedule_.next();
  now_ += base::Duration(20 + static_cast<std::int64_t>(draw & 127));
  bool others = steps_ >= action_at_step_ || process.steps_ >= process.kill_at_step_ || steps_ > steps_max_;
  if (policy_ == Policy::priorities) {
    if (steps_ >= next_change_) {
      next_change_ = steps_ + 1 + schedule_.below(change_distance_ * 2);
      task.priority = --lowest_priority_;
      others = true;
    }
    others = others || woken_ || now_ >= next_event_;
  } else {
    others = others || ((draw >> 32) & (switch_one_in_ - 1)) == 0;
  }
  if (others) {
    HostMemory host;
    suspend();
  }
  trace_.set_place(now_, process.number_, static_cast<std::uint32_t>(task.number));
}

void Scheduler::stand_back() {
  if (current_ == nullptr) return;
  HostMemory host;
  Task& task = *current_;
  ++steps_;
  ++task.process->steps_;
  now_ += base::Duration(20 + static_cast<std::int64_t>(schedule_.below(128)));
  task.priority = --lowest_priority_;
  suspend();
}

bool Scheduler::wait_until(const void* address, base::Instant deadline) {
  return wait_in_world(address, in_world(deadline));
}

bool Scheduler::wait_in_world(const void* address, base::Instant deadline) {
  HostMemory host;
  if (deadline <= now_ || schedule_.one_in(spurious_one_in_)) {
    step();
    return deadline > now_;
  }
  Task& task = *current_;
  ++steps_;
  ++task.process->steps_;
  task.state = Task::State::waiting;
  task.address = address;
  task.deadline = deadline;
  task.timed_out = false;
  next_event_ = std::min(next_event_, deadline);
  suspend();
  return !task.timed_out;
}

void Scheduler::wake_one(const void* address) {
  std::size_t count = 0;
  for (const auto& task : tasks_) count += task->state == Task::State::waiting && task->address == address ? 1 : 0;
  if (count == 0) return;
  std::size_t chosen = count == 1 ? 0 : schedule_.below(count);
  for (const auto& task : tasks_) {
    if (task->state == Task::State::waiting && task->address == address && chosen-- == 0) {
      wake(*task);
      return;
    }
  }
}

void Scheduler::wake_all(const void* address) {
  for (const auto& task : tasks_) {
    if (task->state == Task::State::waiting && task->address == address) wake(*task);
  }
}

std::uint64_t Scheduler::start_thread(std::string name, std::function<void()> body) {
  auto* in_process = new std::function<void()>(std::move(body));  // freed by the task, or with the process
  std::uint64_t number = 0;
  {
    HostMemory host;
    Task& task = add_task(*current_->process, std::string(name));
    task.process_body = in_process;
    number = task.number;
    trace_.event("thread", number, 0, name);
  }
  step();
  return number;
}

void Scheduler::join_thread(std::uint64_t thread) {
  step();
  for (;;) {
    const auto found =
        std::find_if(tasks_.begin(), tasks_.end(), [thread](const auto& task) { return task->number == thread; });
    if (found == tasks_.end()) return;
    wait_until(found->get(), base::kNever);
  }
}

std::uint32_t Scheduler::thread_index() {
  return current_->thread_index;
}

base::ProcessIdentity Scheduler::process_identity() {
  return current_->process->identity_;
}

base::Instant Scheduler::now() {
  now_ += base::Duration(30);
  return current_ == nullptr ? now_ : now_ - current_->process->clock_behind_;
}

std::int64_t Scheduler::wall_micros() {
  now_ += base::Duration(30);
  return 1'700'000'000'000'000 + now_.time_since_epoch().count() / 1000 + wall_offset_micros_;
}

void Scheduler::sleep_for(base::Duration duration) {
  const base::Instant until = base::deadline_after(now_, duration);
  step();
  while (now_ < until) wait_in_world(current_, until);
}

void Scheduler::random_bytes(std::span<char> out) {
  for (std::size_t i = 0; i < out.size();) {
    const std::uint64_t draw = current_->process->chance_.next();
    for (std::size_t byte = 0; byte < 8 && i < out.size(); ++byte, ++i) out[i] = static_cast<char>(draw >> (8 * byte));
  }
}

void Scheduler::probe(const char* name) {
  report_.probe(name);
}

}  // namespace ingot::simulator
