#include "shorten.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace ingot::simulator {

namespace {

constexpr std::uint64_t kTriesMax = 1000;
constexpr auto kTimeMax = std::chrono::seconds(60);
constexpr unsigned kSecondsPerTryMax = 30;

// What a child tells, in memory that it shares.
struct Told {
  bool ended = false;
  Choices::Counts counts;
  std::array<char, 16 << 10> failure{};
  std::array<char, 16 << 10> last_steps{};
};

void tell(std::array<char, 16 << 10>& to, const std::string& text) {
  std::memcpy(to.data(), text.data(), std::min(text.size(), to.size() - 1));
}

class Runs {
 public:
  Runs(const Scenario& scenario, std::uint64_t seed) : scenario_(scenario), seed_(seed) {
    void* shared = mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared != MAP_FAILED) told_ = static_cast<Told*>(shared);
  }
  ~Runs() {
    if (told_ != nullptr) munmap(told_, sizeof(Told));
  }
  Runs(const Runs&) = delete;
  Runs& operator=(const Runs&) = delete;

  // What it failed with; empty: it passed.
  std::string run(Choices& choices) {
    if (told_ == nullptr) return {};
    *told_ = Told();
    std::fflush(stdout);
    const pid_t child = fork();
    if (child < 0) return {};
    if (child == 0) run_here(choices);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!told_->ended) {
      return WIFSIGNALED(status) ? std::string("crashed: ") + strsignal(WTERMSIG(status)) : "its process ended";
    }
    choices.set_counts(told_->counts);
    return told_->failure.data();
  }
  [[nodiscard]] std::string last_steps() const { return told_ == nullptr ? "" : told_->last_steps.data(); }

 private:
  [[noreturn]] void run_here(Choices& choices) {
    for (const int signal : {SIGABRT, SIGALRM, SIGSEGV, SIGBUS}) std::signal(signal, SIG_DFL);
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
    alarm(kSecondsPerTryMax);
    Report report;
    const SeedResult result = run_seed(scenario_, seed_, nullptr, report, choices);
    tell(told_->failure, result.failure);
    tell(told_->last_steps, result.last_steps);
    told_->counts = choices.counts();
    told_->ended = true;
    _exit(0);
  }

  const Scenario& scenario_;
  const std::uint64_t seed_;
  Told* told_ = nullptr;
};

// What two failures must have in common to be the same: their first words, without numbers and names.
std::string signature(const std::string& failure) {
  std::string words;
  for (const char c : failure.substr(0, 160)) {
    if (c == '(') break;
    if (std::isalpha(static_cast<unsigned char>(c)) != 0 || c == ' ') words.push_back(c);
  }
  return words.substr(0, 60);
}

}  // namespace

Shortened shorten_seed(const Scenario& scenario, std::uint64_t seed, const Choices& leave_out) {
  Runs runs(scenario, seed);
  Choices whole = leave_out.anew();
  const std::string failure = runs.run(whole);
  if (failure.empty()) return {};
  const std::string sign = signature(failure);
  const auto end = std::chrono::steady_clock::now() + kTimeMax;
  std::uint64_t tries = 0;
  const Choices before = whole;
  Choices shorter = shorten(
      whole,
      [&](Choices& candidate) {
        if (std::chrono::steady_clock::now() > end) return false;
        ++tries;
        return signature(runs.run(candidate)) == sign;
      },
      kTriesMax);
  Shortened result;
  result.choices = shorter;
  Choices again = shorter.anew();
  result.story = runs.run(again) + "\n";
  result.story += runs.last_steps() + "shortened in " + std::to_string(tries) + " tries:";
  static constexpr std::array<const char*, Choices::kKinds> kNames = {"events", "processes", "steps", "faults"};
  for (std::size_t kind = 0; kind < Choices::kKinds; ++kind) {
    const auto of = static_cast<Optional>(kind);
    result.story += std::string(kind == 0 ? " " : ", ") + kNames[kind] + " " + std::to_string(before.taken(of)) +
                    " -> " + std::to_string(again.taken(of));
  }
  return result;
}

}  // namespace ingot::simulator
