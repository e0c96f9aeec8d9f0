// The seam over a server that answers as S3 and its kind do, and as networks make of it.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <mutex>
#include <thread>

#include "ingot/error.h"
#include "s3/canned_server.h"
#include "s3/dates.h"
#include "s3/encoding.h"
#include "s3/open_bucket.h"
#include "s3/server_clock.h"
#include "s3/sha256.h"
#include "support/temporary_directory.h"

namespace ingot::s3 {
namespace {

using namespace std::chrono_literals;
using storage::Bucket;
using storage::Outcome;
using storage::PutMode;
using Then = Reaction::Then;

base::Instant soon() {
  return base::now() + 30s;
}

// A bucket at "<server>/bucket/some/prefix".
class BucketTest : public ::testing::Test {
 protected:
  BucketTest() {
    environment_ = {{"AWS_ACCESS_KEY_ID", "AKID"},
                    {"AWS_SECRET_ACCESS_KEY", "SECRETWORD"},
                    {"AWS_ENDPOINT_URL", server_.url()},
                    {"HOME", home_.path()}};
    open("s3://bucket/some/prefix");
  }
  void open(const std::string& where) { bucket_ = open_bucket(where, Settings{environment_}); }

  // What the server does with the requests to come, one after the other; the last one for ever.
  void react(std::vector<Reaction> reactions) {
    const std::lock_guard lock(mutex_);
    reactions_ = std::move(reactions);
  }
  SeenRequest last() { return server_.requests().back(); }
  storage::Answer create(std::optional<storage::BucketDate> signed_at = {}) {
    return bucket_->put("log/1", "bytes", PutMode::create, signed_at, soon());
  }
  storage::Got get(storage::ByteRange range = {}) { return bucket_->get("log/1", range, soon()); }

