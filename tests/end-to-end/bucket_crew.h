// Historians as machines that share a store in a bucket, each behind a proxy of its own, and what is done to them: they
// are killed and stopped, at any moment and at those that matter, their answers are lost, their requests come late, the
// bucket is away. Afterwards all that they were told and saw is judged.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "child.h"
#include "proxy.h"
#include "support/temporary_directory.h"

namespace ingot::testing {

// What happened, over all crews.
struct BucketTally {
  std::map<std::string, std::uint64_t> kills;  // by kind
  std::map<std::string, std::uint64_t> other;  // stops and faults of the network, by kind
  std::uint64_t misses = 0;                    // nobody came to the place in time
  std::uint64_t stores = 0;
  std::uint64_t transactions = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t unknown = 0;
  std::uint64_t lost = 0;
  std::uint64_t asked_kept = 0;  // had to be asked about, and was there
  std::uint64_t asked_not = 0;   // … was not
  std::uint64_t swept = 0;       // boundaries below which all was deleted
  std::vector<std::uint64_t> open_micros;
  std::vector<std::uint64_t> open_requests;

  [[nodiscard]] std::uint64_t all_kills() const;
  [[nodiscard]] std::vector<std::string> missing() const;
  void print() const;
};

// A request of a machine, and when it is struck.
struct RequestPlace {
  const char* name;
  const char* method;
  const char* target;  // a part of it
  Moment moment;
};

class BucketCrew {
 public:
  // `store`: where it is, "s3://…". `upstream`: the server. `day`: the grace period before something is deleted, which
  // else is a day: then all else is as much shorter, and some sleep longer than that.
  BucketCrew(std::uint64_t seed, BucketTally& tally, std::string store, std::string upstream,
             std::chrono::seconds day = std::chrono::hours(24));
  ~BucketCrew();
  // Every kind of harm at least once, in random order; or some `count` of them.
  void suffer(std::size_t count = ~std::size_t{0});
  // Ends them, and checks everything.
  void judge();

 private:
  struct Machine {
    std::unique_ptr<Proxy> proxy;
    std::unique_ptr<Child> child;
  };
  struct Strike {
    RequestPlace place;
    int signal;
    int countdown;                    // 0: it has happened
    Fate fate;                        // of the request at which it does, if it came and is not answered
    std::optional<std::size_t> only;  // this machine's
    std::optional<std::size_t> victim;
  };

  void start(std::size_t index);
  void bury(std::size_t index, const std::string& kind);
  void leave(std::size_t index);
  void hear(Child& child);
  Fate on_request(std::size_t index, const ProxiedRequest& request, Moment moment);
  void arm(const RequestPlace& place, int signal, int countdown, std::optional<std::size_t> only = std::nullopt);
  std::optional<std::size_t> struck(std::chrono::milliseconds patience);
  std::size_t anyone() { return below(machines_.size()); }
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  void sleep(int from_millis, int to_millis);

  void kill_one();
  void kill_all();
  void kill_at(const RequestPlace& place);
  void kill_openers();
  void stop_one();
  void stop_at(const RequestPlace& place);
  void harm_puts(Fate fate, const char* kind);
  void take_bucket_away();
  void sleep_long();

  BucketTally& tally_;
  const std::uint64_t seed_;
  std::mt19937_64 random_;
  const std::string store_;
  const std::string upstream_;
  const std::chrono::seconds day_;
  TemporaryDirectory directory_;
  std::vector<std::string> files_;
  std::vector<Machine> machines_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_:
  std::vector<pid_t> pids_;
  std::vector<Fate> fates_;  // of each machine's puts to the log
  std::optional<Strike> strike_;
};

}  // namespace ingot::testing
