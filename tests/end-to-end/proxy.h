// What stands between a store and its S3 server, and can fail as networks do: connections that are refused or cut,
// answers that are lost after the request was carried out, requests that arrive long after their sender gave up. It
// understands HTTP/1.1 as far as one request, its head and its body; answers pass as they come. And it counts.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace ingot::testing {

struct ProxiedRequest {
  std::string method;
  std::string target;        // path and query
  std::uint64_t number = 0;  // of this proxy's requests, from 1

  [[nodiscard]] bool is(const std::string& wanted_method, const std::string& part_of_target) const {
    return method == wanted_method && target.find(part_of_target) != std::string::npos;
  }
};

enum class Fate {
  pass,
  cut,          // the connection ends, and nothing is forwarded
  lose_answer,  // it is carried out, and then the connection ends
  hold,         // it is forwarded after release(), though its sender may be gone by then; so is its answer, if not
};
enum class Moment {
  came,      // read from the sender, not forwarded: what is returned is done
  answered,  // the server has answered, the sender has nothing yet: what is returned is not looked at
};

class Proxy {
 public:
  // Called by any thread, several at a time.
  using Judge = std::function<Fate(const ProxiedRequest& request, Moment moment)>;

  // `upstream`: "http://127.0.0.1:8000".
  explicit Proxy(const std::string& upstream);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  [[nodiscard]] std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }

  // Nothing: all pass.
  void judge_by(Judge judge);
  // No longer listens, and cuts all connections; then listens again, at the same port.
  void refuse();
  void accept_again();
  // Turns away, as S3 does after a quarter of an hour, what was signed so long before it is to be forwarded. Zero:
  // never.
  void accept_signatures_for(std::chrono::seconds time) { signature_window_ = time; }
  // Lets go what is held.
  void release();
  [[nodiscard]] std::uint64_t held() const;

  [[nodiscard]] std::uint64_t requests() const;
  [[nodiscard]] std::uint64_t requests(const std::string& method) const;

 private:
  struct Line {  // a connection
    int client = -1;
    int server = -1;
    std::thread thread;
    bool ended = false;
  };
  void listen();
  void accept_all(int listener);
  void serve(Line& line);
  bool relay_one(Line& line, std::string& unread);
  bool await_answer(Line& line, const ProxiedRequest& request, Fate fate, std::string& unread);
  bool is_too_late(const std::string& request) const;
  Fate judge(const ProxiedRequest& request, Moment moment);
  bool wait_for_release();
  int connect_upstream() const;

  int port_ = 0;
  int upstream_port_ = 0;
  int listener_ = -1;
  std::thread acceptor_;
  std::atomic<std::chrono::seconds> signature_window_{std::chrono::seconds(0)};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_:
  std::shared_ptr<const Judge> judge_;
  std::list<Line> lines_;
  std::map<std::string, std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t held_ = 0;
  std::uint64_t releases_ = 0;
  bool closing_ = false;
};

}  // namespace ingot::testing
