// SigV4 against the examples that AWS publishes, and the hashes against those of NIST and RFC 4231.
#include "s3/signature.h"

#include <gtest/gtest.h>

#include "s3/dates.h"
#include "s3/encoding.h"
#include "s3/sha256.h"

namespace ingot::s3 {
namespace {

constexpr const char* kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

storage::BucketDate date(const char* iso) {
  return parse_iso_date(iso).value();
}

TEST(Sha256, IsThatOfTheStandard) {
  EXPECT_EQ(hexadecimal(sha256("").view()), kEmptySha256);
  EXPECT_EQ(hexadecimal(sha256("abc").view()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hexadecimal(sha256(std::string(1'000'000, 'a')).view()),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(HmacSha256, IsThatOfRfc4231) {
  EXPECT_EQ(hexadecimal(hmac_sha256("Jefe", "what do ya want for nothing?").view()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hexadecimal(
                hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First").view()),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
class S3Examples : public testing::Test {
 protected:
  static std::string signature(const Unsigned& request) {
    const Credentials credentials{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", {}};
    return authorization(request, date("2013-05-24T00:00:00Z"), {"us-east-1", "s3"}, credentials);
  }
  static std::vector<Header> headers(const std::string& sha256_of_body, std::vector<Header> more) {
    more.push_back({"host", "examplebucket.s3.amazonaws.com"});
    more.push_back({"x-amz-date", "20130524T000000Z"});
    more.push_back({"x-amz-content-sha256", sha256_of_body});
    return more;
  }
};

TEST_F(S3Examples, GetOfARange) {
  const auto signed_headers = headers(kEmptySha256, {{"range", "bytes=0-9"}});
  EXPECT_EQ(signature({"GET", "/test.txt", "", signed_headers, kEmptySha256}),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST_F(S3Examples, PutOfAnObject) {
  const std::string body_sha256 = hexadecimal(sha256("Welcome to Amazon S3.").view());
  EXPECT_EQ(body_sha256, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
  const auto signed_headers =
      headers(body_sha256, {{"date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}});
  const std::string path = "/" + uri_encode("test$file.text", Slashes::kept);
  EXPECT_TRUE(signature({"PUT", path, "", signed_headers, body_sha256})
                  .ends_with("SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
                             "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
}

TEST_F(S3Examples, AQueryWithoutAValue) {
  const auto signed_headers = headers(kEmptySha256, {});
  EXPECT_TRUE(signature({"GET", "/", canonical_query({{"lifecycle", ""}}), signed_headers, kEmptySha256})
                  .ends_with("=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
}

TEST_F(S3Examples, AListing) {
  const auto signed_headers = headers(kEmptySha256, {});
  const std::string query = canonical_query({{"prefix", "J"}, {"max-keys", "2"}});
  EXPECT_EQ(query, "max-keys=2&prefix=J");
  EXPECT_TRUE(signature({"GET", "/", query, signed_headers, kEmptySha256})
                  .ends_with("=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
}

// From the test suite of AWS Signature Version 4.
class GeneralExamples : public testing::Test {
 protected:
  static std::string signature(const char* method, const std::string& query) {
    const Credentials credentials{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "", {}};
    const std::vector<Header> headers = {{"x-amz-date", "20150830T123600Z"}, {"host", "example.amazonaws.com"}};
    const std::string value = authorization({method, "/", query, headers, kEmptySha256}, date("2015-08-30T12:36:00Z"),
                                            {"us-east-1", "service"}, credentials);
    return value.substr(value.rfind('=') + 1);
  }
};

TEST_F(GeneralExamples, Vanilla) {
  EXPECT_EQ(signature("GET", ""), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  EXPECT_EQ(signature("POST", ""), "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}

TEST_F(GeneralExamples, QueriesAreSorted) {
  EXPECT_EQ(signature("GET", canonical_query({{"Param2", "value2"}, {"Param1", "value1"}})),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

TEST(CanonicalQuery, IsSortedByWhatIsEncoded) {
  EXPECT_EQ(canonical_query({{"b", "1"}, {"a", "x y/z"}, {"a", "+"}}), "a=%2B&a=x%20y%2Fz&b=1");
  EXPECT_EQ(canonical_query({}), "");
}

TEST(Authorization, DependsOnAllThatItSigns) {
  const Credentials credentials{"id", "secret", "", {}};
  const std::vector<Header> headers = {{"host", "h"}};
  const auto now = date("2026-01-02T03:04:05Z");
  const std::string whole = authorization({"PUT", "/a", "q=", headers, "hash"}, now, {"r", "s3"}, credentials);
  EXPECT_EQ(whole.find("secret"), std::string::npos);
  EXPECT_NE(whole, authorization({"GET", "/a", "q=", headers, "hash"}, now, {"r", "s3"}, credentials));
  EXPECT_NE(whole, authorization({"PUT", "/b", "q=", headers, "hash"}, now, {"r", "s3"}, credentials));
  EXPECT_NE(whole, authorization({"PUT", "/a", "", headers, "hash"}, now, {"r", "s3"}, credentials));
  EXPECT_NE(whole, authorization({"PUT", "/a", "q=", headers, "other"}, now, {"r", "s3"}, credentials));
  EXPECT_NE(whole, authorization({"PUT", "/a", "q=", headers, "hash"}, now, {"r", "s3express"}, credentials));
  EXPECT_NE(whole, authorization({"PUT", "/a", "q=", headers, "hash"}, now + std::chrono::seconds(1), {"r", "s3"},
                                 credentials));
  EXPECT_NE(whole, authorization({"PUT", "/a", "q=", {{"host", "h"}, {"if-none-match", "*"}}, "hash"}, now, {"r", "s3"},
                                 credentials));
}

}  // namespace
}  // namespace ingot::s3
