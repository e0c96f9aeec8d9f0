// HTTP/1.1 as the fake S3 server speaks it: requests from a socket, answers to it, and the texts in both.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ingot::fake_s3 {

inline constexpr std::size_t kHeadBytesMax = 64ULL << 10;
inline constexpr std::size_t kBodyBytesMax = 1ULL << 30;  // all is kept in memory

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;
  std::string path;   // as it was sent, with its escapes
  std::string query;  // the same, without the '?'
  Fields headers;     // names in lower case; values without the spaces around them
  std::string body;

  /// The first header of that name (in lower case); nothing if there is none.
  [[nodiscard]] const std::string* header(std::string_view name) const;
  [[nodiscard]] std::string header_or(std::string_view name, std::string_view otherwise) const;
};

struct Response {
  int status = 200;
  Fields headers;
  std::string body;                            // XML, mostly
  std::shared_ptr<const std::string> content;  // if given, instead of `body`: this part of it
  std::size_t offset = 0;
  std::size_t bytes = 0;
  std::string code;                              // S3's word for an error, for the journal
  std::optional<std::uint64_t> announced_bytes;  // Content-Length, if it differs from what is sent, as for HEAD
  bool chunked = false;
  bool closes = false;

  [[nodiscard]] std::string_view payload() const {
    return content == nullptr ? std::string_view(body) : std::string_view(*content).substr(offset, bytes);
  }
};

/// One connection's bytes. Owns the socket. Threads: one, except hang_up.
class Stream {
 public:
  explicit Stream(int socket) : socket_(socket) {}
  ~Stream() { close(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  enum class Head { read, ended, malformed };
  /// The next request up to its body. `ended`: the client has closed, or somebody has hung up.
  Head read_head(Request& request);
  /// False: the connection ended before it was all there.
  bool read_body(std::size_t bytes, std::string& body);
  /// Sends an answer, of its payload only the first `payload_bytes`. False: the connection has ended.
  bool send(const Response& response, std::size_t payload_bytes = SIZE_MAX);
  bool send_text(std::string_view text);
  /// Ends it so that the client surely gets what was sent, though it has sent more than was read.
  void close_gently();
  /// Makes a reset of the end to come.
  void reset();
  void close();
  /// Ends it from any thread: whatever reads or writes here comes back.
  void hang_up();

 private:
  bool fill();
  int socket_;
  std::mutex close_mutex_;  // nobody hangs up a descriptor that is somebody else's by now
  bool closed_ = false;
  std::string buffer_;
};

std::string lower_case(std::string_view text);
/// %XX, and '+' in a query as a space. What is no escape stays.
std::string url_decode(std::string_view text, bool plus_is_space);
/// As S3 signs: all but letters, digits and -._~ become %XX; '/' too if it is not `slash_stays`.
std::string url_encode(std::string_view text, bool slash_stays);
/// The parameters of a query in their order, decoded.
Fields query_parameters(std::string_view query);

using Seconds = std::chrono::sys_seconds;
/// "Fri, 24 May 2013 00:00:00 GMT"
std::string http_date(Seconds time);
/// "2013-05-24T00:00:00.000Z"
std::string iso_date(Seconds time);
/// "20130524T000000Z"
std::string amz_date(Seconds time);
/// Of amz_date or http_date; nothing if it is neither.
std::optional<Seconds> parse_date(const std::string& text);

/// A number of digits only, up to 18 of them.
std::optional<std::uint64_t> parse_number(std::string_view text);

}  // namespace ingot::fake_s3
