// The socket that the fake S3 server accepts connections on, on 127.0.0.1. It can refuse them for a while: a second
// socket, which never listens, keeps the port its own meanwhile.
//
// Threads: `accept` from one; the others from any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>

namespace ingot::fake_s3 {

class Listener {
 public:
  explicit Listener(std::uint16_t port);  ///< throws std::system_error
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Waits for a connection: its socket. -1: it was stopped.
  int accept();
  /// Returns when connections are refused. Nothing: until `listen`.
  void refuse(std::optional<std::chrono::milliseconds> lasts);
  /// Returns when they are accepted.
  void listen();
  void stop();

 private:
  enum class State : std::uint8_t { listening, refusing, stopped };
  void change(State state, std::optional<std::chrono::steady_clock::time_point> until);
  bool settle(std::optional<std::chrono::steady_clock::time_point>& until);

  std::uint16_t port_ = 0;
  int placeholder_ = -1;
  int socket_ = -1;  // of the accepting thread; -1: none
  int wake_ = -1;
  std::mutex mutex_;
  std::condition_variable settled_;
  State wanted_ = State::listening;
  State is_ = State::listening;
  std::optional<std::chrono::steady_clock::time_point> until_;  // of refusing
};

}  // namespace ingot::fake_s3
