// See crew.h.
#include "crew.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <new>
#include <numeric>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <unordered_set>

#include "../data.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

enum class Phase : int { open, warm, measure, over };

// One thread's.
struct Lane {
  std::atomic<std::uint64_t> acknowledged{0};
  std::uint64_t measured = 0;
  Histogram latency;
};

// Of a store's statistics, what can lie in shared memory.
struct Counts {
  std::uint64_t groups = 0;
  ingot::BucketStats bucket;
};

// One process's.
struct Seat {
  std::atomic<bool> is_ready{false};
  Counts before;
  Counts after;
  std::array<char, 512> error{};
  std::array<Lane, kCrewThreadsMax> lanes;
};

struct Board {
  std::atomic<Phase> phase{Phase::open};
  std::array<Seat, kCrewProcessesMax> seats;
};

class SharedBoard {
 public:
  SharedBoard() {
    void* memory = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    board_ = new (memory) Board;
  }
  SharedBoard(const SharedBoard&) = delete;
  SharedBoard& operator=(const SharedBoard&) = delete;
  ~SharedBoard() { ::munmap(board_, sizeof(Board)); }
  Board* operator->() { return board_; }
  Board& operator*() { return *board_; }

 private:
  Board* board_ = nullptr;
};

void nap() {
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

// Below data.h's kAbsentFrom.
std::uint64_t index_of(std::uint64_t lane, std::uint64_t number) {
  return (lane << 28U) + number;
}

const ingot::Space& records() {
  static const ingot::Space space("records");
  return space;
}

void write_records(ingot::Store& store, const Board& board, Lane& lane, std::uint64_t lane_number) {
  for (std::uint64_t number = 0; board.phase.load() != Phase::over; ++number) {
    const Key key = key_of(index_of(lane_number, number));
    ValueBytes value;
    make_value(view(key), 0, value);
    const Clock::time_point begin = Clock::now();
    store.transact([&](ingot::Transaction& tx) { records().put(tx, view(key), view(value)); });
    const Clock::time_point end = Clock::now();
    lane.acknowledged.store(number + 1);
    if (board.phase.load() != Phase::measure) continue;
    ++lane.measured;
    lane.latency.add(
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(end - begin).count()));
  }
}

void note_error(Seat& seat, const char* what) {
  std::strncpy(seat.error.data(), what, seat.error.size() - 1);
}

Counts counts_of(const ingot::Store& store) {
  const ingot::Stats stats = store.stats();
  return {stats.groups, stats.bucket};
}

void serve(const CrewPlan& plan, Board& board, unsigned number) {
  Seat& seat = board.seats[number];
  ingot::Store store = ingot::open(plan.where, {.cache_directory = "none"});
  seat.is_ready = true;
  while (board.phase.load() == Phase::open) nap();
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < plan.threads; ++i) {
    threads.emplace_back([&, i] {
      try {
        write_records(store, board, seat.lanes[i], number * plan.threads + i);
      } catch (const std::exception& failure) {
        note_error(seat, failure.what());
      }
    });
  }
  while (board.phase.load() == Phase::warm) nap();
  seat.before = counts_of(store);
  while (board.phase.load() == Phase::measure) nap();
  seat.after = counts_of(store);
  for (std::thread& thread : threads) thread.join();
  store.close();
}

class Crew {
 public:
  Crew(const CrewPlan& plan, Board& board) : board_(board) {
    for (unsigned i = 0; i < plan.processes; ++i) {
      const pid_t child = ::fork();
      if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
      if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        try {
          serve(plan, board, i);
        } catch (const std::exception& failure) {
          note_error(board.seats[i], failure.what());
        }
        ::_exit(0);
      }
      children_.push_back(child);
    }
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew() {
    kill();
    reap();
  }

  void kill() {
    for (const pid_t child : children_) ::kill(child, SIGKILL);
  }

