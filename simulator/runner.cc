#include "runner.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "shorten.h"

namespace ingot::simulator {

namespace {

constexpr std::uint64_t kSeedsPerWorker = 64;
constexpr std::uint64_t kFailuresInFull = 3;
constexpr unsigned kSecondsPerSeedMax = 120;  // of real time: a seed takes milliseconds
constexpr std::uint64_t kRepeatedOneIn = 25;  // seeds that are run twice, and must do the same

using Clock = std::chrono::steady_clock;

// In memory shared with the workers.
struct Progress {
  volatile std::uint64_t seed;
};

Progress* progress_of_this_worker = nullptr;

extern "C" void on_crash(int signal) {
  char line[128];
  const int length = std::snprintf(line, sizeof line, "seed %llu: signal %d%s; its last steps:\n",
                                   static_cast<unsigned long long>(progress_of_this_worker->seed), signal,
                                   signal == SIGALRM ? " (no end)" : "");
  if (write(STDERR_FILENO, line, static_cast<std::size_t>(length)) > 0) {
    if (const Trace* trace = running_trace(); trace != nullptr) trace->write_tail(STDERR_FILENO, 60);
  }
  std::signal(signal, SIG_DFL);
  raise(signal);
}

void catch_crashes() {
  static char stack[64 << 10];
  stack_t alternative{};
  alternative.ss_sp = stack;
  alternative.ss_size = sizeof stack;
  sigaltstack(&alternative, nullptr);
  struct sigaction action {};
  action.sa_handler = &on_crash;
  action.sa_flags = SA_ONSTACK | SA_NODEFER;
  for (const int signal : {SIGABRT, SIGALRM, SIGFPE, SIGILL}) sigaction(signal, &action, nullptr);
#ifndef INGOT_SIMULATOR_ASAN  // which has more to say about these
  for (const int signal : {SIGSEGV, SIGBUS}) sigaction(signal, &action, nullptr);
#endif
}

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = write(descriptor, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) _exit(3);
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

// A message is one line; the newlines in it are carried as form feeds.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', '\f');
  return text;
}

SeedResult run_checked(const Scenario& scenario, std::uint64_t seed, const Choices& leave_out, Report& report) {
  Choices choices = leave_out;
  SeedResult result = run_seed(scenario, seed, nullptr, report, choices);
  if (result.failure.empty() && seed % kRepeatedOneIn == 0) {
    Report unused;
    choices = leave_out;
    const SeedResult again = run_seed(scenario, seed, nullptr, unused, choices);
    if (again.hash != result.hash) result.failure = "run twice, it did not do the same: something is not deterministic";
  }
  return result;
}

[[noreturn]] void work(const Scenario& scenario, std::uint64_t first, std::uint64_t count, const Choices& leave_out,
                       int output, Progress& progress) {
  progress_of_this_worker = &progress;
  catch_crashes();
  Report report;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    progress.seed = seed;
    alarm(kSecondsPerSeedMax);
    const SeedResult result = run_checked(scenario, seed, leave_out, report);
    alarm(0);
    char line[96];
    std::snprintf(line, sizeof line, "%s\t%" PRIu64 "\t%016" PRIx64 "\t", result.failure.empty() ? "pass" : "fail",
                  seed, result.hash);
    write_all(output, line + one_line(result.failure + "\n" + result.last_steps) + "\n");
  }
  write_all(output, report.serialise());
  write_all(output, "end\n");
  std::fflush(stdout);
  _exit(0);
}

struct Worker {
  pid_t pid = 0;
  int input = -1;
  std::uint64_t next = 0;  // the first seed that it has not told of
  std::uint64_t end = 0;
  bool finished = false;
  std::string buffer;
  Progress* progress = nullptr;
};

class Run {
 public:
  Run(const Scenario& scenario, const RunOptions& options) : scenario_(scenario), options_(options) {}

  RunCounts run();

 private:
  struct Range {
    std::uint64_t first;
    std::uint64_t end;
  };

  bool more() const { return !again_.empty() || (next_ < options_.seeds && !out_of_time()); }
  bool out_of_time() const {
    return options_.hours > 0 && std::chrono::duration<double>(Clock::now() - start_).count() > options_.hours * 3600;
  }
  void start_worker();
  bool read_some(Worker& worker);
  void take_line(Worker& worker, const std::string& line);
  void reap(Worker& worker);
  void failed(std::uint64_t seed, const std::string& why);

  const Scenario& scenario_;
  const RunOptions& options_;
  Clock::time_point start_ = Clock::now();
  std::uint64_t next_ = 0;    // offset from the first seed
  std::vector<Range> again_;  // what crashed workers have left over
  std::vector<Worker> workers_;
  std::uint64_t passed_ = 0;
  std::uint64_t failed_ = 0;
  Report report_;
};

void Run::start_worker() {
  Range range{};
  if (!again_.empty()) {
    range = again_.back();
    again_.pop_back();
  } else {
    const std::uint64_t share = std::max<std::uint64_t>(1, options_.seeds / options_.jobs);
    const std::uint64_t count = std::min({kSeedsPerWorker, share, options_.seeds - next_});
    range = {options_.first_seed + next_, options_.first_seed + next_ + count};
    next_ += count;
  }
  int ends[2];
  void* shared = mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED || pipe(ends) != 0) {
    std::perror("ingot-simulator: cannot start a worker");
    std::exit(3);
  }
  std::fflush(stdout);
  auto* progress = static_cast<Progress*>(shared);
  progress->seed = range.first;
  const pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    work(scenario_, range.first, range.end - range.first, options_.leave_out, ends[1], *progress);
  }
  close(ends[1]);
  if (pid < 0) {
    std::perror("ingot-simulator: cannot start a worker");
    std::exit(3);
  }
  workers_.push_back({pid, ends[0], range.first, range.end, false, {}, progress});
}

