// A server on this machine that answers each request as the test says, byte by byte: also wrongly, in part, or not at
// all.
#pragma once

#include <openssl/types.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace ingot::s3 {

struct SeenRequest {
  std::string method;
  std::string target;                          // path and query, as it came
  std::map<std::string, std::string> headers;  // by lower-case names
  std::string body;
  int number = 0;         // of all, from 1
  int connection = 0;     // from 1
  int on_connection = 0;  // which on that, from 1
  [[nodiscard]] std::string header(const std::string& name) const;
  [[nodiscard]] std::string path() const { return target.substr(0, target.find('?')); }
  [[nodiscard]] std::string query() const;
};

struct Reaction {
  enum class Then { keep, close, reset, hang };
  std::string bytes;       // what is sent
  Then then = Then::keep;  // and then with the connection; hang: neither more bytes nor an end, until the server stops
};

using Headers = std::vector<std::pair<std::string, std::string>>;
/// A whole answer with Date (now, unless it is given) and Content-Length.
Reaction answer(int status, const std::string& body = {}, const Headers& headers = {});
/// The same in two chunks.
Reaction chunked_answer(int status, const std::string& body, const Headers& headers = {});
/// S3's way to say no.
Reaction error_answer(int status, const std::string& code, const Headers& headers = {}, const std::string& more = {});
/// So many seconds from now, as a Date header has it.
std::string http_date_in(int seconds);

class CannedServer {
 public:
  using Handler = std::function<Reaction(const SeenRequest&)>;
  enum class Security { none, tls };

  /// Any thread may run the handler, several at once.
  explicit CannedServer(Handler handler, Security security = Security::none);
  ~CannedServer();
  CannedServer(const CannedServer&) = delete;
  CannedServer& operator=(const CannedServer&) = delete;

  [[nodiscard]] std::string url() const;   // "http://127.0.0.1:4711"
  [[nodiscard]] std::string host() const;  // "127.0.0.1:4711"
  [[nodiscard]] std::vector<SeenRequest> requests() const;
  [[nodiscard]] int connections() const;
  /// Resets the next connections instead of reading from them.
  void reset_next(int connections) { resets_ = connections; }
  /// TLS: the certificate to trust, in PEM.
  [[nodiscard]] const std::string& certificate() const { return certificate_; }

 private:
  class Stream;
  void accept_all();
  void serve(int descriptor, int number);
  bool serve_one(Stream& stream, int connection, int on_connection);

  Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  SSL_CTX* tls_ = nullptr;
  std::string certificate_;
  std::atomic<int> resets_{0};
  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::vector<int> open_;
  std::vector<SeenRequest> requests_;
  int connections_ = 0;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

/// The port of nobody: connections to it are refused.
std::string refusing_url();

}  // namespace ingot::s3
