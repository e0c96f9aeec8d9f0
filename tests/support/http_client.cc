#include "support/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <stdexcept>

namespace ingot::testing {

namespace {

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* answer) {
  static_cast<HttpAnswer*>(answer)->body.append(data, size * count);
  return size * count;
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* answer_) {
  auto* answer = static_cast<HttpAnswer*>(answer_);
  std::string line(data, size * count);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  if (line.rfind("HTTP/", 0) == 0) answer->headers.clear();  // the one before was "100 Continue"
  const std::size_t colon = line.find(':');
  if (colon == std::string::npos) return size * count;
  std::string name = line.substr(0, colon);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::size_t begin = line.find_first_not_of(' ', colon + 1);
  answer->headers.emplace_back(name, begin == std::string::npos ? "" : line.substr(begin));
  return size * count;
}

void check(CURLcode code) {
  if (code != CURLE_OK) throw std::runtime_error(curl_easy_strerror(code));
}

}  // namespace

std::string HttpAnswer::header(const std::string& name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::vector<std::string> HttpAnswer::elements(const std::string& name) const {
  std::vector<std::string> texts;
  const std::string begin = "<" + name + ">";
  const std::string end = "</" + name + ">";
  for (std::size_t at = 0; (at = body.find(begin, at)) != std::string::npos;) {
    at += begin.size();
    texts.push_back(body.substr(at, body.find(end, at) - at));
  }
  return texts;
}

std::string HttpAnswer::element(const std::string& name) const {
  const std::vector<std::string> texts = elements(name);
  return texts.empty() ? std::string() : texts.front();
}

HttpClient::HttpClient(S3Place place, std::chrono::milliseconds timeout)
    : place_(std::move(place)), timeout_(timeout), curl_(curl_easy_init()) {
  if (curl_ == nullptr) throw std::runtime_error("curl_easy_init failed");
}

HttpClient::~HttpClient() {
  curl_easy_cleanup(curl_);
}

HttpAnswer HttpClient::send(const std::string& method, const std::string& target, const std::string& body,
                            const HttpHeaders& headers) {
  HttpHeaders all = headers;
  const bool has_hash = std::any_of(headers.begin(), headers.end(), [](const std::string& header) {
    return header.rfind("x-amz-content-sha256", 0) == 0;
  });
  if (!has_hash) all.emplace_back("x-amz-content-sha256: UNSIGNED-PAYLOAD");
  return perform(method, target, body, all, true);
}

HttpAnswer HttpClient::send_unsigned(const std::string& method, const std::string& target, const std::string& body,
                                     const HttpHeaders& headers) {
  return perform(method, target, body, headers, false);
}

HttpAnswer HttpClient::perform(const std::string& method, const std::string& target, const std::string& body,
                               HttpHeaders headers, bool is_signed) {
  CURL* curl = curl_;
  HttpAnswer answer;
  curl_easy_reset(curl);
  check(curl_easy_setopt(curl, CURLOPT_URL, (place_.endpoint + target).c_str()));
  check(curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L));
  check(curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L));
  check(curl_easy_setopt(curl, CURLOPT_PROXY, ""));
  check(curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_.count())));
  check(curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body));
  check(curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer));
  check(curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header));
  check(curl_easy_setopt(curl, CURLOPT_HEADERDATA, &answer));
  if (method == "HEAD") {
    check(curl_easy_setopt(curl, CURLOPT_NOBODY, 1L));
  } else if (method == "PUT" || method == "POST") {
    check(curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size())));
    check(curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data()));
    headers.emplace_back("Content-Type: binary/octet-stream");
  }
  check(curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method.c_str()));
  if (is_signed) {
    check(curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, ("aws:amz:" + place_.region + ":" + place_.service).c_str()));
    check(curl_easy_setopt(curl, CURLOPT_USERNAME, place_.access_key.c_str()));
    check(curl_easy_setopt(curl, CURLOPT_PASSWORD, place_.secret_key.c_str()));
  }
  curl_slist* list = nullptr;
  for (const std::string& header : headers) list = curl_slist_append(list, header.c_str());
  check(curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list));
  const CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(list);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (code != CURLE_OK) {
    answer.error = curl_easy_strerror(code);
    answer.error_code = code;
  } else {
    answer.status = static_cast<int>(status);
  }
  return answer;
}

std::string outcome_of(const HttpAnswer& answer) {
  if (answer.status == 0) return "no answer: " + answer.error;
  const std::string code = answer.code();
  return std::to_string(answer.status) + (code.empty() ? "" : " " + code);
}

}  // namespace ingot::testing
