#include "s3/outcome.h"

#include <algorithm>
#include <array>

#include "s3/dates.h"
#include "s3/encoding.h"
#include "s3/endpoint.h"

namespace ingot::s3 {

namespace {

using storage::Outcome;

// More than anybody waits.
constexpr std::chrono::hours kRetryAfterMax{24};

template <std::size_t Count>
bool is_one_of(std::string_view code, const std::array<std::string_view, Count>& codes) {
  return std::ranges::find(codes, code) != codes.end();
}

// 400s that are the wire's fault: the request did not come as it was sent.
constexpr std::array<std::string_view, 6> kDamagedCodes = {"BadDigest",
                                                           "IncompleteBody",
                                                           "InvalidDigest",
                                                           "RequestTimeout",
                                                           "XAmzContentChecksumMismatch",
                                                           "XAmzContentSHA256Mismatch"};
constexpr std::array<std::string_view, 6> kCredentialCodes = {"ExpiredToken",       "ExpiredTokenException",
                                                              "InvalidAccessKeyId", "InvalidToken",
                                                              "RequestExpired",     "TokenRefreshRequired"};

Outcome outcome_of_absence(Verb verb, std::string_view code) {
  if (verb == Verb::get && code == "NoSuchKey") return Outcome::absent;
  if (verb == Verb::remove && code == "NoSuchKey") return Outcome::done;
  const bool is_about_upload = verb == Verb::put_part || verb == Verb::finish_upload || verb == Verb::abort_upload;
  return is_about_upload && code == "NoSuchUpload" ? Outcome::absent : Outcome::refused;
}

Outcome outcome_of_status(Verb verb, int status, std::string_view code) {
  if (status / 100 == 2) return Outcome::done;
  switch (status) {
    case 404:
      return outcome_of_absence(verb, code);
    case 408:
      return Outcome::failed;
    case 409:
      return verb == Verb::create || verb == Verb::replace ? Outcome::conflict : Outcome::throttled;
    case 412:
      return verb == Verb::create ? Outcome::exists : Outcome::refused;
    case 416:
      return verb == Verb::get ? Outcome::done : Outcome::refused;
    case 429:
      return Outcome::throttled;
    case 501:  // not implemented: it never will be
      return Outcome::refused;
    case 503:
      return !code.empty() || is_read(verb) ? Outcome::throttled : Outcome::failed;
    default:
      break;
  }
  if (status >= 500) return Outcome::failed;
  if (code == "RequestTimeTooSkewed") return Outcome::too_late;
  return is_one_of(code, kDamagedCodes) ? Outcome::failed : Outcome::refused;
}

// Zero if it is not said, or past.
base::Duration retry_after(const HttpAnswer& http, storage::BucketDate now) {
  const std::string_view text = http.header("retry-after");
  std::chrono::seconds wait{0};
  if (const std::optional<std::uint64_t> seconds = decimal(text)) {
    wait = std::chrono::seconds(std::min<std::uint64_t>(*seconds, std::chrono::seconds(kRetryAfterMax).count()));
  } else if (const std::optional<storage::BucketDate> date = parse_http_date(text)) {
    wait = *date - http.date.value_or(now);
  }
  return std::clamp<std::chrono::seconds>(wait, std::chrono::seconds(0), kRetryAfterMax);
}

// Whether it says that nothing has been done.
bool denies_all(Outcome outcome) {
  return outcome == Outcome::conflict || outcome == Outcome::throttled || outcome == Outcome::refused ||
         outcome == Outcome::too_late;
}

// What to do about it, for those to whom the server's own sentence does not say it.
std::string_view hint(Verb verb, int status, std::string_view code) {
  if (code == "AccessDenied" && verb == Verb::get) {
    return " (also said of what is not there, unless s3:ListBucket is granted on the bucket: grant it)";
  }
  if (code == "SignatureDoesNotMatch") {
    return " (the secret key does not belong to the access key, or a proxy changes requests)";
  }
  if (code == "NoSuchBucket") return " (make it first: a store makes no bucket; or is the endpoint another's?)";
  if (status == 404 && code.empty()) return " (not S3's own: is the endpoint right?)";
  if (status == 400 && code.empty()) return " (not S3's own: is the endpoint https://, not http://?)";
  if (status / 100 == 3) return " (a redirection to elsewhere: are the endpoint and the region right?)";
  return {};
}

std::string why_of(Verb verb, const HttpAnswer& http, const ServiceError& error) {
  std::string text = std::to_string(http.status);
  if (!error.code.empty()) text.append(" ").append(error.code);
  if (!error.message.empty()) text.append(": ").append(error.message);
  const std::string_view location = http.header("location");
  if (http.status / 100 == 3 && !location.empty()) text.append(" to ").append(printable(location, 200));
  return text.append(hint(verb, http.status, error.code));
}

}  // namespace

bool is_read(Verb verb) {
  return verb == Verb::get || verb == Verb::list || verb == Verb::list_uploads;
}

storage::Answer answer_of(Verb verb, const HttpAnswer& http, const ServiceError& error, storage::BucketDate now) {
  storage::Answer answer;
  answer.date = http.date;
  if (http.kind != HttpAnswer::Kind::answered) {
    const bool sent = http.kind == HttpAnswer::Kind::unanswered || http.sendings > 0;
    answer.outcome = sent ? Outcome::unanswered : http.is_hopeless ? Outcome::refused : Outcome::unsent;
    answer.why = http.error;
    return answer;
  }
  answer.outcome = outcome_of_status(verb, http.status, error.code);
  if (answer.outcome == Outcome::done) return answer;
  answer.why = why_of(verb, http, error);
  if (http.sendings > 1 && !is_read(verb) && denies_all(answer.outcome)) {
    answer.outcome = Outcome::unanswered;
    answer.why += " (sent twice: the first got no answer)";
  }
  if (answer.outcome == Outcome::throttled) answer.retry_after = retry_after(http, now);
  return answer;
}

Correction correction_of(const HttpAnswer& http, const ServiceError& error) {
  if (http.kind != HttpAnswer::Kind::answered) return Correction::none;
  if (error.code == "RequestTimeTooSkewed") return Correction::clock;
  const bool is_denial = http.status == 400 || http.status == 401 || http.status == 403;
  if (is_denial && is_one_of(error.code, kCredentialCodes)) return Correction::credentials;
  const bool is_elsewhere =
      http.status == 301 || http.status == 307 || http.status == 400 || error.code == "AuthorizationHeaderMalformed";
  return is_elsewhere && is_region(region_of(http, error)) ? Correction::region : Correction::none;
}

std::string region_of(const HttpAnswer& http, const ServiceError& error) {
  const std::string_view header = http.header("x-amz-bucket-region");
  return header.empty() ? error.region : std::string(header);
}

}  // namespace ingot::s3
