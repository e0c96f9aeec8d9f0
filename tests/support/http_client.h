// A plain S3 client for tests of servers: one request, one answer, by libcurl and its own signatures. It says what was
// asked and shows what came, and never tries again.
//
// Threads: a client has one connection; one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ingot::testing {

struct S3Place {
  std::string endpoint;  // "http://127.0.0.1:9000"
  std::string access_key;
  std::string secret_key;
  std::string region = "us-east-1";
  std::string service = "s3";
};

struct HttpAnswer {
  int status = 0;     // 0: there was none; `error` says why
  std::string error;  // libcurl's words
  int error_code = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  [[nodiscard]] std::string header(const std::string& name) const;  ///< empty if it is not there
  /// The text of the first <Code> in the body, as errors have it.
  [[nodiscard]] std::string code() const { return element("Code"); }
  /// The text of the first element of that name; empty if there is none.
  [[nodiscard]] std::string element(const std::string& name) const;
  /// Of all of them.
  [[nodiscard]] std::vector<std::string> elements(const std::string& name) const;
};

using HttpHeaders = std::vector<std::string>;  // "Name: value"

class HttpClient {
 public:
  explicit HttpClient(S3Place place, std::chrono::milliseconds timeout = std::chrono::seconds(20));
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// `target`: path and query, with its escapes, the parameters in order of their names, as libcurl signs it. The body
  /// is not signed, unless a header x-amz-content-sha256 is given.
  HttpAnswer send(const std::string& method, const std::string& target, const std::string& body = {},
                  const HttpHeaders& headers = {});
  /// Without a signature.
  HttpAnswer send_unsigned(const std::string& method, const std::string& target, const std::string& body = {},
                           const HttpHeaders& headers = {});

  HttpAnswer put(const std::string& target, const std::string& body, const HttpHeaders& headers = {}) {
    return send("PUT", target, body, headers);
  }
  HttpAnswer create(const std::string& target, const std::string& body) {
    return put(target, body, {"If-None-Match: *"});
  }
  HttpAnswer get(const std::string& target, const HttpHeaders& headers = {}) {
    return send("GET", target, {}, headers);
  }

  [[nodiscard]] const S3Place& place() const { return place_; }

 private:
  HttpAnswer perform(const std::string& method, const std::string& target, const std::string& body, HttpHeaders headers,
                     bool is_signed);
  S3Place place_;
  std::chrono::milliseconds timeout_;
  void* curl_;
};

/// Of an answer: "412 PreconditionFailed", "200".
std::string outcome_of(const HttpAnswer& answer);

}  // namespace ingot::testing