void Run::failed(std::uint64_t seed, const std::string& why) {
  ++failed_;
  const std::string again = "ingot-simulator --scenario " + std::string(scenario_.name) + " --first-seed " +
                            std::to_string(seed) + " --seeds 1 --trace" + options_.repeat_with;
  std::printf("seed %" PRIu64 " failed: %s\n", seed, why.substr(0, why.find('\n')).c_str());
  if (failed_ > kFailuresInFull) return;
  std::printf("again: %s\n", again.c_str());
  std::fflush(stdout);
  const Shortened shortened = options_.shortens ? shorten_seed(scenario_, seed, options_.leave_out) : Shortened();
  if (shortened.story.empty()) {
    std::printf("%s\n\n", why.c_str());
  } else {
    std::printf("%s\nthe shorter one: %s --leave-out '%s'\n\n", shortened.story.c_str(), again.c_str(),
                shortened.choices.text().c_str());
  }
  std::fflush(stdout);
}

void Run::take_line(Worker& worker, const std::string& line) {
  if (line == "end") {
    worker.finished = true;
    return;
  }
  if (line.rfind("pass\t", 0) != 0 && line.rfind("fail\t", 0) != 0) {
    report_.take(line);
    return;
  }
  const std::uint64_t seed = std::strtoull(line.c_str() + 5, nullptr, 10);
  const std::size_t hash = line.find('\t', 5) + 1;
  worker.next = seed + 1;
  if (options_.print_hashes) std::printf("%" PRIu64 " %s\n", seed, line.substr(hash, 16).c_str());
  if (line[0] == 'p') {
    ++passed_;
    return;
  }
  std::string why = line.substr(line.find('\t', hash) + 1);
  std::replace(why.begin(), why.end(), '\f', '\n');
  failed(seed, why);
}

bool Run::read_some(Worker& worker) {
  char bytes[1 << 16];
  const ssize_t got = read(worker.input, bytes, sizeof bytes);
  if (got < 0 && errno == EINTR) return true;
  if (got <= 0) return false;
  worker.buffer.append(bytes, static_cast<std::size_t>(got));
  std::size_t start = 0;
  for (std::size_t end = 0; (end = worker.buffer.find('\n', start)) != std::string::npos; start = end + 1) {
    take_line(worker, worker.buffer.substr(start, end - start));
  }
  worker.buffer.erase(0, start);
  return true;
}

void Run::reap(Worker& worker) {
  close(worker.input);
  int status = 0;
  while (waitpid(worker.pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!worker.finished) {
    const std::uint64_t seed = worker.progress->seed;
    failed(seed, WIFSIGNALED(status) ? std::string("crashed: ") + strsignal(WTERMSIG(status)) : "its worker ended");
    if (seed + 1 < worker.end) again_.push_back({seed + 1, worker.end});
  }
  munmap(worker.progress, sizeof(Progress));
}

RunCounts Run::run() {
  const std::uint64_t jobs = options_.jobs;
  while (more() || !workers_.empty()) {
    while (workers_.size() < jobs && more()) start_worker();
    std::vector<pollfd> waits;
    for (const Worker& worker : workers_) waits.push_back({worker.input, POLLIN, 0});
    if (poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) {
      std::perror("ingot-simulator: poll");
      std::exit(3);
    }
    for (std::size_t i = waits.size(); i-- > 0;) {
      if (waits[i].revents == 0 || read_some(workers_[i])) continue;
      reap(workers_[i]);
      workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  std::printf("scenario %s: %.1f s, %s", scenario_.name, seconds, report_.text().c_str());
  std::printf("%" PRIu64 " passed, %" PRIu64 " failed\n", passed_, failed_);
  std::fflush(stdout);
  return {passed_, failed_};
}

// With their traces, in this process: for a person, and a debugger.
RunCounts print_seeds(const Scenario& scenario, const RunOptions& options) {
  std::uint64_t failed = 0;
  for (std::uint64_t seed = options.first_seed; seed < options.first_seed + options.seeds; ++seed) {
    Report report;
    Choices choices = options.leave_out;
    const SeedResult result = run_seed(scenario, seed, stdout, report, choices);
    std::printf("seed %" PRIu64 ": hash %016" PRIx64 ", %s\n%s", seed, result.hash,
                result.failure.empty() ? "passed" : ("failed: " + result.failure).c_str(), report.text().c_str());
    if (!result.failure.empty()) ++failed;
  }
  std::printf("%" PRIu64 " passed, %" PRIu64 " failed\n", options.seeds - failed, failed);
  return {options.seeds - failed, failed};
}

}  // namespace

RunCounts run_seeds(const Scenario& scenario, const RunOptions& options) {
  if (options.print_trace) return print_seeds(scenario, options);
  Run run(scenario, options);
  return run.run();
}

}  // namespace ingot::simulator
