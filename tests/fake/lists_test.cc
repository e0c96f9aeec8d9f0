// Listings of objects.
#include <algorithm>

#include "fake_test.h"

namespace ingot::fake_s3 {
namespace {

using Names = std::vector<std::string>;

class FakeLists : public FakeTest {
 protected:
  // All pages of a listing. `parameters`: with their names in order, from "delimiter=" on, behind the token.
  Names pages(HttpClient& from, const std::string& page_size, const std::string& parameters, std::size_t& count,
              const HttpHeaders& headers = {}) {
    Names names;
    std::string token;
    count = 0;
    do {
      const std::string continuation = token.empty() ? "" : "continuation-token=" + url_encode(token, false) + "&";
      const HttpAnswer page =
          from.get("/bucket?" + continuation + "list-type=2&max-keys=" + page_size + parameters, headers);
      EXPECT_EQ(outcome_of(page), "200");
      for (const std::string& name : page.elements("Key")) names.push_back(name);
      EXPECT_EQ(page.element("IsTruncated"), page.element("NextContinuationToken").empty() ? "false" : "true");
      token = page.element("NextContinuationToken");
      ++count;
    } while (!token.empty() && count < 1000);
    return names;
  }
};

TEST_F(FakeLists, PagesHoldEachKeyOnceInOrder) {
  start(Profile::aws);
  Names all;
  for (int i = 100; i < 125; ++i) {
    all.push_back("log/" + std::to_string(i));
    server().put(all.back(), "x");
  }
  server().put("lof", "x");
  server().put("loh", "x");
  for (const std::size_t size : {1U, 7U, 24U, 25U, 26U}) {
    std::size_t count = 0;
    EXPECT_EQ(pages(client(), std::to_string(size), "&prefix=log%2F", count), all);
    EXPECT_EQ(count, (25 + size - 1) / size) << size;
  }
}

TEST_F(FakeLists, AnEntrySaysWhatTheObjectIs) {
  start(Profile::aws);
  client().put("/bucket/key", "twelve bytes");
  const HttpAnswer page = client().get("/bucket?list-type=2");
  EXPECT_EQ(page.element("Name"), "bucket");
  EXPECT_EQ(page.element("KeyCount"), "1");
  EXPECT_EQ(page.element("MaxKeys"), "1000");
  EXPECT_EQ(page.element("Size"), "12");
  EXPECT_EQ(page.element("ETag"),
            "&quot;" + client().send("HEAD", "/bucket/key").header("etag").substr(1, 32) + "&quot;");
  const std::string modified = page.element("LastModified");
  EXPECT_EQ(modified.substr(10, 1), "T");
  EXPECT_EQ(modified.substr(19), ".000Z");
}

TEST_F(FakeLists, WhatLiesDeeperIsACommonPrefix) {
  start(Profile::aws);
  for (const char* key : {"a/1", "a/2", "b", "c/d/1", "c/e"}) server().put(key, "x");
  const HttpAnswer top = client().get("/bucket?delimiter=%2F&list-type=2");
  EXPECT_EQ(top.elements("Key"), Names{"b"});
  EXPECT_EQ(top.elements("Prefix"), (Names{"", "a/", "c/"}));
  EXPECT_EQ(top.element("KeyCount"), "3");
  const HttpAnswer below = client().get("/bucket?delimiter=%2F&list-type=2&prefix=c%2F");
  EXPECT_EQ(below.elements("Key"), Names{"c/e"});
  EXPECT_EQ(below.elements("Prefix"), (Names{"c/", "c/d/"}));
  // Page by page: a prefix counts as one, and none comes twice.
  const HttpAnswer first = client().get("/bucket?delimiter=%2F&list-type=2&max-keys=1");
  EXPECT_EQ(first.elements("Prefix"), (Names{"", "a/"}));
  const HttpAnswer second =
      client().get("/bucket?continuation-token=" + url_encode(first.element("NextContinuationToken"), false) +
                   "&delimiter=%2F&list-type=2&max-keys=1");
  EXPECT_EQ(second.elements("Key"), Names{"b"});
}

TEST_F(FakeLists, ListingsBeginAfterAnyKey) {
  start(Profile::aws);
  for (const char* key : {"a", "b", "c"}) server().put(key, "x");
  EXPECT_EQ(client().get("/bucket?list-type=2&start-after=a").elements("Key"), (Names{"b", "c"}));
  EXPECT_EQ(client().get("/bucket?list-type=2&start-after=aa").elements("Key"), (Names{"b", "c"}));
  EXPECT_EQ(client().get("/bucket?list-type=2&start-after=c").elements("Key"), Names{});
}

TEST_F(FakeLists, NamesAreEscapedOneWayOrTheOther) {
  start(Profile::aws);
  server().put("a <b>&c", "x");
  EXPECT_EQ(client().get("/bucket?list-type=2").element("Key"), "a &lt;b&gt;&amp;c");
  EXPECT_EQ(client().get("/bucket?encoding-type=url&list-type=2").element("Key"), "a+%3Cb%3E%26c");
}

TEST_F(FakeLists, WrongTokensAndNumbersAreRefused) {
  start(Profile::aws);
  for (const char* token : {"", "x", "1%2F%2B%3D%3D", "1%2F6g%2B%3D%3D"}) {
    EXPECT_EQ(outcome_of(client().get(std::string("/bucket?continuation-token=") + token + "&list-type=2")),
              "400 InvalidArgument")
        << token;
  }
  EXPECT_EQ(outcome_of(client().get("/bucket?list-type=2&max-keys=many")), "400 InvalidArgument");
  EXPECT_EQ(client().get("/bucket?list-type=2&max-keys=0").element("IsTruncated"), "false");
}

TEST_F(FakeLists, AtMostAThousandComeAtOnce) {
  start(Profile::aws);
  for (int i = 0; i < 1001; ++i) server().put("k" + std::to_string(10000 + i), "");
  const HttpAnswer page = client().get("/bucket?list-type=2&max-keys=5000");
  EXPECT_EQ(page.elements("Key").size(), 1000U);
  EXPECT_EQ(page.element("IsTruncated"), "true");
}

TEST_F(FakeLists, ADirectoryBucketListsInNoOrder) {
  start(Profile::express);
  Names all;
  for (int i = 100; i < 120; ++i) {
    all.push_back("log/" + std::to_string(i));
    server().put(all.back(), "x");
  }
  server().put("top", "x");
  const HttpAnswer session = client().get("/bucket?session=");
  ASSERT_EQ(outcome_of(session), "200");
  S3Place with_session = place();
  with_session.access_key = session.element("AccessKeyId");
  with_session.secret_key = session.element("SecretAccessKey");
  HttpClient inside(with_session);
  const HttpHeaders token{"x-amz-s3session-token: " + session.element("SessionToken")};
  std::size_t count = 0;
  Names listed = pages(inside, "6", "&prefix=log%2F", count, token);
  EXPECT_EQ(count, 4U);
  EXPECT_FALSE(std::is_sorted(listed.begin(), listed.end()));
  std::sort(listed.begin(), listed.end());
  EXPECT_EQ(listed, all);
  EXPECT_EQ(outcome_of(inside.get("/bucket?list-type=2&prefix=lo", token)), "400 InvalidArgument");
  EXPECT_EQ(outcome_of(inside.get("/bucket?list-type=2&start-after=a", token)), "400 InvalidArgument");
  EXPECT_EQ(outcome_of(inside.get("/bucket?delimiter=-&list-type=2", token)), "400 InvalidArgument");
  const HttpAnswer top = inside.get("/bucket?delimiter=%2F&list-type=2", token);
  EXPECT_EQ(top.elements("Key"), Names{"top"});
  EXPECT_EQ(top.elements("Prefix"), (Names{"", "log/"}));
}

}  // namespace
}  // namespace ingot::fake_s3
