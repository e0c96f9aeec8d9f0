// Addresses of stores, and of servers.
#include "s3/location.h"

#include <gtest/gtest.h>

#include "ingot/error.h"
#include "s3/endpoint.h"

namespace ingot::s3 {
namespace {

// The sentence with which something is refused; empty: it is not.
template <class Call>
std::string refusal(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.what();
  }
  return {};
}

std::string refused(const std::string& where) {
  return refusal([&] { (void)parse_location(where); });
}

void expect_location(const std::string& where, const std::string& bucket, const std::string& prefix) {
  const Location location = parse_location(where);
  EXPECT_EQ(location.bucket, bucket) << where;
  EXPECT_EQ(location.prefix, prefix) << where;
}

TEST(ParseLocation, TakesABucketAndAPrefix) {
  expect_location("s3://bucket", "bucket", "");
  expect_location("s3://bucket/", "bucket", "");
  expect_location("s3://my.bucket-1/prefix", "my.bucket-1", "prefix");
  expect_location("s3://bucket/a/B_c/d.e-f/", "bucket", "a/B_c/d.e-f");
  expect_location("s3://abc/..a", "abc", "..a");
  expect_location("s3://" + std::string(63, 'a') + "/" + std::string(kPrefixBytesMax, 'p'), std::string(63, 'a'),
                  std::string(kPrefixBytesMax, 'p'));
}

TEST(ParseLocation, KeysBeginWithThePrefix) {
  EXPECT_EQ(parse_location("s3://bucket").key_prefix(), "");
  EXPECT_EQ(parse_location("s3://bucket/a/b/").key_prefix(), "a/b/");
  EXPECT_EQ(parse_location("s3://bucket/a/b/").text(), "s3://bucket/a/b");
  EXPECT_EQ(parse_location("s3://bucket/").text(), "s3://bucket");
}

TEST(ParseLocation, RefusesWithTheRuleThatIsBroken) {
  EXPECT_NE(refused("https://bucket").find("begins with s3://"), std::string::npos);
  EXPECT_NE(refused("S3://bucket").find("begins with s3://"), std::string::npos);
  for (const char* where : {"s3://", "s3:///prefix"}) {
    EXPECT_NE(refused(where).find("the bucket's name is missing"), std::string::npos) << where;
  }
  for (const std::string& where : {std::string("s3://ab"), "s3://" + std::string(64, 'a')}) {
    EXPECT_NE(refused(where).find("3 to 63 characters"), std::string::npos) << where;
  }
  for (const char* where : {"s3://Bucket", "s3://my_bucket", "s3://bu cket", "s3://bucket?x", "s3://bück"}) {
    EXPECT_NE(refused(where).find("only lower-case letters"), std::string::npos) << where;
  }
  for (const char* where : {"s3://-bucket", "s3://bucket-/a", "s3://.bucket", "s3://bucket."}) {
    EXPECT_NE(refused(where).find("begins and ends"), std::string::npos) << where;
  }
  EXPECT_NE(refused("s3://a..b").find("no \"..\""), std::string::npos);
  EXPECT_NE(refused("s3://192.168.0.1/a").find("IP address"), std::string::npos);
  for (const char* where : {"s3://bucket//", "s3://bucket/a//b", "s3://bucket//a", "s3://bucket/a//", "s3://bucket/.",
                            "s3://bucket/a/../b", "s3://bucket/.."}) {
    EXPECT_NE(refused(where).find("no part of a prefix"), std::string::npos) << where;
  }
  for (const char* where : {"s3://bucket/a b", "s3://bucket/a?b", "s3://bucket/a#b", "s3://bucket/a%20",
                            "s3://bucket/ä", "s3://bucket/a\nb"}) {
    EXPECT_NE(refused(where).find("a prefix has only"), std::string::npos) << where;
  }
  EXPECT_NE(refused("s3://bucket/" + std::string(kPrefixBytesMax + 1, 'p')).find("512 bytes, the limit is 511"),
            std::string::npos);
}

TEST(ParseEndpoint, TakesServersWithPortsAndPaths) {
  const auto text = [](const char* url) {
    const Endpoint endpoint = parse_endpoint(url, "a test");
    return endpoint.scheme + " " + endpoint.host + " " + endpoint.path;
  };
  EXPECT_EQ(text("https://s3.example.com"), "https s3.example.com ");
  EXPECT_EQ(text("HTTP://Example.com:9000/"), "http example.com:9000 ");
  EXPECT_EQ(text("https://example.com:443/a/b//"), "https example.com /a/b");
  EXPECT_EQ(text("http://example.com:80"), "http example.com ");
  EXPECT_EQ(text("http://example.com:443"), "http example.com:443 ");
  EXPECT_EQ(text("http://[::1]:9000"), "http [::1]:9000 ");
  EXPECT_EQ(text("http://[::1]"), "http [::1] ");
}

TEST(ParseEndpoint, RefusesTheRestAndSaysWhoSaidIt) {
  for (const char* url :
       {"", "example.com", "ftp://example.com", "https://", "https:///path", "https://exa mple",
        "https://a:b@example.com", "https://example.com:0", "https://example.com:65536", "https://example.com:x",
        "https://example.com:", "https://example.com/?a", "https://example.com/a b", "https://example.com/a//b",
        "https://example.com/../a", "https://example.com?x", "http://[::1", "http://[zz]"}) {
    const std::string sentence = refusal([&] { (void)parse_endpoint(url, "AWS_ENDPOINT_URL"); });
    EXPECT_NE(sentence.find("of AWS_ENDPOINT_URL: "), std::string::npos) << url << " " << sentence;
  }
}

TEST(ParseEndpoint, NeverShowsAPassword) {
  for (const char* url : {"http://user:sesame@10.0.0.1:9000", "https://sesame@example.com/a", "http://a:sesame@b@c/"}) {
    const std::string sentence = refusal([&] { (void)parse_endpoint(url, "AWS_ENDPOINT_URL"); });
    EXPECT_EQ(sentence.find("sesame"), std::string::npos) << sentence;
    EXPECT_NE(sentence.find("AWS_ACCESS_KEY_ID"), std::string::npos) << sentence;
  }
}

std::string routed(const std::string& where, const std::string& region, const std::string& endpoint = {},
                   AwsEndpoints aws = {}) {
  std::optional<Endpoint> custom;
  if (!endpoint.empty()) custom = parse_endpoint(endpoint, "a test");
  const Route route = route_to(parse_location(where), custom, aws, region);
  return route.endpoint.scheme + "://" + route.endpoint.host + route.path("key/1") + " " + route.path("");
}

TEST(RouteTo, PutsTheBucketIntoTheHostAtAws) {
  EXPECT_EQ(routed("s3://bucket", "eu-central-1"), "https://bucket.s3.eu-central-1.amazonaws.com/key/1 /");
  EXPECT_EQ(routed("s3://bucket", "cn-north-1"), "https://bucket.s3.cn-north-1.amazonaws.com.cn/key/1 /");
  EXPECT_EQ(routed("s3://bucket", "eu-central-1", "", {true, true}),
            "https://bucket.s3-fips.dualstack.eu-central-1.amazonaws.com/key/1 /");
}

TEST(RouteTo, PutsItIntoThePathElsewhereAndIfItHasDots) {
  EXPECT_EQ(routed("s3://my.bucket", "eu-central-1"),
            "https://s3.eu-central-1.amazonaws.com/my.bucket/key/1 /my.bucket");
  EXPECT_EQ(routed("s3://bucket", "r", "http://127.0.0.1:9000"), "http://127.0.0.1:9000/bucket/key/1 /bucket");
  EXPECT_EQ(routed("s3://bucket", "r", "http://host/gateway/"), "http://host/gateway/bucket/key/1 /gateway/bucket");
}

TEST(RouteTo, FindsTheZoneOfADirectoryBucket) {
  EXPECT_EQ(routed("s3://base--use1-az4--x-s3", "us-east-1"),
            "https://base--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com/key/1 /");
  EXPECT_EQ(express_zone("a--b--use1-az4--x-s3"), "use1-az4");
  EXPECT_EQ(express_zone("name--x-s3"), "");
  EXPECT_EQ(express_zone("bucket"), "");
}

TEST(IsRegion, IsWhatCanStandInAHostsName) {
  EXPECT_TRUE(is_region("eu-central-1"));
  EXPECT_TRUE(is_region(std::string(64, 'a')));
  for (const std::string& name :
       {std::string(), std::string("a.b"), std::string("a/b"), std::string("EU"), std::string(65, 'a')}) {
    EXPECT_FALSE(is_region(name)) << name;
  }
}

}  // namespace
}  // namespace ingot::s3