  std::mutex mutex_;
  std::vector<Reaction> reactions_{answer(200)};
  CannedServer server_{[this](const SeenRequest&) {
    const std::lock_guard lock(mutex_);
    Reaction reaction = reactions_.front();
    if (reactions_.size() > 1) reactions_.erase(reactions_.begin());
    return reaction;
  }};
  ingot::testing::TemporaryDirectory home_;
  Environment environment_;
  std::unique_ptr<Bucket> bucket_;
};

TEST_F(BucketTest, SaysWhereItIs) {
  EXPECT_EQ(bucket_->where(), "s3://bucket/some/prefix");
}

TEST_F(BucketTest, APutIsOneSignedRequest) {
  react({answer(200, "", {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}})});
  const storage::Answer done = create();
  EXPECT_EQ(done.outcome, Outcome::done);
  EXPECT_EQ(done.date, parse_iso_date("2013-05-24T00:00:00Z"));
  EXPECT_EQ(done.why, "");
  const SeenRequest seen = last();
  EXPECT_EQ(seen.method, "PUT");
  EXPECT_EQ(seen.target, "/bucket/some/prefix/log/1");
  EXPECT_EQ(seen.body, "bytes");
  EXPECT_EQ(seen.header("host"), server_.host());
  EXPECT_EQ(seen.header("if-none-match"), "*");
  EXPECT_EQ(seen.header("x-amz-content-sha256"), hexadecimal(sha256("bytes").view()));
  EXPECT_TRUE(seen.header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=AKID/"));
  EXPECT_NE(seen.header("authorization")
                .find("/us-east-1/s3/aws4_request,SignedHeaders=host;if-none-match;x-amz-content-sha256;x-amz-date,"),
            std::string::npos);
  EXPECT_EQ(seen.header("x-amz-security-token"), "");
  for (const auto& [name, value] : seen.headers) EXPECT_EQ(value.find("SECRETWORD"), std::string::npos) << name;
}

TEST_F(BucketTest, AReplacingPutHasNoCondition) {
  EXPECT_EQ(bucket_->put("a", "", PutMode::replace, {}, soon()).outcome, Outcome::done);
  EXPECT_EQ(last().header("if-none-match"), "");
  EXPECT_EQ(last().header("content-length"), "0");
}

TEST_F(BucketTest, TheDateOfASignatureIsTheCallers) {
  const auto date = parse_iso_date("2015-08-30T23:59:59Z").value();
  EXPECT_EQ(create(date).outcome, Outcome::done);
  EXPECT_EQ(last().header("x-amz-date"), "20150830T235959Z");
  EXPECT_NE(last().header("authorization").find("Credential=AKID/20150830/"), std::string::npos);
}

TEST_F(BucketTest, OtherwiseItIsTheServersTime) {
  react({answer(200, "", {{"Date", http_date_in(40 * 86400)}})});
  (void)create();
  (void)create();
  const std::string date = last().header("x-amz-date");
  EXPECT_GE(date, signing_date(ServerClock::local() + 40 * 24h - 10s));
  EXPECT_LE(date, signing_date(ServerClock::local() + 40 * 24h + 10s));
}

TEST_F(BucketTest, ASkewIsCorrectedOnceByItself) {
  const Reaction skewed = error_answer(403, "RequestTimeTooSkewed", {{"Date", http_date_in(-86400)}});
  react({skewed, answer(200, "", {{"Date", http_date_in(-86400)}})});
  EXPECT_EQ(create().outcome, Outcome::done);
  const std::vector<SeenRequest> seen = server_.requests();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_GT(seen[0].header("x-amz-date"), seen[1].header("x-amz-date"));
  react({skewed});
  EXPECT_EQ(create().outcome, Outcome::throttled);  // the servers contradict themselves
  EXPECT_EQ(server_.requests().size(), 4U);
}

TEST_F(BucketTest, ASkewIsTooLateIfTheDateIsTheCallers) {
  react({error_answer(403, "RequestTimeTooSkewed")});
  const storage::Answer late = create(ServerClock::local() - 1h);
  EXPECT_EQ(late.outcome, Outcome::too_late);
  EXPECT_TRUE(late.date);
  EXPECT_EQ(server_.requests().size(), 1U);
}

TEST_F(BucketTest, ARegionIsLearntFromTheAnswer) {
  for (const Reaction& elsewhere :
       {error_answer(301, "PermanentRedirect", {{"x-amz-bucket-region", "eu-central-1"}}),
        error_answer(400, "AuthorizationHeaderMalformed", {}, "<Region>eu-central-1</Region>")}) {
    open("s3://bucket");
    react({elsewhere, answer(200)});
    EXPECT_EQ(create().outcome, Outcome::done);
    EXPECT_NE(last().header("authorization").find("/eu-central-1/s3/"), std::string::npos);
    const std::size_t requests = server_.requests().size();
    EXPECT_EQ(create().outcome, Outcome::done);
    EXPECT_NE(last().header("authorization").find("/eu-central-1/s3/"), std::string::npos);
    EXPECT_EQ(server_.requests().size(), requests + 1);
    react({elsewhere});
    EXPECT_EQ(create().outcome, Outcome::refused);  // what it says is what we did
    EXPECT_EQ(server_.requests().size(), requests + 2);
  }
}

TEST_F(BucketTest, ARegionThatIsNoneIsNotFollowed) {
  react({error_answer(301, "PermanentRedirect", {{"x-amz-bucket-region", "evil.example"}})});
  EXPECT_EQ(create().outcome, Outcome::refused);
  EXPECT_EQ(server_.requests().size(), 1U);
}

TEST_F(BucketTest, CredentialsThatExpiredAreReadAgain) {
  environment_.erase("AWS_ACCESS_KEY_ID");
  environment_.erase("AWS_SECRET_ACCESS_KEY");
  environment_["AWS_SHARED_CREDENTIALS_FILE"] = home_.at("c");
  const auto write = [&](const std::string& id) {
    std::ofstream(home_.at("c")) << "[default]\naws_access_key_id=" << id
                                 << "\naws_secret_access_key=SECRETWORD\naws_session_token=token-" << id << "\n";
  };
  write("one");
  open("s3://bucket");
  EXPECT_EQ(create().outcome, Outcome::done);
  EXPECT_EQ(last().header("x-amz-security-token"), "token-one");
  EXPECT_NE(last().header("authorization").find(";x-amz-security-token,"), std::string::npos);

  write("two");
  react({error_answer(400, "ExpiredToken"), answer(200)});
  EXPECT_EQ(create().outcome, Outcome::done);
  EXPECT_EQ(last().header("x-amz-security-token"), "token-two");

  react({error_answer(400, "ExpiredToken"), answer(200)});
  const storage::Answer refused = create();  // there are no newer ones
  EXPECT_EQ(refused.outcome, Outcome::refused);
  EXPECT_EQ(refused.why, "400 ExpiredToken: It says ExpiredToken.");
}

TEST_F(BucketTest, WithoutCredentialsNothingIsSentAndSomebodyMustGiveSome) {
  environment_.erase("AWS_ACCESS_KEY_ID");
  environment_.erase("AWS_SECRET_ACCESS_KEY");
  environment_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = refusing_url();
  open("s3://bucket");
  const storage::Answer refused = create();
  EXPECT_EQ(refused.outcome, Outcome::refused);
  EXPECT_NE(refused.why.find("no credentials in the environment"), std::string::npos);
  EXPECT_TRUE(server_.requests().empty());
  EXPECT_EQ(bucket_->counts().puts, 0U);
}

TEST_F(BucketTest, WhatCanNeverWorkIsRefusedAtOnce) {
  const auto refusal = [&](const std::string& where) -> std::string {
    try {
      open(where);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(refusal("s3://Bucket").find("lower-case"), std::string::npos);
  environment_["AWS_ENDPOINT_URL"] = "nonsense";
  EXPECT_NE(refusal("s3://bucket").find("of AWS_ENDPOINT_URL"), std::string::npos);
  environment_.erase("AWS_ENDPOINT_URL");
  EXPECT_NE(refusal("s3://name--x-s3").find("has its zone"), std::string::npos);
  EXPECT_NE(refusal("s3://name--use1-az4--x-s3").find("Set AWS_REGION"), std::string::npos);
  EXPECT_EQ(refusal("s3://bucket"), "");
  environment_.erase("AWS_SECRET_ACCESS_KEY");
  EXPECT_NE(refusal("s3://bucket").find("only one of"), std::string::npos);
}

TEST_F(BucketTest, AnswersThatSayNoAreOutcomes) {
  const auto outcome = [&](const Reaction& reaction) {
    react({reaction});
    return create().outcome;
  };
  EXPECT_EQ(outcome(error_answer(412, "PreconditionFailed")), Outcome::exists);
  EXPECT_EQ(outcome(error_answer(409, "ConditionalRequestConflict")), Outcome::conflict);
  EXPECT_EQ(outcome(error_answer(503, "SlowDown")), Outcome::throttled);
  EXPECT_EQ(outcome(answer(503, "<html>busy</html>")), Outcome::failed);
  EXPECT_EQ(outcome(error_answer(500, "InternalError")), Outcome::failed);
  EXPECT_EQ(outcome(error_answer(403, "AccessDenied")), Outcome::refused);
  EXPECT_EQ(outcome(chunked_answer(412, "<Error><Code>PreconditionFailed</Code></Error>")), Outcome::exists);
  EXPECT_EQ(outcome({"", Then::close}), Outcome::unanswered);
  EXPECT_EQ(outcome({"", Then::reset}), Outcome::unanswered);
}

TEST_F(BucketTest, AThrottledRequestSaysHowLong) {
  react({error_answer(503, "SlowDown", {{"Retry-After", "17"}})});
  const storage::Answer throttled = create();
  EXPECT_EQ(throttled.retry_after, 17s);
  EXPECT_EQ(throttled.why, "503 SlowDown: It says SlowDown.");
  react({error_answer(429, "TooManyRequests", {{"Retry-After", http_date_in(60)}, {"Date", http_date_in(0)}})});
  const base::Duration wait = create().retry_after;
  EXPECT_GE(wait, 59s);
  EXPECT_LE(wait, 61s);
}

TEST_F(BucketTest, ADenialAfterASecondSendingDeniesNothing) {
  react({answer(200), {"", Then::close}, error_answer(503, "SlowDown")});
  EXPECT_EQ(create().outcome, Outcome::done);
  const storage::Answer unsure = create();
  EXPECT_EQ(unsure.outcome, Outcome::unanswered);
  EXPECT_NE(unsure.why.find("sent twice"), std::string::npos);
  EXPECT_EQ(bucket_->counts().puts, 3U);
  react({answer(200), {"", Then::close}, error_answer(412, "PreconditionFailed")});
  EXPECT_EQ(create().outcome, Outcome::done);
  EXPECT_EQ(create().outcome, Outcome::exists);
  // The first sending of the first of two requests is as much of a sending.
  react({answer(200), {"", Then::close}, error_answer(403, "RequestTimeTooSkewed"), error_answer(503, "SlowDown")});
  EXPECT_EQ(create().outcome, Outcome::done);
  EXPECT_EQ(create().outcome, Outcome::unanswered);
}

TEST_F(BucketTest, ACallEndsAtItsDeadline) {
  react({{"", Then::hang}});
  EXPECT_EQ(bucket_->put("a", "b", PutMode::create, {}, base::now() + 100ms).outcome, Outcome::unanswered);
  EXPECT_EQ(bucket_->get("a", {}, base::now() + 100ms).outcome, Outcome::unanswered);
  EXPECT_EQ(bucket_->get("a", {}, base::now() - 1s).outcome, Outcome::unsent);
}

TEST_F(BucketTest, AGetGivesTheWholeObject) {
  react({answer(200, "hello")});
  const storage::Got got = get();
  EXPECT_EQ(got.outcome, Outcome::done);
  EXPECT_EQ(got.bytes, "hello");
  EXPECT_EQ(got.object_bytes, 5U);
  EXPECT_EQ(last().method + last().target, "GET/bucket/some/prefix/log/1");
  EXPECT_EQ(last().header("range"), "");
  react({chunked_answer(200, "hello")});
  EXPECT_EQ(get().bytes, "hello");
  react({answer(200)});
  EXPECT_EQ(get().outcome, Outcome::done);
  EXPECT_EQ(get().bytes, "");
}

TEST_F(BucketTest, AGetGivesAPart) {
  react({answer(206, "ell", {{"Content-Range", "bytes 1-3/5"}})});
  storage::Got got = get({1, 3});
  EXPECT_EQ(got.outcome, Outcome::done);
  EXPECT_EQ(got.bytes, "ell");
  EXPECT_EQ(got.object_bytes, 5U);
  EXPECT_EQ(last().header("range"), "bytes=1-3");
  EXPECT_NE(last().header("authorization").find("SignedHeaders=host;range;"), std::string::npos);

  react({answer(206, "lo", {{"Content-Range", "bytes 3-4/5"}})});
  EXPECT_EQ(get({3, 100}).bytes, "lo");
  EXPECT_EQ(last().header("range"), "bytes=3-102");
  EXPECT_EQ(get({3}).bytes, "lo");
  EXPECT_EQ(last().header("range"), "bytes=3-");
  EXPECT_EQ(get({3, ~0ULL - 1}).bytes, "lo");
  EXPECT_EQ(last().header("range"), "bytes=3-");

  react({error_answer(416, "InvalidRange")});
  got = get({5, 1});
  EXPECT_EQ(got.outcome, Outcome::done);
  EXPECT_EQ(got.bytes, "");
}

TEST_F(BucketTest, AGetOfAPartTakesItFromTheWholeIfTheServerKnowsNoRanges) {
  react({answer(200, "hello")});
  EXPECT_EQ(get({1, 3}).bytes, "ell");
  EXPECT_EQ(get({3}).bytes, "lo");
  EXPECT_EQ(get({5, 1}).bytes, "");
  EXPECT_EQ(get({7, 1}).bytes, "");
  EXPECT_EQ(get({1, 3}).object_bytes, 5U);
}

TEST_F(BucketTest, AGetOfAPartIsNotTakenForAnotherPart) {
  for (const char* range : {"bytes 0-2/5", "bytes 1-2/5", "bytes 1-4/5", "bytes 1-3/3", "bytes 1-3/*", "1-3/5", ""}) {
    react({answer(206, "ell", {{"Content-Range", range}})});
    EXPECT_EQ(get({1, 3}).outcome, Outcome::failed) << range;
  }
  react({answer(206, "el", {{"Content-Range", "bytes 1-2/5"}})});  // less than asked for, and there is more
  const storage::Got got = get({1, 3});
  EXPECT_EQ(got.outcome, Outcome::failed);
  EXPECT_EQ(got.bytes, "");
  EXPECT_NE(got.why, "");
  EXPECT_EQ(get().outcome, Outcome::failed);  // 206 for nothing
  react({answer(204)});
  EXPECT_EQ(get().outcome, Outcome::failed);
}

TEST_F(BucketTest, AGetOfWhatIsNotThereIsAbsent) {
  react({error_answer(404, "NoSuchKey")});
  const storage::Got absent = get();
  EXPECT_EQ(absent.outcome, Outcome::absent);
  EXPECT_TRUE(absent.date);
  react({error_answer(404, "NoSuchBucket")});
  EXPECT_EQ(get().outcome, Outcome::refused);
  react({error_answer(403, "AccessDenied")});
  EXPECT_NE(get().why.find("s3:ListBucket"), std::string::npos);
}

TEST_F(BucketTest, ABodyThatIsCutShortIsNeverGiven) {
  Reaction cut = answer(200, "hello");
  cut.bytes.pop_back();
  cut.then = Then::close;
  react({cut});
  const storage::Got got = get();
  EXPECT_EQ(got.outcome, Outcome::unanswered);
  EXPECT_EQ(got.bytes, "");
}

TEST_F(BucketTest, ARemoveIsDoneAlsoIfThereWasNothing) {
  react({answer(204)});
  EXPECT_EQ(bucket_->remove("log/1", soon()).outcome, Outcome::done);
  EXPECT_EQ(last().method + last().target, "DELETE/bucket/some/prefix/log/1");
  react({error_answer(404, "NoSuchKey")});
  EXPECT_EQ(bucket_->remove("log/1", soon()).outcome, Outcome::done);
}

std::string listing(const std::vector<std::string>& keys, const std::string& next) {
  std::string body = "<ListBucketResult>";
  for (const std::string& key : keys) {
    body += "<Contents><Key>" + key +
            "</Key><Size>7</Size><LastModified>2026-01-02T03:04:05.678Z</LastModified></Contents>";
  }
  body += "<EncodingType>url</EncodingType>";
  if (next.empty()) return body + "<IsTruncated>false</IsTruncated></ListBucketResult>";
  return body + "<IsTruncated>true</IsTruncated><NextContinuationToken>" + next +
         "</NextContinuationToken></ListBucketResult>";
}

TEST_F(BucketTest, AListingHasPagesOfRelativeKeys) {
  react({answer(200, listing({"some/prefix/log/2", "some%2Fprefix/log/1"}, "a/b+c=&amp;")),
         answer(200, listing({}, ""))});
  storage::Listing page = bucket_->list("log/", "", soon());
  EXPECT_EQ(page.outcome, Outcome::done);
  ASSERT_EQ(page.objects.size(), 2U);
  EXPECT_EQ(page.objects[0].key, "log/2");
  EXPECT_EQ(page.objects[1].key, "log/1");
  EXPECT_EQ(page.objects[1].bytes, 7U);
  EXPECT_EQ(page.objects[1].modified, parse_iso_date("2026-01-02T03:04:05Z"));
  EXPECT_EQ(last().target, "/bucket?encoding-type=url&list-type=2&prefix=some%2Fprefix%2Flog%2F");
  EXPECT_EQ(page.continuation, "a/b+c=&");
  page = bucket_->list("log/", page.continuation, soon());
  EXPECT_EQ(page.outcome, Outcome::done);
  EXPECT_EQ(page.continuation, "");
  EXPECT_EQ(last().target,
            "/bucket?continuation-token=a%2Fb%2Bc%3D%26&encoding-type=url&list-type=2&prefix=some%2Fprefix%2Flog%2F");
}

TEST_F(BucketTest, AListingIsUnderstoodWholeOrNotAtAll) {
  for (const std::string& body :
       {listing({"some/prefix/log/1", "other/prefix/log/2"}, ""), listing({"some/prefix/runs/1"}, ""),
        std::string("<html/>"), std::string(), listing({"some/prefix/log/1"}, "").substr(0, 100)}) {
    react({answer(200, body)});
    const storage::Listing page = bucket_->list("log/", "", soon());
    EXPECT_EQ(page.outcome, Outcome::failed) << body;
    EXPECT_TRUE(page.objects.empty());
    EXPECT_NE(page.why, "");
  }
}

TEST_F(BucketTest, AServerThatKnowsNoPagesIsNotListedForEver) {
  react({answer(200, listing({"some/prefix/log/1"}, "again"))});
  EXPECT_EQ(bucket_->list("log/", "", soon()).continuation, "again");
  const storage::Listing page = bucket_->list("log/", "again", soon());
  EXPECT_EQ(page.outcome, Outcome::failed);
  EXPECT_NE(page.why.find("the same page"), std::string::npos) << page.why;

  react(
      {answer(200,
              "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>some/prefix/a</NextKeyMarker>"
              "</ListMultipartUploadsResult>")});
  const storage::OpenUploads first = bucket_->list_uploads("", "", soon());
  EXPECT_EQ(first.outcome, Outcome::done);
  EXPECT_EQ(bucket_->list_uploads("", first.continuation, soon()).outcome, Outcome::failed);
}

TEST_F(BucketTest, AStoreMayHaveTheBucketForItself) {
  open("s3://bucket");
  react({answer(200, listing({"log/1"}, ""))});
  EXPECT_EQ(bucket_->list("", "", soon()).objects.at(0).key, "log/1");
  EXPECT_EQ(last().target, "/bucket?encoding-type=url&list-type=2&prefix=");
  EXPECT_EQ(create().outcome, Outcome::done);
  EXPECT_EQ(last().target, "/bucket/log/1");
}

TEST_F(BucketTest, AnUploadHasPartsAndAnEnd) {
  react({answer(200, "<InitiateMultipartUploadResult><UploadId>2~a/b</UploadId></InitiateMultipartUploadResult>")});
  const storage::Upload upload = bucket_->begin_upload("runs/1", soon());
  EXPECT_EQ(upload.outcome, Outcome::done);
  EXPECT_EQ(upload.id, "2~a/b");
  EXPECT_EQ(last().method + last().target, "POST/bucket/some/prefix/runs/1?uploads=");

  react({answer(200, "", {{"ETag", "\"t&1\""}})});
  const storage::Part part = bucket_->put_part("runs/1", upload.id, 2, "bytes", soon());
  EXPECT_EQ(part.outcome, Outcome::done);
  EXPECT_EQ(part.tag, "\"t&1\"");
  EXPECT_EQ(last().method + last().target, "PUT/bucket/some/prefix/runs/1?partNumber=2&uploadId=2~a%2Fb");
  EXPECT_EQ(last().body, "bytes");

  react({answer(200, "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")});
  EXPECT_EQ(bucket_->finish_upload("runs/1", upload.id, {"\"t&1\"", "t2"}, soon()).outcome, Outcome::done);
  EXPECT_EQ(last().method + last().target, "POST/bucket/some/prefix/runs/1?uploadId=2~a%2Fb");
  EXPECT_EQ(last().body,
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;t&amp;1&quot;</ETag></Part>"
            "<Part><PartNumber>2</PartNumber><ETag>t2</ETag></Part></CompleteMultipartUpload>");

  react({answer(204)});
  EXPECT_EQ(bucket_->abort_upload("runs/1", upload.id, soon()).outcome, Outcome::done);
  EXPECT_EQ(last().method + last().target, "DELETE/bucket/some/prefix/runs/1?uploadId=2~a%2Fb");
}

TEST_F(BucketTest, AnUploadMayBeGone) {
  react({error_answer(404, "NoSuchUpload")});
  EXPECT_EQ(bucket_->put_part("a", "id", 1, "b", soon()).outcome, Outcome::absent);
  EXPECT_EQ(bucket_->finish_upload("a", "id", {"t"}, soon()).outcome, Outcome::absent);
  EXPECT_EQ(bucket_->abort_upload("a", "id", soon()).outcome, Outcome::absent);
}

TEST_F(BucketTest, AnUploadThatSaysNothingUsefulIsNotDone) {
  react({answer(200, "")});
  EXPECT_EQ(bucket_->begin_upload("a", soon()).outcome, Outcome::failed);
  EXPECT_EQ(bucket_->put_part("a", "id", 1, "b", soon()).outcome, Outcome::failed);
}

TEST_F(BucketTest, TheEndOfAnUploadIsInItsBody) {
  const auto finish = [&](const Reaction& reaction) {
    react({reaction});
    return bucket_->finish_upload("a", "id", {"t"}, soon());
  };
  const storage::Answer failed = finish(error_answer(200, "InternalError"));
  EXPECT_EQ(failed.outcome, Outcome::failed);
  EXPECT_EQ(failed.why, "200, and then InternalError: It says InternalError.");
  EXPECT_EQ(finish(error_answer(200, "NoSuchUpload")).outcome, Outcome::absent);
  EXPECT_EQ(finish(error_answer(200, "SlowDown")).outcome, Outcome::failed);
  EXPECT_EQ(finish(answer(200, "  \n ")).outcome, Outcome::unanswered);
  EXPECT_EQ(finish(answer(200, "<CompleteMultipartUploadResult>")).outcome, Outcome::unanswered);
  EXPECT_EQ(finish(chunked_answer(200, "  \n <CompleteMultipartUploadResult/>")).outcome, Outcome::done);
  EXPECT_EQ(finish(error_answer(400, "InvalidPart")).outcome, Outcome::refused);
}

TEST_F(BucketTest, OpenUploadsHavePages) {
  const std::string upload =
      "<Upload><Key>some%2Fprefix/runs/1</Key><UploadId>2~a</UploadId><Initiated>2026-01-02T03:04:05Z</Initiated></"
      "Upload>";
  react({answer(200,
                "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
                "<NextKeyMarker>some%2Fprefix/a%252F</NextKeyMarker><NextUploadIdMarker>2~/+</NextUploadIdMarker>" +
                    upload + "</ListMultipartUploadsResult>"),
         answer(200, "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>")});
  storage::OpenUploads page = bucket_->list_uploads("runs/", "", soon());
  EXPECT_EQ(page.outcome, Outcome::done);
  ASSERT_EQ(page.uploads.size(), 1U);
  EXPECT_EQ(page.uploads[0].key, "runs/1");
  EXPECT_EQ(page.uploads[0].id, "2~a");
  EXPECT_EQ(last().target, "/bucket?encoding-type=url&prefix=some%2Fprefix%2Fruns%2F&uploads=");
  page = bucket_->list_uploads("runs/", page.continuation, soon());
  EXPECT_EQ(page.outcome, Outcome::done);
  EXPECT_EQ(page.continuation, "");
  EXPECT_EQ(last().target,
            "/bucket?encoding-type=url&key-marker=some%2Fprefix%2Fa%252F&prefix=some%2Fprefix%2Fruns%2F&"
            "upload-id-marker=2~%2F%2B&uploads=");
  react({answer(200, "<ListMultipartUploadsResult/>")});
  EXPECT_EQ(bucket_->list_uploads("runs/", "", soon()).outcome, Outcome::failed);
}

TEST_F(BucketTest, RequestsAreCountedByWhatTheyCost) {
  react({answer(200, "hello", {{"ETag", "e"}})});
  (void)create();
  (void)bucket_->put_part("a", "id", 1, "part", soon());
  (void)get();
  (void)get();
  react({answer(204)});
  (void)bucket_->remove("a", soon());
  (void)bucket_->abort_upload("a", "id", soon());
  react({error_answer(503, "SlowDown")});
  (void)bucket_->list("", "", soon());
  react({answer(500)});
  (void)bucket_->list_uploads("", "", soon());
  const storage::BucketCounts counts = bucket_->counts();
  EXPECT_EQ(counts.puts, 2U);
  EXPECT_EQ(counts.gets, 2U);
  EXPECT_EQ(counts.removes, 2U);
  EXPECT_EQ(counts.lists, 2U);
  EXPECT_EQ(counts.bytes_sent, 9U);
  EXPECT_GE(counts.bytes_received, 20U);
  EXPECT_EQ(counts.throttled, 1U);
  EXPECT_EQ(counts.undecided, 1U);
}

TEST_F(BucketTest, ManyThreadsUseItAtOnce) {
  react({answer(200, "hello")});
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        if (create().outcome == Outcome::done && get().bytes == "hello") ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 160);
  EXPECT_EQ(bucket_->counts().puts, 160U);
  EXPECT_LE(server_.connections(), 16);
}

TEST_F(BucketTest, AForksChildSendsNothing) {
  EXPECT_EQ(create().outcome, Outcome::done);
  const pid_t child = ::fork();
  if (child == 0) {
    const storage::Answer unsent = create();
    bucket_.reset();
    ::_exit(unsent.outcome == Outcome::unsent && unsent.why.find("fork") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(create().outcome, Outcome::done);
  EXPECT_EQ(server_.connections(), 1);
}

// S3 Express: sessions.
class ExpressTest : public ::testing::Test {
 protected:
  ExpressTest() {
    bucket_ = open_bucket("s3://name--use1-az4--x-s3/p", Settings{Environment{{"AWS_ACCESS_KEY_ID", "AKID"},
                                                                              {"AWS_SECRET_ACCESS_KEY", "secret"},
                                                                              {"AWS_SESSION_TOKEN", "outer"},
                                                                              {"AWS_ENDPOINT_URL", server_.url()}}});
  }
  Reaction react(const SeenRequest& request) {
    if (request.query() != "session=") return object_;
    EXPECT_EQ(request.method + request.path(), "GET/name--use1-az4--x-s3");
    EXPECT_NE(request.header("authorization").find("Credential=AKID/"), std::string::npos);
    EXPECT_NE(request.header("authorization").find("/s3express/"), std::string::npos);
    EXPECT_EQ(request.header("x-amz-security-token"), "outer");
    const std::string number = std::to_string(++sessions_);
    if (!creates_sessions_) return error_answer(503, "SlowDown");
    return answer(
        200, "<CreateSessionResult><Credentials><SessionToken>token-" + number +
                 "</SessionToken><SecretAccessKey>s</SecretAccessKey><AccessKeyId>session-" + number +
                 "</AccessKeyId><Expiration>2036-01-02T03:04:05Z</Expiration></Credentials></CreateSessionResult>");
  }
  storage::Answer create() { return bucket_->put("a", "b", PutMode::create, {}, soon()); }

  std::atomic<int> sessions_{0};
  std::atomic<bool> creates_sessions_{true};
  Reaction object_ = answer(200);
  CannedServer server_{[this](const SeenRequest& request) { return react(request); }};
  std::unique_ptr<Bucket> bucket_;
};

TEST_F(ExpressTest, RequestsAreSignedByASession) {
  EXPECT_EQ(create().outcome, Outcome::done);
  EXPECT_EQ(create().outcome, Outcome::done);
  EXPECT_EQ(sessions_, 1);
  const SeenRequest seen = server_.requests().back();
  EXPECT_EQ(seen.header("x-amz-s3session-token"), "token-1");
  EXPECT_EQ(seen.header("x-amz-security-token"), "");
  EXPECT_NE(seen.header("authorization").find("Credential=session-1/"), std::string::npos);
  EXPECT_NE(seen.header("authorization").find("/s3express/"), std::string::npos);
  EXPECT_NE(seen.header("authorization").find(";x-amz-s3session-token,"), std::string::npos);
}

TEST_F(ExpressTest, ASessionThatHasEndedIsReplaced) {
  EXPECT_EQ(create().outcome, Outcome::done);
  object_ = error_answer(400, "ExpiredToken");
  EXPECT_EQ(create().outcome, Outcome::refused);
  EXPECT_EQ(sessions_, 2);
  EXPECT_EQ(server_.requests().back().header("x-amz-s3session-token"), "token-2");
}

TEST_F(ExpressTest, WithoutASessionNothingIsSent) {
  creates_sessions_ = false;
  const storage::Answer unsent = create();
  EXPECT_EQ(unsent.outcome, Outcome::unsent);
  EXPECT_EQ(unsent.why, "CreateSession: 503 SlowDown: It says SlowDown.");
}

}  // namespace
}  // namespace ingot::s3
