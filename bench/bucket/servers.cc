// See servers.h. The log's lines: tests/support/fake_s3/connection.cc (note).
#include "servers.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace bench {
namespace {

constexpr int kLogLines = 500;  // as many as the server keeps

// The body of the answer to a GET without credentials; nothing unless it is a 200.
std::optional<std::string> plain_get(const std::string& endpoint, const std::string& path) {
  const std::string scheme = "http://";
  if (endpoint.rfind(scheme, 0) != 0) return std::nullopt;
  const std::string host_and_port = endpoint.substr(scheme.size(), endpoint.find('/', scheme.size()) - scheme.size());
  const std::size_t colon = host_and_port.rfind(':');
  const std::string host = host_and_port.substr(0, colon);
  const std::string port = colon == std::string::npos ? "80" : host_and_port.substr(colon + 1);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return std::nullopt;
  const int line = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool is_connected = line >= 0 && ::connect(line, found->ai_addr, found->ai_addrlen) == 0;
  ::freeaddrinfo(found);
  std::string answer;
  if (is_connected) {
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + host_and_port + "\r\nConnection: close\r\n\r\n";
    if (::send(line, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
      const timeval patience{2, 0};
      ::setsockopt(line, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      char piece[16 << 10];
      // The server leaves the connection open: the length says where the answer ends.
      for (ssize_t bytes = 0; (bytes = ::recv(line, piece, sizeof piece, 0)) > 0;) {
        answer.append(piece, static_cast<std::size_t>(bytes));
        const std::size_t end = answer.find("\r\n\r\n");
        const std::size_t length = answer.find("Content-Length: ");
        if (end == std::string::npos || length == std::string::npos || length > end) continue;
        if (answer.size() >= end + 4 + std::strtoull(answer.c_str() + length + 16, nullptr, 10)) break;
      }
    }
  }
  if (line >= 0) ::close(line);
  const std::size_t end = answer.find("\r\n\r\n");
  if (answer.rfind("HTTP/1.1 200", 0) != 0 || end == std::string::npos) return std::nullopt;
  return answer.substr(end + 4);
}

struct Request {
  std::uint64_t number = 0;
  long begun_ms = 0;
  long ended_ms = 0;
  std::string what;
};

// "12 ms #3 get bucket/a/b range: … -> 206, 61 ms"
std::optional<Request> parse_line(const std::string& line) {
  Request request;
  std::istringstream words(line);
  std::string unit;
  std::string verb;
  std::string subject;
  char mark = 0;
  if (!(words >> request.begun_ms >> unit >> mark >> request.number >> verb >> subject) || mark != '#') {
    return std::nullopt;
  }
  const std::size_t comma = line.rfind(", ");
  if (comma == std::string::npos) return std::nullopt;
  request.ended_ms = request.begun_ms + std::strtol(line.c_str() + comma + 2, nullptr, 10);
  request.what = verb + " " + subject;
  return request;
}

std::vector<Request> requests_of(const Server& server) {
  std::vector<Request> requests;
  std::istringstream log(
      plain_get(server.endpoint, "/_fake/log?lines=" + std::to_string(kLogLines)).value_or(std::string()));
  for (std::string line; std::getline(log, line);) {
    if (std::optional<Request> request = parse_line(line)) requests.push_back(std::move(*request));
  }
  return requests;
}

}  // namespace

Server parse_server(const std::string& text, const std::string& run) {
  Server server;
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) throw std::runtime_error("a server is NAME=ENDPOINT[,BUCKET], not \"" + text + "\"");
  server.name = text.substr(0, equals);
  const std::size_t comma = text.find(',', equals);
  server.endpoint = text.substr(equals + 1, comma == std::string::npos ? comma : comma - equals - 1);
  server.bucket = comma == std::string::npos ? "bucket" : text.substr(comma + 1);
  server.run = run;
  server.is_fake = plain_get(server.endpoint, "/_fake/counts").has_value();
  return server;
}

void use_server(const Server& server) {
  if (server.endpoint == "aws") return;
  ::setenv("AWS_ENDPOINT_URL_S3", server.endpoint.c_str(), 1);
}

std::uint64_t last_request(const Server& server) {
  std::uint64_t last = 0;
  if (!server.is_fake) return last;
  for (const Request& request : requests_of(server)) last = std::max(last, request.number);
  return last;
}

std::optional<Trips> trips_since(const Server& server, std::uint64_t after) {
  if (!server.is_fake) return std::nullopt;
  std::vector<Request> requests = requests_of(server);
  if (requests.size() == kLogLines && requests.front().number > after + 1) return std::nullopt;
  std::erase_if(requests, [&](const Request& request) { return request.number <= after; });
  std::sort(requests.begin(), requests.end(),
            [](const Request& a, const Request& b) { return a.ended_ms < b.ended_ms; });
  Trips trips;
  trips.requests = requests.size();
  trips.run_gets =
      static_cast<std::uint64_t>(std::count_if(requests.begin(), requests.end(), [](const Request& request) {
        return request.what.rfind("get ", 0) == 0 && request.what.find("/runs/") != std::string::npos;
      }));
  std::vector<std::size_t> longest(requests.size(), 1);
  std::vector<std::size_t> before(requests.size(), requests.size());
  std::size_t best = requests.size();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      // Times are whole milliseconds, so an end may seem one later than the begin that followed it.
      if (requests[j].ended_ms - 1 > requests[i].begun_ms || longest[j] + 1 <= longest[i]) continue;
      longest[i] = longest[j] + 1;
      before[i] = j;
    }
    if (best == requests.size() || longest[i] > longest[best]) best = i;
  }
  for (std::size_t i = best; i < requests.size(); i = before[i]) {
    ++trips.sequential;
    trips.chain = requests[i].what + (trips.chain.empty() ? "" : " > ") + trips.chain;
  }
  return trips;
}

}  // namespace bench
