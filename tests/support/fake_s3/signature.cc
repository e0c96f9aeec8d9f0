#include "support/fake_s3/signature.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "support/fake_s3/digest.h"
#include "support/fake_s3/error.h"

namespace ingot::fake_s3 {

namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

struct Authorization {
  std::string access_key;
  std::string day;
  std::string region;
  std::string service;
  std::string signed_headers;
  std::string signature;
};

S3Error malformed_authorization(const std::string& message) {
  return {400, "AuthorizationHeaderMalformed", "The authorization header is malformed; " + message + "."};
}

// "AWS4-HMAC-SHA256 Credential=KEY/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;…, Signature=…"
Authorization parse_authorization(std::string_view header) {
  if (header.substr(0, kAlgorithm.size()) != kAlgorithm) throw not_implemented("this way to authorize requests");
  header.remove_prefix(kAlgorithm.size());
  std::map<std::string, std::string, std::less<>> parts;
  while (!header.empty()) {
    std::string_view part = header.substr(0, header.find(','));
    header.remove_prefix(std::min(header.size(), part.size() + 1));
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) throw malformed_authorization("a part of it has no '='");
    parts.emplace(part.substr(0, equals), part.substr(equals + 1));
  }
  if (parts.size() != 3) throw malformed_authorization("it needs Credential, SignedHeaders and Signature");
  Authorization authorization;
  authorization.signed_headers = parts["SignedHeaders"];
  authorization.signature = parts["Signature"];
  // From the end: an access key may hold slashes.
  std::string scope = parts["Credential"];
  std::string end;
  for (std::string* part : {&end, &authorization.service, &authorization.region, &authorization.day}) {
    const std::size_t slash = scope.rfind('/');
    if (slash == std::string::npos)
      throw malformed_authorization("the Credential is not KEY/DAY/REGION/SERVICE/aws4_request");
    *part = scope.substr(slash + 1);
    scope.resize(slash);
  }
  authorization.access_key = scope;
  if (end != "aws4_request") throw malformed_authorization("the Credential does not end in aws4_request");
  return authorization;
}

