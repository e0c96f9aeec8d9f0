#include "crowd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>

namespace demo {

std::size_t Histogram::bucket(std::uint64_t value) {
  if (value < 8) return static_cast<std::size_t>(value);
  const auto power = static_cast<std::size_t>(std::bit_width(value)) - 1;
  return (power - 2) * 8 + ((value >> (power - 3)) & 7);
}

std::uint64_t Histogram::at(double share) const {
  const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_));
  std::uint64_t seen = 0;
  for (std::uint64_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen <= wanted || buckets_[i] == 0) continue;
    if (i < 8) return i;
    return std::min(max_, ((9 + i % 8) << (i / 8 - 1)) - 1);  // its upper end
  }
  return max_;
}

Crowd::Crowd(std::string program, std::string store, unsigned sellers)
    : program_(std::move(program)), store_(std::move(store)), random_(std::random_device{}()) {
  int ends[2];
  if (pipe2(ends, 0) != 0) throw std::runtime_error(std::string("pipe: ") + std::strerror(errno));
  read_end_ = ends[0];
  write_end_ = ends[1];
  fcntl(read_end_, F_SETFD, FD_CLOEXEC);
  fcntl(read_end_, F_SETFL, O_NONBLOCK);
  fcntl(write_end_, F_SETPIPE_SZ, 1 << 20);
  for (unsigned i = 0; i < sellers; ++i) slots_.emplace_back();
  slots_.emplace_back().inspector = true;
}

Crowd::~Crowd() {
  for (Slot& slot : slots_) {
    if (slot.pid == 0) continue;
    kill(slot.pid, SIGKILL);
    while (waitpid(slot.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  close(read_end_);
  close(write_end_);
}

void Crowd::start(Slot& slot) {
  slot.worker = next_worker_++;
  slot.started = Clock::now();
  slot.commits = 0;
  const std::string arguments[] = {program_,
                                   "worker",
                                   store_,
                                   std::to_string(slot.worker),
                                   slot.inspector ? "inspector" : "seller",
                                   std::to_string(write_end_),
                                   std::to_string(getpid())};
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
  if (pid == 0) {
    execv(program_.c_str(), pointers.data());
    _exit(127);
  }
  slot.pid = pid;
}

void Crowd::kill_one(Slot& slot) {
  if (slot.pid == 0) return;
  kill(slot.pid, SIGKILL);
  int status = 0;
  while (waitpid(slot.pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
    ++account_.kills;
  } else {
    account_.wrong.push_back("worker " + std::to_string(slot.worker) + " had ended by itself");
  }
  slot.pid = 0;
  slot.killed = true;
}

void Crowd::kill_all() {
  for (const Slot& slot : slots_) {
    if (slot.pid != 0) kill(slot.pid, SIGKILL);  // at once, then one after the other
  }
  for (Slot& slot : slots_) kill_one(slot);
  ++account_.kills_of_all;
}

// Somebody who ends without being told to has a reason, and has said it, or it crashed.
void Crowd::reap() {
  for (Slot& slot : slots_) {
    int status = 0;
    if (slot.pid == 0 || waitpid(slot.pid, &status, WNOHANG) != slot.pid) continue;
    slot.pid = 0;
    account_.wrong.push_back("worker " + std::to_string(slot.worker) + " ended by itself, " +
                             (WIFSIGNALED(status) ? "by signal " + std::to_string(WTERMSIG(status))
                                                  : "with status " + std::to_string(WEXITSTATUS(status))));
  }
}

bool Crowd::take_message() {
  Message message;
  const ssize_t got = read(read_end_, &message, sizeof message);
  if (got != sizeof message) return false;
  take(message);
  return true;
}

void Crowd::take(const Message& message) {
  const auto slot = std::find_if(slots_.begin(), slots_.end(),
                                 [&](const Slot& candidate) { return candidate.worker == message.worker; });
  account_.reads += message.reads;
  if (message.reads != 0) account_.read_nanos.add(message.read_nanos);
  switch (message.kind) {
    case Message::Kind::opened:
      account_.open_micros.add(message.micros);
      return;
    case Message::Kind::ordered:
      account_.orders[{message.worker, message.sequence}].ordered = message.version;
      account_.last_order[message.worker] = message.sequence;
      break;
    case Message::Kind::shipped: {
      Account::Acknowledged& order = account_.orders[{message.order_worker, message.order_sequence}];
      if (order.shipped != 0) {
        account_.wrong.push_back("order " + std::to_string(message.order_worker) + "/" +
                                 std::to_string(message.order_sequence) + " was shipped twice");
      }
      order.shipped = message.version;
      break;
    }
    case Message::Kind::inspected:
      ++account_.inspections;
      account_.inspected_records += message.count;
      account_.inspect_micros.add(message.micros);
      if (slot != slots_.end()) ++slot->recent;
      return;
    case Message::Kind::wrong:
      account_.wrong.push_back("worker " + std::to_string(message.worker) + ": " + message.text);
      return;
  }
  ++account_.commits;
  account_.conflicts += message.conflicts;
  account_.commit_micros.add(message.micros);
  if (slot == slots_.end()) return;
  ++slot->commits;
  ++slot->recent;
}

void Crowd::listen(Clock::time_point until) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return;
    pollfd wanted{read_end_, POLLIN, 0};
    if (poll(&wanted, 1, static_cast<int>(left)) < 0 && errno == EINTR) return;
    for (int i = 0; i < 1000 && take_message(); ++i) {
    }
  }
}

void Crowd::measure_memory() {
  for (const Slot& slot : slots_) {
    if (slot.pid == 0) continue;
    std::ifstream status("/proc/" + std::to_string(slot.pid) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmHWM:")) {
        account_.peak_process_bytes =
            std::max<std::uint64_t>(account_.peak_process_bytes, std::strtoull(line.c_str() + 6, nullptr, 10) * 1024);
      }
    }
  }
}

void Crowd::run(Clock::duration duration, const std::function<bool()>& stop, const std::function<void()>& tick) {
  constexpr std::chrono::milliseconds kTick{100};
  const auto pause = [&] { return std::chrono::milliseconds(100 + random_() % 200); };
  for (Slot& slot : slots_) start(slot);
  const Clock::time_point end = Clock::now() + duration;
  Clock::time_point next_kill = Clock::now() + std::chrono::seconds(1);
  Clock::time_point next_kill_of_all = Clock::now() + std::chrono::seconds(6);
  Clock::time_point next_tick = Clock::now() + kTick;
  while (Clock::now() < end && !stop() && account_.wrong.empty()) {
    listen(std::min({next_kill, next_tick, end}));
    const Clock::time_point now = Clock::now();
    if (now >= next_tick) {
      next_tick = now + kTick;
      reap();
      measure_memory();
      tick();
    }
    if (now >= next_kill_of_all) {
      next_kill_of_all = now + std::chrono::seconds(6);
      next_kill = now + pause();
      kill_all();
      for (Slot& slot : slots_) start(slot);
    } else if (now >= next_kill) {
      next_kill = now + pause();
      Slot& slot = slots_[random_() % slots_.size()];
      kill_one(slot);
      start(slot);
    }
  }
  kill_all();
  while (take_message()) {  // what they had said before they died
  }
}

}  // namespace demo
