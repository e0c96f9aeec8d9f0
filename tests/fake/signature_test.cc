// Signatures: the examples of AWS's documentation, and what is refused.
#include "support/fake_s3/signature.h"

#include "fake_test.h"
#include "support/fake_s3/digest.h"
#include "support/fake_s3/error.h"

namespace ingot::fake_s3 {
namespace {

const Seconds kDocumented = *parse_date("20130524T000000Z");

// docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "Examples: Signature calculations"
Request documented(const std::string& method, const std::string& target, Fields headers,
                   const std::string& signed_headers, const std::string& signature, const std::string& body = {}) {
  const std::size_t question = target.find('?');
  Request request{method, target.substr(0, question),
                  question == std::string::npos ? std::string() : target.substr(question + 1), std::move(headers),
                  body};
  request.headers.emplace_back("host", "examplebucket.s3.amazonaws.com");
  request.headers.emplace_back("x-amz-content-sha256", hex(sha256(body)));
  request.headers.emplace_back("x-amz-date", "20130524T000000Z");
  request.headers.emplace_back("authorization",
                               "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
                               "SignedHeaders=" +
                                   signed_headers + ",Signature=" + signature);
  return request;
}

Request documented_get() {
  return documented("GET", "/test.txt", {{"range", "bytes=0-9"}}, "host;range;x-amz-content-sha256;x-amz-date",
                    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

// "right", or the error.
std::string verdict(const Request& request, Seconds now = kDocumented, const std::string& region = "us-east-1") {
  Keys keys;
  keys.add({"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", {}, false, ""});
  try {
    verify_signature(request, keys, behaviour_of(Profile::aws), region, now);
    return "right";
  } catch (const S3Error& error) {
    return std::to_string(error.status) + " " + error.code;
  }
}

void replace(Request& request, const std::string& name, const std::string& value) {
  for (auto& [key, old] : request.headers) {
    if (key == name) old = value;
  }
}

TEST(Signature, TheDocumentedExamplesAreRight) {
  EXPECT_EQ(verdict(documented_get()), "right");
  EXPECT_EQ(
      verdict(documented("PUT", "/test$file.text",
                         {{"date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                         "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                         "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd", "Welcome to Amazon S3.")),
      "right");
  EXPECT_EQ(verdict(documented("GET", "/?lifecycle", {}, "host;x-amz-content-sha256;x-amz-date",
                               "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")),
            "right");
  EXPECT_EQ(verdict(documented("GET", "/?max-keys=2&prefix=J", {}, "host;x-amz-content-sha256;x-amz-date",
                               "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")),
            "right");
}

TEST(Signature, TheOrderOfParametersAndTheFormOfEscapesDoNotMatter) {
  EXPECT_EQ(verdict(documented("GET", "/?prefix=%4a&max-keys=2", {}, "host;x-amz-content-sha256;x-amz-date",
                               "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")),
            "right");
  Request escaped = documented_get();
  escaped.path = "/%74est.txt";
  EXPECT_EQ(verdict(escaped), "right");
}

TEST(Signature, WhateverIsSignedMayNotChange) {
  for (const auto& change : std::vector<std::function<void(Request&)>>{
           [](Request& it) { it.method = "PUT"; }, [](Request& it) { it.path = "/test.txu"; },
           [](Request& it) { it.query = "a"; }, [](Request& it) { replace(it, "range", "bytes=0-8"); },
           [](Request& it) { replace(it, "host", "examplebucke.s3.amazonaws.com"); },
           [](Request& it) { replace(it, "x-amz-date", "20130524T000001Z"); }}) {
    Request request = documented_get();
    change(request);
    EXPECT_EQ(verdict(request), "403 SignatureDoesNotMatch");
  }
}

TEST(Signature, ABodyMustBeItsHashUnlessItIsNotSigned) {
  Request request = documented_get();
  request.body = "x";
  EXPECT_EQ(verdict(request), "400 XAmzContentSHA256Mismatch");
}

TEST(Signature, WhatS3DemandsOfHeadersIsDemanded) {
  Request unsigned_header = documented_get();
  unsigned_header.headers.emplace_back("x-amz-meta-a", "b");
  EXPECT_EQ(verdict(unsigned_header), "403 AccessDenied");
  Request without_authorization = documented_get();
  without_authorization.headers.pop_back();
  EXPECT_EQ(verdict(without_authorization), "403 AccessDenied");
  Request old_signature = documented_get();
  replace(old_signature, "authorization", "AWS AKIAIOSFODNN7EXAMPLE:abc");
  EXPECT_EQ(verdict(old_signature), "501 NotImplemented");
  Request other_key = documented_get();
  replace(other_key, "authorization",
          "AWS4-HMAC-SHA256 Credential=OTHER/20130524/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=0");
  EXPECT_EQ(verdict(other_key), "403 InvalidAccessKeyId");
  EXPECT_EQ(verdict(documented_get(), kDocumented, "eu-west-1"), "400 AuthorizationHeaderMalformed");
}

TEST(Signature, ItsDateMayBeAQuarterOfAnHourOffAndNoMore) {
  for (const int sign : {1, -1}) {
    EXPECT_EQ(verdict(documented_get(), kDocumented + sign * std::chrono::seconds(900)), "right");
    EXPECT_EQ(verdict(documented_get(), kDocumented + sign * std::chrono::seconds(901)), "403 RequestTimeTooSkewed");
  }
}

class SignatureOverHttp : public FakeTest {};

TEST_F(SignatureOverHttp, LibcurlSignsAsWeVerify) {
  start(Profile::aws);
  EXPECT_EQ(outcome_of(client().put("/bucket/a%20b/%C3%A4", "unsigned body")), "200");
  EXPECT_EQ(server().bytes_of("a b/ä"), "unsigned body");
  const std::string body = "signed body";
  EXPECT_EQ(outcome_of(client().put("/bucket/k", body, {"x-amz-content-sha256: " + hex(sha256(body))})), "200");
  EXPECT_EQ(outcome_of(client().put("/bucket/k", body, {"x-amz-content-sha256: " + hex(sha256("other"))})),
            "400 XAmzContentSHA256Mismatch");
  EXPECT_EQ(outcome_of(client().put("/bucket/k", body, {"x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD"})),
            "501 NotImplemented");
  EXPECT_EQ(outcome_of(client().send_unsigned("GET", "/bucket/k")), "403 AccessDenied");
}

TEST_F(SignatureOverHttp, AVirtualHostNamesTheBucket) {
  start(Profile::aws);
  server().put("dir/k", "bytes");
  S3Place virtual_host = place();
  virtual_host.endpoint = "http://bucket.localhost:" + std::to_string(server().port());
  HttpClient there(virtual_host);
  EXPECT_EQ(there.get("/dir/k").body, "bytes");
  EXPECT_EQ(there.get("/?list-type=2").elements("Key"), std::vector<std::string>{"dir/k"});
}

TEST_F(SignatureOverHttp, WrongCredentialsAreToldApart) {
  start(Profile::aws);
  S3Place other = place();
  other.access_key = "somebody";
  EXPECT_EQ(outcome_of(HttpClient(other).get("/bucket/k")), "403 InvalidAccessKeyId");
  other = place();
  other.secret_key = "guessed";
  EXPECT_EQ(outcome_of(HttpClient(other).get("/bucket/k")), "403 SignatureDoesNotMatch");
  other = place();
  other.region = "eu-west-1";
  const HttpAnswer answer = HttpClient(other).get("/bucket/k");
  EXPECT_EQ(outcome_of(answer), "400 AuthorizationHeaderMalformed");
  EXPECT_EQ(answer.element("Region"), "us-east-1");
  server().keys().expire(place().access_key);
  EXPECT_EQ(outcome_of(client().get("/bucket/k")), "400 ExpiredToken");
}

TEST_F(SignatureOverHttp, ATokenMustComeWithItsKey) {
  start(Options{.session_token = "token/+="});
  EXPECT_EQ(outcome_of(client().get("/bucket/k")), "400 InvalidToken");
  EXPECT_EQ(outcome_of(client().get("/bucket/k", {"x-amz-security-token: token/+="})), "404 NoSuchKey");
}

TEST_F(SignatureOverHttp, TheServersClockDecides) {
  start(Profile::aws);
  for (const int minutes : {-16, 16}) {
    server().set_clock_offset(std::chrono::minutes(minutes));
    const HttpAnswer answer = client().get("/bucket/k");
    EXPECT_EQ(outcome_of(answer), "403 RequestTimeTooSkewed");
    EXPECT_EQ(answer.element("MaxAllowedSkewMilliseconds"), "900000");
    const Seconds said = *parse_date(answer.header("date"));
    EXPECT_LE(server().date() - said, std::chrono::seconds(20));
  }
  server().set_clock_offset(std::chrono::minutes(14));
  EXPECT_EQ(outcome_of(client().get("/bucket/k")), "404 NoSuchKey");
}

TEST_F(SignatureOverHttp, ServersOfOneBucketMayDiffer) {
  start(Profile::aws);
  server().set_skews({std::chrono::hours(-1), std::chrono::hours(1)});
  std::vector<Seconds> dates;
  for (int i = 0; i < 2; ++i) dates.push_back(*parse_date(HttpClient(place()).get("/bucket/k").header("date")));
  const auto apart = dates[1] > dates[0] ? dates[1] - dates[0] : dates[0] - dates[1];
  EXPECT_NEAR(static_cast<double>(apart.count()), 7200, 60);
}

}  // namespace
}  // namespace ingot::fake_s3