std::string canonical_query(std::string_view query) {
  Fields encoded;
  for (const auto& [name, value] : query_parameters(query)) {
    encoded.emplace_back(url_encode(name, false), url_encode(value, false));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string text;
  for (const auto& [name, value] : encoded) text += (text.empty() ? "" : "&") + name + "=" + value;
  return text;
}

// Runs of spaces become one.
std::string canonical_value(const std::string& value) {
  std::string text;
  for (const char c : value) {
    if (c != ' ' || text.empty() || text.back() != ' ') text += c;
  }
  return text;
}

// Four HMACs, which are the same for a whole day.
std::string signing_key(const std::string& secret, const Authorization& scope) {
  static std::mutex mutex;
  static std::map<std::string, std::string> made;
  const std::string name = secret + '\n' + scope.day + '\n' + scope.region + '\n' + scope.service;
  const std::lock_guard lock(mutex);
  if (made.size() > 1000) made.clear();
  std::string& key = made[name];
  if (key.empty()) {
    key = hmac_sha256("AWS4" + secret, scope.day);
    for (const std::string& part : {scope.region, scope.service, std::string("aws4_request")}) {
      key = hmac_sha256(key, part);
    }
  }
  return key;
}

Seconds date_of(const Request& request) {
  const std::string* text = request.header("x-amz-date");
  if (text == nullptr) text = request.header("date");
  const std::optional<Seconds> date = text == nullptr ? std::nullopt : parse_date(*text);
  if (!date) throw S3Error(403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header");
  return *date;
}

void check_date(Seconds date, Seconds now) {
  if (date - now <= kSkewMax && now - date <= kSkewMax) return;
  throw S3Error(403, "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
                "<RequestTime>" + amz_date(date) + "</RequestTime><ServerTime>" + iso_date(now) +
                    "</ServerTime><MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>");
}

void check_scope(const Authorization& scope, const Behaviour& behaviour, const std::string& region, Seconds date) {
  if (scope.day != amz_date(date).substr(0, 8)) throw malformed_authorization("the Credential is of another day");
  if (!behaviour.any_region && scope.region != region) {
    S3Error error = malformed_authorization("the region '" + scope.region + "' is wrong; expecting '" + region + "'");
    error.details = "<Region>" + region + "</Region>";
    throw error;
  }
  const char* service = behaviour.sessions ? "s3express" : "s3";
  if (scope.service != service) throw malformed_authorization("the service must be " + std::string(service));
}

void check_signed_headers(const Request& request, const std::string& signed_headers) {
  const std::string list = ";" + signed_headers + ";";
  for (const auto& [name, value] : request.headers) {
    if (name != "host" && name.rfind("x-amz-", 0) != 0) continue;
    if (list.find(";" + name + ";") != std::string::npos) continue;
    throw S3Error(403, "AccessDenied", "There were headers present in the request which were not signed",
                  "<HeadersNotSigned>" + name + "</HeadersNotSigned>");
  }
  if (request.header("host") == nullptr) throw S3Error(400, "InvalidRequest", "There is no Host header");
}

void check_body(const Request& request) {
  const std::string* said = request.header("x-amz-content-sha256");
  if (said == nullptr) {
    throw S3Error(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256");
  }
  if (said->rfind("STREAMING-", 0) == 0) throw not_implemented("bodies in signed chunks (" + *said + ")");
  if (*said == "UNSIGNED-PAYLOAD" || *said == hex(sha256(request.body))) return;
  throw S3Error(400, "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.");
}

void check_token(const Request& request, const Key& key, const Behaviour& behaviour, Seconds now) {
  const std::string token = request.header_or(key.of_session ? "x-amz-s3session-token" : "x-amz-security-token", "");
  if (token != key.token) {
    throw S3Error(400, "InvalidToken", "The provided token is malformed or otherwise not valid.");
  }
  if (key.expires && *key.expires <= now) throw S3Error(behaviour.expired);
}

}  // namespace

std::string canonical_request(const Request& request, std::string_view signed_headers) {
  std::string text = request.method + '\n' + url_encode(url_decode(request.path, false), true) + '\n' +
                     canonical_query(request.query) + '\n';
  for (std::string_view rest = signed_headers; !rest.empty();) {
    const std::string_view name = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    text.append(name) += ':' + canonical_value(request.header_or(name, "")) + '\n';
  }
  text += '\n';
  text.append(signed_headers) += '\n';
  return text + request.header_or("x-amz-content-sha256", "");
}

Key verify_signature(const Request& request, const Keys& keys, const Behaviour& behaviour, const std::string& region,
                     Seconds now) {
  const std::string* header = request.header("authorization");
  if (header == nullptr) throw S3Error(403, "AccessDenied", "Access Denied");
  const Authorization authorization = parse_authorization(*header);
  const Seconds date = date_of(request);
  check_date(date, now);
  const std::optional<Key> key = keys.find(authorization.access_key);
  if (!key) throw S3Error(behaviour.unknown_key);
  check_scope(authorization, behaviour, region, date);
  check_signed_headers(request, authorization.signed_headers);
  const std::string scope =
      authorization.day + '/' + authorization.region + '/' + authorization.service + "/aws4_request";
  const std::string text = std::string(kAlgorithm) + '\n' + amz_date(date) + '\n' + scope + '\n' +
                           hex(sha256(canonical_request(request, authorization.signed_headers)));
  if (hex(hmac_sha256(signing_key(key->secret, authorization), text)) != authorization.signature) {
    throw S3Error(403, "SignatureDoesNotMatch",
                  "The request signature we calculated does not match the signature you provided. Check your key and "
                  "signing method.");
  }
  check_token(request, *key, behaviour, now);
  check_body(request);
  return *key;
}

}  // namespace ingot::fake_s3
