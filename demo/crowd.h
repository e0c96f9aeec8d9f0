// The workers, and who kills them. Collects what they acknowledged.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "message.h"
#include "shop.h"

namespace demo {

using Clock = std::chrono::steady_clock;

// Times in buckets an eighth of a power of two wide: enough for percentiles.
class Histogram {
 public:
  void add(std::uint64_t value) {
    ++buckets_[bucket(value)];
    ++count_;
    max_ = std::max(max_, value);
  }
  // The value that `share` (0 … 1) of all do not exceed, within an eighth.
  [[nodiscard]] std::uint64_t at(double share) const;
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t max() const { return max_; }

 private:
  static std::size_t bucket(std::uint64_t value);
  std::array<std::uint64_t, 512> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

// What the workers said.
struct Account {
  struct Acknowledged {
    ingot::Version ordered = 0;
    ingot::Version shipped = 0;
  };
  std::map<OrderId, Acknowledged> orders;
  std::map<std::uint32_t, std::uint64_t> last_order;  // by worker: the newest that was acknowledged
  std::vector<std::string> wrong;
  std::uint64_t commits = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t reads = 0;
  std::uint64_t inspections = 0;
  std::uint64_t inspected_records = 0;
  std::uint64_t kills = 0;
  std::uint64_t kills_of_all = 0;
  std::uint64_t peak_process_bytes = 0;
  Histogram commit_micros;
  Histogram read_nanos;
  Histogram open_micros;
  Histogram inspect_micros;
};

// One place for a worker: when its process is killed, the next one takes it.
struct Slot {
  bool inspector = false;
  pid_t pid = 0;
  std::uint32_t worker = 0;
  Clock::time_point started{};
  std::uint64_t commits = 0;  // since it started
  std::uint64_t recent = 0;   // since the panel last looked
  bool killed = false;        // since the panel last looked
};

class Crowd {
 public:
  Crowd(std::string program, std::string store, unsigned sellers);
  ~Crowd();  // kills and reaps all of it
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  // Lets them work for `duration`, and kills one of them again and again; calls `tick` every 100 ms. Ends early when
  // `stop` says so. Everybody is dead at the end.
  void run(Clock::duration duration, const std::function<bool()>& stop, const std::function<void()>& tick);

  [[nodiscard]] const Account& account() const { return account_; }
  [[nodiscard]] std::vector<Slot>& slots() { return slots_; }
  [[nodiscard]] const std::vector<Slot>& slots() const { return slots_; }

 private:
  void start(Slot& slot);
  void kill_one(Slot& slot);
  void kill_all();
  void listen(Clock::time_point until);
  bool take_message();
  void take(const Message& message);
  void reap();
  void measure_memory();

  std::string program_;
  std::string store_;
  std::vector<Slot> slots_;
  int read_end_ = -1;
  int write_end_ = -1;
  std::uint32_t next_worker_ = 1;
  std::mt19937_64 random_;
  Account account_;
};

}  // namespace demo
