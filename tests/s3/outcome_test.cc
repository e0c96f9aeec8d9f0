// What answers mean, as a table.
#include "s3/outcome.h"

#include <gtest/gtest.h>

#include "s3/dates.h"

namespace ingot::s3 {
namespace {

using storage::Outcome;
using namespace std::chrono_literals;

const storage::BucketDate kNow = parse_iso_date("2026-01-02T03:04:05Z").value();

HttpAnswer answered(int status, std::uint32_t sendings = 1, std::vector<Header> headers = {}) {
  HttpAnswer http;
  http.kind = HttpAnswer::Kind::answered;
  http.status = status;
  http.sendings = sendings;
  http.date = kNow;
  http.headers = std::move(headers);
  return http;
}

Outcome outcome(Verb verb, int status, const std::string& code = {}, std::uint32_t sendings = 1) {
  return answer_of(verb, answered(status, sendings), {code, "", ""}, kNow).outcome;
}

constexpr Verb kAllVerbs[] = {Verb::create,       Verb::replace,      Verb::get,      Verb::list,
                              Verb::remove,       Verb::begin_upload, Verb::put_part, Verb::finish_upload,
                              Verb::abort_upload, Verb::list_uploads};

TEST(OutcomeOfAnAnswer, IsDoneFor2xx) {
  for (const Verb verb : kAllVerbs) {
    for (const int status : {200, 204, 206}) EXPECT_EQ(outcome(verb, status), Outcome::done);
  }
}

TEST(OutcomeOfAnAnswer, IsAbsentOnlyIfS3SaysThatTheKeyIs) {
  EXPECT_EQ(outcome(Verb::get, 404, "NoSuchKey"), Outcome::absent);
  EXPECT_EQ(outcome(Verb::get, 404, "NoSuchBucket"), Outcome::refused);
  EXPECT_EQ(outcome(Verb::get, 404), Outcome::refused);
  EXPECT_EQ(outcome(Verb::get, 403, "AccessDenied"), Outcome::refused);
  EXPECT_EQ(outcome(Verb::remove, 404, "NoSuchKey"), Outcome::done);
  EXPECT_EQ(outcome(Verb::remove, 404, "NoSuchBucket"), Outcome::refused);
  for (const Verb verb : {Verb::create, Verb::replace, Verb::list, Verb::begin_upload}) {
    EXPECT_EQ(outcome(verb, 404, "NoSuchBucket"), Outcome::refused);
  }
  for (const Verb verb : {Verb::put_part, Verb::finish_upload, Verb::abort_upload}) {
    EXPECT_EQ(outcome(verb, 404, "NoSuchUpload"), Outcome::absent);
    EXPECT_EQ(outcome(verb, 404, "NoSuchBucket"), Outcome::refused);
  }
}

TEST(OutcomeOfAnAnswer, IsExistsAndConflictOfCreates) {
  EXPECT_EQ(outcome(Verb::create, 412, "PreconditionFailed"), Outcome::exists);
  EXPECT_EQ(outcome(Verb::create, 412), Outcome::exists);
  EXPECT_EQ(outcome(Verb::replace, 412, "PreconditionFailed"), Outcome::refused);
  EXPECT_EQ(outcome(Verb::create, 409, "ConditionalRequestConflict"), Outcome::conflict);
  EXPECT_EQ(outcome(Verb::remove, 409, "OperationAborted"), Outcome::throttled);
  EXPECT_EQ(outcome(Verb::put_part, 409, "OperationAborted"), Outcome::throttled);
}

TEST(OutcomeOfAnAnswer, IsThrottledIfS3SaysSoAndNotIfAProxyDoes) {
  for (const Verb verb : kAllVerbs) {
    EXPECT_EQ(outcome(verb, 503, "SlowDown"), Outcome::throttled);
    EXPECT_EQ(outcome(verb, 429, "TooManyRequests"), Outcome::throttled);
    EXPECT_EQ(outcome(verb, 429), Outcome::throttled);
    EXPECT_EQ(outcome(verb, 503), is_read(verb) ? Outcome::throttled : Outcome::failed);
  }
}

TEST(OutcomeOfAnAnswer, IsFailedIfItMayHaveBeenDoneOrCameDamaged) {
  for (const Verb verb : kAllVerbs) {
    for (const int status : {500, 502, 504, 507, 599, 408}) EXPECT_EQ(outcome(verb, status), Outcome::failed);
    for (const char* code : {"BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "RequestTimeout"}) {
      EXPECT_EQ(outcome(verb, 400, code), Outcome::failed);
    }
  }
}

TEST(OutcomeOfAnAnswer, IsRefusedIfSendingItAgainDoesNotHelp) {
  for (const Verb verb : kAllVerbs) {
    for (const int status : {400, 401, 403, 405, 411, 413, 501, 301, 307, 302, 304}) {
      EXPECT_EQ(outcome(verb, status, "Something"), Outcome::refused) << status;
    }
    EXPECT_EQ(outcome(verb, 416), verb == Verb::get ? Outcome::done : Outcome::refused);
  }
}

TEST(OutcomeOfAnAnswer, IsTooLateForSkew) {
  EXPECT_EQ(outcome(Verb::create, 403, "RequestTimeTooSkewed"), Outcome::too_late);
}

TEST(OutcomeOfAnAnswer, DeniesNothingThatMayHaveBeenDoneByAFirstSending) {
  for (const Verb verb : kAllVerbs) {
    const bool unsure = !is_read(verb);
    EXPECT_EQ(outcome(verb, 503, "SlowDown", 2), unsure ? Outcome::unanswered : Outcome::throttled);
    EXPECT_EQ(outcome(verb, 429, "", 2), unsure ? Outcome::unanswered : Outcome::throttled);
    EXPECT_EQ(outcome(verb, 403, "AccessDenied", 2), unsure ? Outcome::unanswered : Outcome::refused);
    EXPECT_EQ(outcome(verb, 403, "RequestTimeTooSkewed", 2), unsure ? Outcome::unanswered : Outcome::too_late);
    EXPECT_EQ(outcome(verb, 200, "", 2), Outcome::done);
    EXPECT_EQ(outcome(verb, 500, "", 2), Outcome::failed);
  }
  EXPECT_EQ(outcome(Verb::create, 409, "ConditionalRequestConflict", 2), Outcome::unanswered);
  EXPECT_EQ(outcome(Verb::create, 412, "PreconditionFailed", 2), Outcome::exists);
  EXPECT_EQ(outcome(Verb::finish_upload, 404, "NoSuchUpload", 2), Outcome::absent);
  EXPECT_EQ(outcome(Verb::get, 404, "NoSuchKey", 2), Outcome::absent);
  EXPECT_NE(answer_of(Verb::create, answered(503, 2), {"SlowDown", "", ""}, kNow).why.find("sent twice"),
            std::string::npos);
}

TEST(OutcomeOfNoAnswer, IsUnsentOnlyIfNothingCanHaveBeenSent) {
  HttpAnswer http;
  http.error = "why";
  EXPECT_EQ(answer_of(Verb::create, http, {}, kNow).outcome, Outcome::unsent);
  EXPECT_EQ(answer_of(Verb::create, http, {}, kNow).why, "why");
  http.sendings = 2;  // something was, before the last attempt failed to connect
  EXPECT_EQ(answer_of(Verb::create, http, {}, kNow).outcome, Outcome::unanswered);
  http.sendings = 1;
  http.kind = HttpAnswer::Kind::unanswered;
  EXPECT_EQ(answer_of(Verb::create, http, {}, kNow).outcome, Outcome::unanswered);
}

TEST(OutcomeOfNoAnswer, IsRefusedIfItStaysSoUntilSomebodyChangesSomething) {
  HttpAnswer http;
  http.error = "certificate";
  http.is_hopeless = true;
  EXPECT_EQ(answer_of(Verb::create, http, {}, {}).outcome, Outcome::refused);
  EXPECT_EQ(answer_of(Verb::create, http, {}, {}).why, "certificate");
  http.sendings = 1;  // before that, over another connection
  EXPECT_EQ(answer_of(Verb::create, http, {}, {}).outcome, Outcome::unanswered);
}

TEST(RetryAfter, IsSecondsOrADate) {
  const auto wait = [](const std::string& value) {
    return answer_of(Verb::get, answered(503, 1, {{"retry-after", value}}), {"SlowDown", "", ""}, kNow).retry_after;
  };
  EXPECT_EQ(wait("7"), 7s);
  EXPECT_EQ(wait("0"), 0s);
  EXPECT_EQ(wait("Fri, 02 Jan 2026 03:04:15 GMT"), 10s);
  EXPECT_EQ(wait("Fri, 02 Jan 2026 03:04:00 GMT"), 0s);
  EXPECT_EQ(wait("soon"), 0s);
  EXPECT_EQ(wait(""), 0s);
  EXPECT_EQ(wait("-5"), 0s);
  EXPECT_EQ(wait("99999999999"), 24h);
  EXPECT_EQ(answer_of(Verb::get, answered(500, 1, {{"retry-after", "7"}}), {}, kNow).retry_after, 0s);
}

TEST(Why, HasStatusCodeMessageAndWhatHelps) {
  EXPECT_EQ(answer_of(Verb::get, answered(503), {"SlowDown", "Please reduce your request rate.", ""}, kNow).why,
            "503 SlowDown: Please reduce your request rate.");
  EXPECT_EQ(answer_of(Verb::get, answered(502), {}, kNow).why, "502");
  EXPECT_NE(answer_of(Verb::get, answered(403), {"AccessDenied", "", ""}, kNow).why.find("s3:ListBucket"),
            std::string::npos);
  EXPECT_EQ(answer_of(Verb::create, answered(403), {"AccessDenied", "", ""}, kNow).why.find("s3:ListBucket"),
            std::string::npos);
  EXPECT_NE(answer_of(Verb::get, answered(404), {}, kNow).why.find("is the endpoint right?"), std::string::npos);
  EXPECT_NE(answer_of(Verb::get, answered(302, 1, {{"location", "http://elsewhere/"}}), {}, kNow)
                .why.find("to http://elsewhere/"),
            std::string::npos);
}

TEST(CorrectionOfAnAnswer, IsWhatTheClientCanPutRight) {
  const auto correction = [](int status, const std::string& code, const std::string& header = {},
                             const std::string& region = {}) {
    std::vector<Header> headers;
    if (!header.empty()) headers.push_back({"x-amz-bucket-region", header});
    return correction_of(answered(status, 1, headers), {code, "", region});
  };
  EXPECT_EQ(correction(403, "RequestTimeTooSkewed"), Correction::clock);
  for (const char* code : {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired"}) {
    EXPECT_EQ(correction(400, code), Correction::credentials);
    EXPECT_EQ(correction(403, code), Correction::credentials);
    EXPECT_EQ(correction(500, code), Correction::none);
  }
  EXPECT_EQ(correction(301, "PermanentRedirect", "eu-central-1"), Correction::region);
  EXPECT_EQ(correction(307, "TemporaryRedirect", "eu-central-1"), Correction::region);
  EXPECT_EQ(correction(400, "AuthorizationHeaderMalformed", "", "eu-central-1"), Correction::region);
  EXPECT_EQ(correction(403, "AuthorizationHeaderMalformed", "", "eu-central-1"), Correction::region);
  EXPECT_EQ(correction(301, "PermanentRedirect"), Correction::none);
  EXPECT_EQ(correction(301, "PermanentRedirect", "evil.example/"), Correction::none);
  EXPECT_EQ(correction(200, "", "eu-central-1"), Correction::none);
  EXPECT_EQ(correction(403, "AccessDenied", "eu-central-1"), Correction::none);
  EXPECT_EQ(correction_of(HttpAnswer(), {}), Correction::none);
}

}  // namespace
}  // namespace ingot::s3
