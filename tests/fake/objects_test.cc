// The verbs for single objects and buckets, as S3 documents them.
#include "fake_test.h"
#include "support/fake_s3/digest.h"

namespace ingot::fake_s3 {
namespace {

class FakeObjects : public FakeTest {
 protected:
  void SetUp() override { start(Profile::aws); }
};

TEST_F(FakeObjects, AnObjectComesBackAsItWasPut) {
  const std::string body("bytes with \0 and \xff", 18);
  const HttpAnswer put = client().put("/bucket/dir/key", body, {"x-amz-meta-mood: good"});
  ASSERT_EQ(outcome_of(put), "200");
  EXPECT_EQ(put.header("etag"), '"' + hex(md5(body)) + '"');
  const HttpAnswer got = client().get("/bucket/dir/key");
  EXPECT_EQ(outcome_of(got), "200");
  EXPECT_EQ(got.body, body);
  EXPECT_EQ(got.header("etag"), put.header("etag"));
  EXPECT_EQ(got.header("content-length"), "18");
  EXPECT_EQ(got.header("content-type"), "binary/octet-stream");
  EXPECT_EQ(got.header("accept-ranges"), "bytes");
  EXPECT_EQ(got.header("x-amz-meta-mood"), "good");
  EXPECT_NE(got.header("x-amz-request-id"), "");
  EXPECT_TRUE(parse_date(got.header("date"))) << got.header("date");
  EXPECT_TRUE(parse_date(got.header("last-modified"))) << got.header("last-modified");
}

TEST_F(FakeObjects, HeadIsGetWithoutTheBytes) {
  server().put("key", "twelve bytes");
  const HttpAnswer head = client().send("HEAD", "/bucket/key");
  EXPECT_EQ(outcome_of(head), "200");
  EXPECT_EQ(head.header("content-length"), "12");
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(client().send("HEAD", "/bucket/missing").status, 404);
  EXPECT_EQ(server().journal().connections(), 1U) << "no byte of a body broke the connection";
}

TEST_F(FakeObjects, ARangeIsWhatTheObjectHasOfIt) {
  server().put("key", "0123456789");
  const auto range = [&](const std::string& value) {
    const HttpAnswer answer = client().get("/bucket/key", {"Range: bytes=" + value});
    return outcome_of(answer) + " [" + answer.body.substr(0, 10) + "] " + answer.header("content-range");
  };
  EXPECT_EQ(range("2-4"), "206 [234] bytes 2-4/10");
  EXPECT_EQ(range("0-0"), "206 [0] bytes 0-0/10");
  EXPECT_EQ(range("7-"), "206 [789] bytes 7-9/10");
  EXPECT_EQ(range("7-99"), "206 [789] bytes 7-9/10");
  EXPECT_EQ(range("-3"), "206 [789] bytes 7-9/10");
  EXPECT_EQ(range("-99"), "206 [0123456789] bytes 0-9/10");
  EXPECT_EQ(range("4-2"), "200 [0123456789] ");
  EXPECT_EQ(range("1-2,4-5"), "200 [0123456789] ");
  const HttpAnswer beyond = client().get("/bucket/key", {"Range: bytes=10-"});
  EXPECT_EQ(outcome_of(beyond), "416 InvalidRange");
  EXPECT_EQ(beyond.element("ActualObjectSize"), "10");
  server().put("empty", "");
  EXPECT_EQ(outcome_of(client().get("/bucket/empty", {"Range: bytes=0-"})), "416 InvalidRange");
  EXPECT_EQ(outcome_of(client().get("/bucket/empty")), "200");
}

TEST_F(FakeObjects, WhatIsNotThereIsSaid) {
  const HttpAnswer key = client().get("/bucket/missing");
  EXPECT_EQ(outcome_of(key), "404 NoSuchKey");
  EXPECT_EQ(key.element("Key"), "missing");
  EXPECT_EQ(key.header("content-type"), "application/xml");
  EXPECT_EQ(outcome_of(client().get("/other/key")), "404 NoSuchBucket");
  EXPECT_EQ(outcome_of(client().put("/other/key", "x")), "404 NoSuchBucket");
  EXPECT_EQ(outcome_of(client().get("/other?list-type=2")), "404 NoSuchBucket");
}

TEST_F(FakeObjects, ADeleteIsDoneWhetherOrNotThereWasOne) {
  server().put("key", "x");
  EXPECT_EQ(outcome_of(client().send("DELETE", "/bucket/key")), "204");
  EXPECT_EQ(outcome_of(client().send("DELETE", "/bucket/key")), "204");
  EXPECT_EQ(server().keys_in(), std::vector<std::string>{});
}

TEST_F(FakeObjects, ManyAreDeletedAtOnce) {
  for (const char* key : {"a", "b&c", "d"}) server().put(key, "x");
  const std::string body =
      "<Delete><Object><Key>a</Key></Object><Object><Key>b&amp;c</Key></Object><Object><Key>never</Key></Object></"
      "Delete>";
  EXPECT_EQ(outcome_of(client().send("POST", "/bucket?delete=", body)), "400 InvalidRequest") << "needs a hash";
  const HttpAnswer answer = client().send("POST", "/bucket?delete=", body, {"Content-MD5: " + base64(md5(body))});
  EXPECT_EQ(outcome_of(answer), "200");
  EXPECT_EQ(answer.elements("Key"), (std::vector<std::string>{"a", "b&amp;c", "never"}));
  EXPECT_EQ(server().keys_in(), std::vector<std::string>{"d"});
  const std::string broken = "<Delete><Object><Key>d</Object></Delete>";
  EXPECT_EQ(outcome_of(client().send("POST", "/bucket?delete=", broken, {"Content-MD5: " + base64(md5(broken))})),
            "400 MalformedXML");
}

TEST_F(FakeObjects, HashesThatComeWithABodyAreCompared) {
  EXPECT_EQ(outcome_of(client().put("/bucket/k", "x", {"Content-MD5: " + base64(md5("y"))})), "400 BadDigest");
  EXPECT_EQ(outcome_of(client().put("/bucket/k", "x", {"x-amz-checksum-sha256: " + base64(sha256("y"))})),
            "400 BadDigest");
  EXPECT_EQ(outcome_of(client().put("/bucket/k", "x", {"x-amz-checksum-sha256: " + base64(sha256("x"))})), "200");
}

TEST_F(FakeObjects, BucketsAreMadeAndRemoved) {
  EXPECT_EQ(outcome_of(client().put("/second", "")), "200");
  EXPECT_EQ(outcome_of(client().put("/second", "")), "409 BucketAlreadyOwnedByYou");
  EXPECT_EQ(client().get("/").elements("Name"), (std::vector<std::string>{"bucket", "second"}));
  EXPECT_EQ(client().send("HEAD", "/second").status, 200);
  EXPECT_EQ(client().send("HEAD", "/third").status, 404);
  client().put("/second/key", "x");
  EXPECT_EQ(outcome_of(client().send("DELETE", "/second")), "409 BucketNotEmpty");
  client().send("DELETE", "/second/key");
  EXPECT_EQ(outcome_of(client().send("DELETE", "/second")), "204");
  EXPECT_EQ(client().send("HEAD", "/second").status, 404);
}

TEST_F(FakeObjects, ConditionsOfReads) {
  server().put("key", "x");
  const std::string tag = client().send("HEAD", "/bucket/key").header("etag");
  EXPECT_EQ(outcome_of(client().get("/bucket/key", {"If-None-Match: " + tag})), "304");
  EXPECT_EQ(outcome_of(client().get("/bucket/key", {"If-None-Match: \"other\""})), "200");
  EXPECT_EQ(outcome_of(client().get("/bucket/key", {"If-Match: \"other\""})), "412 PreconditionFailed");
  EXPECT_EQ(outcome_of(client().get("/bucket/key", {"If-Match: " + tag})), "200");
}

TEST_F(FakeObjects, WhatIsNotImplementedIsRefusedAndNotPassedOver) {
  EXPECT_EQ(outcome_of(client().get("/bucket?acl=")), "501 NotImplemented");
  EXPECT_EQ(outcome_of(client().get("/bucket")), "501 NotImplemented") << "ListObjects of 2006";
  EXPECT_EQ(outcome_of(client().put("/bucket/k", "x", {"x-amz-storage-class: GLACIER"})), "501 NotImplemented");
  EXPECT_EQ(outcome_of(client().put("/bucket/k", "x", {"If-Unmodified-Since: Fri, 24 May 2013 00:00:00 GMT"})),
            "501 NotImplemented");
  EXPECT_EQ(outcome_of(client().put("/bucket/k", "x", {"If-None-Match: \"tag\""})), "501 NotImplemented");
  EXPECT_EQ(outcome_of(client().send("POST", "/bucket/k", "x")), "405 MethodNotAllowed");
  EXPECT_EQ(server().keys_in(), std::vector<std::string>{});
}

}  // namespace
}  // namespace ingot::fake_s3
