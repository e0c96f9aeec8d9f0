// HTTP/1.1, by libcurl: one request and its answer, over connections that are kept.
//
// Sent twice: servers close connections that have been idle, and a request may cross with that. If a kept connection
// dies before the first line of an answer has come, libcurl sends the request again, over a new one, by itself. That is
// never more than it would have been had the server answered: but whether the first sending has been carried out is not
// known then. `HttpAnswer::sendings` tells; who answers "nothing happened" by such an answer would lie (see outcome.h).
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread.h"
#include "base/time.h"
#include "s3/signature.h"
#include "storage/bucket.h"

namespace ingot::s3 {

/// Resolving the name, connecting and the TLS handshake, together.
inline constexpr std::chrono::seconds kConnectMax{5};
/// Connections that are kept while nobody uses them.
inline constexpr std::size_t kIdleConnectionsMax = 32;
/// A connection that has been idle for longer is not used again: servers close theirs after some 20 to 60 s.
inline constexpr std::chrono::seconds kIdleMax{20};
/// Of an answer that says no, what goes beyond is not kept.
inline constexpr std::size_t kErrorBytesMax = 64 << 10;

/// How connections are made. libcurl's own look at the environment is not used: it would race with an application that
/// sets variables.
struct Transport {
  std::string ca_bundle{};  ///< file of certificates to trust; empty: the system's
  std::string http_proxy{};
  std::string https_proxy{};
  std::string no_proxy{};  ///< hosts that are asked directly
};

enum class Proxy { as_set, none };

struct HttpRequest {
  const char* method = "GET";  ///< "GET", "PUT", "POST", "DELETE": the middle two have a body, even if it is empty
  std::string url;
  std::vector<Header> headers;  ///< of one line each
  std::string_view body;
  std::size_t answer_bytes_max = 1 << 20;  ///< of a body that comes with a 2xx: more is `unanswered`
  base::Instant deadline{};
  base::Duration connect_max = kConnectMax;
  Proxy proxy = Proxy::as_set;
};

struct HttpAnswer {
  enum class Kind {
    unsent,      ///< no connection: nothing was sent
    unanswered,  ///< it may have been sent, and carried out; no whole answer came
    answered,
  };
  Kind kind = Kind::unsent;
  std::uint32_t sendings = 0;  ///< how often it was, or may have been, sent
  std::string error;           ///< unless answered: why
  bool is_hopeless = false;    ///< unsent: and trying again won't help until somebody changes something

  int status = 0;                              ///< if answered
  std::string body;                            ///< if answered: whole, or (of one that says no) its beginning
  std::optional<storage::BucketDate> date;     ///< of the Date header
  std::optional<storage::BucketDate> date_at;  ///< what this machine's clock said when that came

  /// One of those that are kept (see http.cc), or empty.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  std::vector<Header> headers;
};

/// Makes requests. Any thread, at once: each takes a connection that is idle, or makes one. What is idle is closed when
/// another request ends kIdleMax later, or with the client. In a fork's child nothing is sent, and the parent's
/// connections are left alone.
class HttpClient {
 public:
  explicit HttpClient(Transport transport);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Blocks until it is answered, or the deadline. Redirects are answers.
  HttpAnswer perform(const HttpRequest& request);

  /// Whatever its own deadline is, each request ends about then, those under way included (within a second). The
  /// earliest of all calls counts.
  void end_by(base::Instant at);

 private:
  struct Idle {
    void* connection;  // a CURL handle, which keeps its connection
    base::Instant since;
  };
  void* take_connection();
  void give_back(void* connection);
  void* take_old();    // null: none has been idle for so long
  void* take_first();  // holding mutex_

  const Transport transport_;
  const std::uint32_t generation_;  // of forks
  std::atomic<base::Instant> end_{base::kNever};
  base::Mutex mutex_;
  std::vector<Idle> idle_;  // the last used last; has room for kIdleConnectionsMax
};

}  // namespace ingot::s3
