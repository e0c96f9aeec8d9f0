#include "support/fake_s3/http.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <ctime>

namespace ingot::fake_s3 {

namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

const char* reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 416:
      return "Requested Range Not Satisfiable";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    default:
      return "Other";
  }
}

// Whether it is a request line and headers, as read into `request`.
bool parse_head(std::string_view head, Request& request) {
  const std::size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last || line.substr(last + 1) != "HTTP/1.1") return false;
  request.method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  if (target.empty() || target.front() != '/') return false;
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  request.query = question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
  std::size_t begin = line_end + 2;
  while (begin < head.size()) {
    const std::size_t end = head.find("\r\n", begin);
    const std::string_view header = head.substr(begin, end - begin);
    const std::size_t colon = header.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    request.headers.emplace_back(lower_case(header.substr(0, colon)), trimmed(header.substr(colon + 1)));
    begin = end + 2;
  }
  return true;
}

std::tm utc(Seconds time) {
  const std::time_t seconds = time.time_since_epoch().count();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return parts;
}

std::string formatted(Seconds time, const char* format) {
  const std::tm parts = utc(time);
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

}  // namespace

const std::string* Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::string Request::header_or(std::string_view name, std::string_view otherwise) const {
  const std::string* value = header(name);
  return value == nullptr ? std::string(otherwise) : *value;
}

bool Stream::fill() {
  std::array<char, 64ULL << 10> block;  // NOLINT: read into at once
  for (;;) {
    const ssize_t got = ::recv(socket_, block.data(), block.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    buffer_.append(block.data(), static_cast<std::size_t>(got));
    return true;
  }
}

Stream::Head Stream::read_head(Request& request) {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (buffer_.size() > kHeadBytesMax) return Head::malformed;
    if (!fill()) return Head::ended;
  }
  const bool understood = parse_head(std::string_view(buffer_).substr(0, end + 2), request);
  buffer_.erase(0, end + 4);
  return understood ? Head::read : Head::malformed;
}

bool Stream::read_body(std::size_t bytes, std::string& body) {
  if (bytes <= buffer_.size()) {
    body = buffer_.substr(0, bytes);
    buffer_.erase(0, bytes);
    return true;
  }
  body = std::move(buffer_);
  buffer_.clear();
  std::size_t have = body.size();
  body.resize(bytes);
  while (have < bytes) {
    const ssize_t got = ::recv(socket_, body.data() + have, bytes - have, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    have += static_cast<std::size_t>(got);
  }
  return true;
}

bool Stream::send_text(std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Stream::send(const Response& response, std::size_t payload_bytes) {
  const std::string_view payload = response.payload();
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + ' ' + reason_of(response.status) + "\r\n";
  for (const auto& [name, value] : response.headers) head += name + ": " + value + "\r\n";
  if (response.closes) head += "Connection: close\r\n";
  std::string tail;
  if (response.chunked) {
    std::array<char, 32> length{};
    std::snprintf(length.data(), length.size(), "%zx\r\n", payload.size());
    head += std::string("Transfer-Encoding: chunked\r\n\r\n") + (payload.empty() ? "" : length.data());
    tail = payload.empty() ? "0\r\n\r\n" : "\r\n0\r\n\r\n";
  } else {
    if (response.status != 204 && response.status != 304) {
      head += "Content-Length: " + std::to_string(response.announced_bytes.value_or(payload.size())) + "\r\n";
    }
    head += "\r\n";
  }
  if (payload_bytes < payload.size()) return send_text(head) && send_text(payload.substr(0, payload_bytes));
  // Small ones in one packet.
  if (payload.size() < (16ULL << 10)) return send_text(head.append(payload).append(tail));
  return send_text(head) && send_text(payload) && send_text(tail);
}

void Stream::close_gently() {
  ::shutdown(socket_, SHUT_WR);
  // What is unread when a socket is closed becomes a reset, which may overtake the answer.
  constexpr timeval kPatience{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  while (fill()) buffer_.clear();
}

void Stream::reset() {
  constexpr linger kAtOnce{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &kAtOnce, sizeof(kAtOnce));
}

void Stream::close() {
  const std::lock_guard lock(close_mutex_);
  if (!closed_) ::close(socket_);
  closed_ = true;
}

void Stream::hang_up() {
  const std::lock_guard lock(close_mutex_);
  if (!closed_) ::shutdown(socket_, SHUT_RDWR);
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

std::string url_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && std::isxdigit(static_cast<unsigned char>(text[i + 1])) != 0 &&
        std::isxdigit(static_cast<unsigned char>(text[i + 2])) != 0) {
      decoded += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      decoded += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

std::string url_encode(std::string_view text, bool slash_stays) {
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                       byte == '-' || byte == '.' || byte == '_' || byte == '~' || (byte == '/' && slash_stays);
    if (plain) {
      encoded += c;
      continue;
    }
    static constexpr char kDigits[] = "0123456789ABCDEF";
    encoded += '%';
    encoded += kDigits[byte >> 4];
    encoded += kDigits[byte & 15];
  }
  return encoded;
}

Fields query_parameters(std::string_view query) {
  Fields parameters;
  while (!query.empty()) {
    const std::string_view one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), one.size() + 1));
    if (one.empty()) continue;
    const std::size_t equals = one.find('=');
    parameters.emplace_back(url_decode(one.substr(0, equals), true), equals == std::string_view::npos
                                                                         ? std::string()
                                                                         : url_decode(one.substr(equals + 1), true));
  }
  return parameters;
}

std::string http_date(Seconds time) {
  return formatted(time, "%a, %d %b %Y %H:%M:%S GMT");
}
std::string iso_date(Seconds time) {
  return formatted(time, "%Y-%m-%dT%H:%M:%S.000Z");
}
std::string amz_date(Seconds time) {
  return formatted(time, "%Y%m%dT%H%M%SZ");
}

std::optional<Seconds> parse_date(const std::string& text) {
  for (const char* format : {"%Y%m%dT%H%M%SZ", "%a, %d %b %Y %H:%M:%S GMT"}) {
    std::tm parts{};
    const char* end = strptime(text.c_str(), format, &parts);
    if (end != nullptr && *end == '\0') return Seconds(std::chrono::seconds(timegm(&parts)));
  }
  return {};
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  if (text.empty() || text.size() > 18) return {};
  std::uint64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return {};
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return number;
}

}  // namespace ingot::fake_s3