  void reap() {
    for (const pid_t child : children_) {
      while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
    children_.clear();
  }

  void check() const {
    for (const Seat& seat : board_.seats) {
      if (seat.error[0] != '\0') throw std::runtime_error(std::string("a writer: ") + seat.error.data());
    }
  }

  void sleep(double seconds) const {
    const Clock::time_point until =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    while (Clock::now() < until) {
      check();
      nap();
    }
  }

 private:
  Board& board_;
  std::vector<pid_t> children_;
};

void add_difference(ingot::BucketStats& sum, const ingot::BucketStats& before, const ingot::BucketStats& after) {
  sum.puts += after.puts - before.puts;
  sum.gets += after.gets - before.gets;
  sum.lists += after.lists - before.lists;
  sum.removes += after.removes - before.removes;
  sum.bytes_sent += after.bytes_sent - before.bytes_sent;
  sum.bytes_received += after.bytes_received - before.bytes_received;
  sum.undecided += after.undecided - before.undecided;
  sum.throttled += after.throttled - before.throttled;
  sum.lost_races += after.lost_races - before.lost_races;
  sum.hedged += after.hedged - before.hedged;
  sum.dollars += after.dollars - before.dollars;
}

}  // namespace

std::uint64_t CrewResult::total() const {
  return std::accumulate(commits.begin(), commits.end(), std::uint64_t{0});
}

CrewResult run_crew(const CrewPlan& plan) {
  if (plan.processes > kCrewProcessesMax || plan.threads > kCrewThreadsMax)
    throw std::runtime_error("too many writers");
  SharedBoard board;
  Crew crew(plan, *board);
  const auto everybody = [&](auto&& is_so) {
    for (unsigned i = 0; i < plan.processes; ++i) {
      while (!is_so(board->seats[i])) crew.sleep(0.001);
    }
  };
  everybody([](const Seat& seat) { return seat.is_ready.load(); });
  board->phase = Phase::warm;
  crew.sleep(plan.warmup_seconds);
  const Clock::time_point begin = Clock::now();
  board->phase = Phase::measure;
  crew.sleep(plan.seconds);
  if (plan.is_killed) {
    crew.kill();
  } else {
    board->phase = Phase::over;
  }
  CrewResult result;
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  crew.reap();
  crew.check();
  for (unsigned i = 0; i < plan.processes; ++i) {
    Seat& seat = board->seats[i];
    std::uint64_t commits = 0;
    for (unsigned j = 0; j < plan.threads; ++j) {
      commits += seat.lanes[j].measured;
      result.latency.add(seat.lanes[j].latency);
      result.acknowledged.push_back(seat.lanes[j].acknowledged.load());
    }
    result.commits.push_back(commits);
    if (plan.is_killed) continue;
    add_difference(result.requests, seat.before.bucket, seat.after.bucket);
    result.groups += seat.after.groups - seat.before.groups;
  }
  return result;
}

std::uint64_t verify_crew(const ingot::Store& store, const std::vector<std::uint64_t>& acknowledged) {
  std::unordered_set<std::string> there;
  ingot::Scan scan = records().scan(store);
  while (scan.next()) {
    if (!is_whole(scan.key(), scan.value())) throw std::runtime_error("a record that was read is not whole");
    there.emplace(scan.key());
  }
  const std::uint64_t count = there.size();
  for (std::uint64_t lane = 0; lane < acknowledged.size(); ++lane) {
    for (std::uint64_t number = 0; number < acknowledged[lane]; ++number) {
      const Key key = key_of(index_of(lane, number));
      if (there.erase(std::string(view(key))) == 0) throw std::runtime_error("an acknowledged commit is not there");
    }
    const Key next = key_of(index_of(lane, acknowledged[lane]));
    there.erase(std::string(view(next)));
  }
  if (!there.empty()) throw std::runtime_error("there are records that nobody wrote");
  return count;
}

}  // namespace bench
