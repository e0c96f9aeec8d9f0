// The parts of the fake S3 server, put together.
//
// Threads: one accepts, each connection has one, and those of the test come through Server.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "support/fake_s3.h"
#include "support/fake_s3/gate.h"
#include "support/fake_s3/listener.h"
#include "support/fake_s3/service.h"

namespace ingot::fake_s3 {

/// The server's clock, and those of the servers that it pretends to be.
class Clock {
 public:
  void set_offset(std::chrono::seconds offset) { offset_ = offset.count(); }
  void set_skews(std::vector<std::chrono::seconds> skews);
  /// As the server shows it that a connection is with; connections are numbered.
  [[nodiscard]] Seconds now(std::uint64_t connection) const;
  [[nodiscard]] Seconds now() const;

 private:
  std::atomic<std::int64_t> offset_{0};
  mutable std::mutex mutex_;
  std::vector<std::chrono::seconds> skews_;
};

struct Machine {
  explicit Machine(Options options_);
  ~Machine() { stop(); }
  void stop();
  void hang_up();
  void set_outage(Outage outage, std::optional<std::chrono::milliseconds> lasts);
  [[nodiscard]] Behaviour behaviour() const;
  void set_behaviour(const Behaviour& behaviour);

  const Options options;
  const std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
  Clock clock;
  Objects objects;
  Keys keys;
  Faults faults;
  Journal journal;
  LatencyDice latency;
  Gate gate;
  Service service{objects, keys, options.region};
  Listener listener;
  std::atomic<std::uint64_t> requests{0};

 private:
  // A connection and its thread.
  struct Line {
    explicit Line(int socket) : stream(socket) {}
    Stream stream;
    std::atomic<bool> is_over{false};
    std::thread thread;
  };
  void run();
  void reap();

  mutable std::mutex behaviour_mutex_;
  Behaviour behaviour_;
  std::mutex lines_mutex_;
  std::list<std::unique_ptr<Line>> lines_;
  std::mutex stop_mutex_;
  std::thread acceptor_;  // last: it uses all the others
};

}  // namespace ingot::fake_s3
