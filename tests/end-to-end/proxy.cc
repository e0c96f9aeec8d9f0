#include "proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>
#include <stdexcept>

namespace ingot::testing {

namespace {

constexpr std::size_t kChunkBytes = 256 << 10;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

void do_not_gather(int socket) {
  const int yes = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

// False: it is gone.
bool send_all(int socket, const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t count = ::send(socket, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    at += static_cast<std::size_t>(count);
  }
  return true;
}

// False: the end, of whatever kind.
bool receive(int socket, std::string& to) {
  std::string chunk(kChunkBytes, '\0');
  for (;;) {
    const ssize_t count = ::recv(socket, chunk.data(), chunk.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    to.append(chunk, 0, static_cast<std::size_t>(count));
    return true;
  }
}

std::string in_lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// Of a request whose head is whole; empty if it is not there. `name` in lower case.
std::string header_of(const std::string& request, const std::string& name) {
  const std::string lower = in_lower_case(request.substr(0, request.find("\r\n\r\n") + 2));
  std::size_t begin = lower.find("\r\n" + name + ":");
  if (begin == std::string::npos) return "";
  begin = lower.find_first_not_of(' ', begin + name.size() + 3);
  return request.substr(begin, lower.find("\r\n", begin) - begin);
}

// How many bytes the request at the beginning of `bytes` has; nothing: its head is not whole yet.
std::optional<std::size_t> request_bytes(const std::string& bytes) {
  const std::size_t head = bytes.find("\r\n\r\n");
  if (head == std::string::npos) return std::nullopt;
  const std::string length = header_of(bytes, "content-length");
  return head + 4 + (length.empty() ? 0 : std::stoull(length));
}

std::string too_late() {
  const std::string body = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
  const std::time_t now = std::time(nullptr);
  char date[64];
  std::tm time{};
  (void)std::strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", ::gmtime_r(&now, &time));
  return std::string("HTTP/1.1 403 Forbidden\r\nDate: ") + date + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

}  // namespace

Proxy::Proxy(const std::string& upstream) : upstream_port_(std::stoi(upstream.substr(upstream.rfind(':') + 1))) {
  listen();
}

Proxy::~Proxy() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    changed_.notify_all();
  }
  refuse();
  for (Line& line : lines_) line.thread.join();
}

void Proxy::listen() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address = loopback(port_);
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 128) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error(std::string("the proxy can't listen: ") + std::strerror(errno));
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this, listener = listener_] { accept_all(listener); });
}

void Proxy::accept_all(int listener) {
  for (;;) {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (client < 0) return;
    do_not_gather(client);
    const std::lock_guard lock(mutex_);
    for (auto line = lines_.begin(); line != lines_.end();) {
      if (!line->ended) {
        ++line;
        continue;
      }
      line->thread.join();
      line = lines_.erase(line);
    }
    Line& line = lines_.emplace_back();
    line.client = client;
    line.thread = std::thread([this, &line] { serve(line); });
  }
}

void Proxy::refuse() {
  if (listener_ < 0) return;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  listener_ = -1;
  const std::lock_guard lock(mutex_);
  for (const Line& line : lines_) {
    if (line.ended) continue;
    ::shutdown(line.client, SHUT_RDWR);
    if (line.server >= 0) ::shutdown(line.server, SHUT_RDWR);
  }
}

void Proxy::accept_again() {
  if (listener_ < 0) listen();
}

void Proxy::judge_by(Judge judge) {
  const std::lock_guard lock(mutex_);
  judge_ = judge ? std::make_shared<const Judge>(std::move(judge)) : nullptr;
}

void Proxy::release() {
  const std::lock_guard lock(mutex_);
  ++releases_;
  changed_.notify_all();
}

std::uint64_t Proxy::held() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

std::uint64_t Proxy::requests() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

std::uint64_t Proxy::requests(const std::string& method) const {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(method);
  return found == counts_.end() ? 0 : found->second;
}

Fate Proxy::judge(const ProxiedRequest& request, Moment moment) {
  std::shared_ptr<const Judge> judge;
  {
    const std::lock_guard lock(mutex_);
    judge = judge_;
  }
  return judge == nullptr ? Fate::pass : (*judge)(request, moment);
}

// False: the proxy ends.
bool Proxy::wait_for_release() {
  std::unique_lock lock(mutex_);
  const std::uint64_t seen = releases_;
  ++held_;
  changed_.wait(lock, [&] { return closing_ || releases_ != seen; });
  --held_;
  return !closing_;
}

bool Proxy::is_too_late(const std::string& request) const {
  const std::chrono::seconds window = signature_window_.load();
  const std::string date = header_of(request, "x-amz-date");  // "20260130T235959Z"
  std::tm time{};
  if (window.count() == 0 || ::strptime(date.c_str(), "%Y%m%dT%H%M%SZ", &time) == nullptr) return false;
  return std::chrono::system_clock::now() - std::chrono::system_clock::from_time_t(::timegm(&time)) > window;
}

int Proxy::connect_upstream() const {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(upstream_port_);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(socket);
    return -1;
  }
  do_not_gather(socket);
  return socket;
}

void Proxy::serve(Line& line) {
  const int server = connect_upstream();
  {
    const std::lock_guard lock(mutex_);
    line.server = server;
    if (closing_ && server >= 0) ::shutdown(server, SHUT_RDWR);
  }
  std::string unread;
  while (server >= 0 && relay_one(line, unread)) {
  }
  const std::lock_guard lock(mutex_);
  ::close(line.client);
  if (server >= 0) ::close(server);
  line.ended = true;
}

// One request, and its answer. False: the connection is to end.
bool Proxy::relay_one(Line& line, std::string& unread) {
  std::optional<std::size_t> bytes;
  while (!(bytes = request_bytes(unread)) || unread.size() < *bytes) {
    if (!receive(line.client, unread)) return false;
  }
  const std::string whole = unread.substr(0, *bytes);
  unread.erase(0, *bytes);
  ProxiedRequest request;
  request.method = whole.substr(0, whole.find(' '));
  const std::size_t target = request.method.size() + 1;
  request.target = whole.substr(target, whole.find(' ', target) - target);
  {
    const std::lock_guard lock(mutex_);
    request.number = ++count_;
    ++counts_[request.method];
  }
  const Fate fate = judge(request, Moment::came);
  if (fate == Fate::cut) return false;
  if (fate == Fate::hold && !wait_for_release()) return false;
  if (is_too_late(whole)) return send_all(line.client, too_late());
  if (!send_all(line.server, whole)) return false;
  return await_answer(line, request, fate, unread);
}

// Passes what the server says, until the client asks the next.
bool Proxy::await_answer(Line& line, const ProxiedRequest& request, Fate fate, std::string& unread) {
  bool is_answered = false;
  bool client_listens = true;
  for (;;) {
    pollfd waits[2] = {{line.server, POLLIN, 0}, {line.client, POLLIN, 0}};
    if (::poll(waits, client_listens ? 2 : 1, -1) < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    if (waits[0].revents != 0) {
      std::string bytes;
      if (!receive(line.server, bytes)) return false;
      if (!is_answered) (void)judge(request, Moment::answered);
      is_answered = true;
      if (fate == Fate::lose_answer || !client_listens || !send_all(line.client, bytes)) return false;
    } else if (waits[1].revents != 0) {
      if (receive(line.client, unread)) {
        if (is_answered) return true;
      } else if (is_answered) {
        return false;
      } else {
        client_listens = false;  // what was sent is carried out all the same
      }
    }
  }
}

}  // namespace ingot::testing
