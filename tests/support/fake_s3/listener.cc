#include "support/fake_s3/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace ingot::fake_s3 {

namespace {

constexpr int kBacklog = 512;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// Bound to 127.0.0.1 and the port, beside others of ours.
int bound_socket(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) fail("socket");
  constexpr int kOn = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &kOn, sizeof(kOn));
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &kOn, sizeof(kOn));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(socket);
    fail("bind to 127.0.0.1");
  }
  return socket;
}

int listening_socket(std::uint16_t port) {
  const int socket = bound_socket(port);
  if (::listen(socket, kBacklog) != 0) fail("listen");
  return socket;
}

std::uint16_t port_of(int socket) {
  sockaddr_in address{};
  socklen_t bytes = sizeof(address);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &bytes) != 0) fail("getsockname");
  return ntohs(address.sin_port);
}

}  // namespace

Listener::Listener(std::uint16_t port) {
  // SO_REUSEPORT would let us share a port that a listener of the same user has; so look first.
  if (port != 0) {
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool taken = ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    ::close(probe);
    if (taken) throw std::system_error(EADDRINUSE, std::generic_category(), "bind to 127.0.0.1");
  }
  placeholder_ = bound_socket(port);
  port_ = port_of(placeholder_);
  socket_ = listening_socket(port_);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_ < 0) fail("eventfd");
}

Listener::~Listener() {
  for (const int descriptor : {placeholder_, socket_, wake_}) {
    if (descriptor >= 0) ::close(descriptor);
  }
}

// Makes it as it is wanted. False: stopped. From the accepting thread.
bool Listener::settle(std::optional<std::chrono::steady_clock::time_point>& until) {
  const std::lock_guard lock(mutex_);
  if (wanted_ == State::refusing && until_ && std::chrono::steady_clock::now() >= *until_) wanted_ = State::listening;
  if (wanted_ == State::listening && socket_ < 0) socket_ = listening_socket(port_);
  if (wanted_ != State::listening && socket_ >= 0) {
    ::close(socket_);
    socket_ = -1;
  }
  until = wanted_ == State::refusing ? until_ : std::nullopt;
  is_ = wanted_;
  settled_.notify_all();
  return is_ != State::stopped;
}

int Listener::accept() {
  for (;;) {
    std::optional<std::chrono::steady_clock::time_point> until;
    if (!settle(until)) return -1;
    int patience = -1;
    if (until) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - std::chrono::steady_clock::now());
      patience = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1000));
    }
    pollfd waited[2] = {{wake_, POLLIN, 0}, {socket_, POLLIN, 0}};
    ::poll(waited, socket_ < 0 ? 1 : 2, patience);
    if (waited[0].revents != 0) {
      eventfd_t ignored = 0;
      ::eventfd_read(wake_, &ignored);
      continue;
    }
    if (socket_ < 0 || waited[1].revents == 0) continue;
    const int connection = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) {
      ::usleep(1000);  // no descriptors left, say
      continue;
    }
    constexpr int kOn = 1;
    ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &kOn, sizeof(kOn));
    return connection;
  }
}

void Listener::change(State state, std::optional<std::chrono::steady_clock::time_point> until) {
  std::unique_lock lock(mutex_);
  if (wanted_ == State::stopped) return;
  wanted_ = state;
  until_ = until;
  ::eventfd_write(wake_, 1);
  settled_.wait(lock, [&] { return is_ == state || wanted_ != state; });
}

void Listener::refuse(std::optional<std::chrono::milliseconds> lasts) {
  change(State::refusing, lasts ? std::optional(std::chrono::steady_clock::now() + *lasts) : std::nullopt);
}

void Listener::listen() {
  change(State::listening, {});
}

void Listener::stop() {
  change(State::stopped, {});
}

}  // namespace ingot::fake_s3
