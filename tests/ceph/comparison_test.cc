// The fake server's profile `ceph` answers as the real Ceph does: the same requests, in order, and their outcomes.
#include "support/ceph.h"
#include "support/fake_s3.h"

namespace ingot::testing {
namespace {

class CephComparison : public CephTest {};

// The requests of one talk with a server, and what came of each.
class Talk {
 public:
  explicit Talk(const S3Place& place) : client_(place) {}

  HttpAnswer ask(const std::string& method, const std::string& target, const std::string& body = {},
                 const HttpHeaders& headers = {}) {
    HttpAnswer answer = client_.send(method, target, body, headers);
    std::string line = method + " " + without_ids(target);
    for (const std::string& header : headers) line += ", " + header;
    line += " -> " + outcome_of(answer);
    if (method == "GET" && answer.status < 300) {
      const bool is_xml = answer.header("content-type") == "application/xml";
      line += " [" + (is_xml ? "" : answer.body) + "]";
      for (const char* name : {"Key", "Size", "PartNumber", "IsTruncated"}) {
        for (const std::string& text : answer.elements(name)) line += std::string(" ") + name + "=" + text;
      }
    }
    for (const char* name : {"etag", "content-range"}) {
      if (!answer.header(name).empty()) line += std::string(", ") + name + ": " + answer.header(name);
    }
    lines_.push_back(line);
    return answer;
  }
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }
  [[nodiscard]] HttpClient& client() { return client_; }

 private:
  static std::string without_ids(const std::string& target) {
    const std::size_t at = target.find("uploadId=");
    return at == std::string::npos ? target : target.substr(0, at) + "uploadId";
  }
  HttpClient client_;
  std::vector<std::string> lines_;
};

void talk_about_objects(Talk& talk, const std::string& bucket) {
  const std::string key = "/" + bucket + "/dir/key";
  talk.ask("PUT", "/" + bucket);
  talk.ask("HEAD", "/" + bucket);
  talk.ask("GET", key);
  talk.ask("HEAD", key);
  talk.ask("GET", "/" + bucket + "-other/key");
  talk.ask("PUT", "/" + bucket + "-other/key", "x");
  talk.ask("PUT", key, "0123456789", {"If-None-Match: *"});
  talk.ask("PUT", key, "another", {"If-None-Match: *"});
  for (const char* range : {"2-4", "7-99", "-3", "-99", "10-", "0-0"}) {
    talk.ask("GET", key, {}, {std::string("Range: bytes=") + range});
  }
  talk.ask("HEAD", key);
  talk.ask("PUT", key, "x", {"Content-MD5: rL0Y20zC+Fzt72VPzMSk2A=="});
  talk.ask("PUT", "/" + bucket + "/empty", "", {"If-None-Match: *"});
  talk.ask("GET", "/" + bucket + "/empty");
  talk.ask("DELETE", "/" + bucket);
  talk.ask("DELETE", key, {}, {"If-Match: \"00\""});
  talk.ask("DELETE", key);
  talk.ask("GET", key);
}

void talk_about_conditions(Talk& talk, const std::string& bucket) {
  const std::string key = "/" + bucket + "/conditions";
  for (const char* tag : {"\"00\"", "00", "*"}) talk.ask("PUT", key, "x", {std::string("If-Match: ") + tag});
  talk.ask("PUT", key, "old");
  const std::string tag = fake_s3::unquoted(talk.ask("HEAD", key).header("etag"));
  talk.ask("PUT", key, "old", {"If-None-Match: " + tag});
  talk.ask("PUT", key, "old", {"If-None-Match: \"" + tag + "\""});
  talk.ask("PUT", key, "old", {"If-Match: \"" + tag + "\""});
  talk.ask("PUT", key, "old", {"If-Match: 00"});
  talk.ask("PUT", key, "new", {"If-Match: " + tag});
  talk.ask("GET", key, {}, {"If-Match: \"" + tag + "\""});
  talk.ask("GET", key, {}, {"If-None-Match: \"" + tag + "\""});
  talk.ask("GET", key);
}

void talk_about_lists(Talk& talk, const std::string& bucket) {
  for (const char* key : {"l/a", "l/b/1", "l/b/2", "l/c", "m"}) talk.ask("PUT", "/" + bucket + "/" + key, "x");
  talk.ask("GET", "/" + bucket + "?list-type=2&prefix=l%2F");
  talk.ask("GET", "/" + bucket + "?delimiter=%2F&list-type=2&prefix=l%2F");
  talk.ask("GET", "/" + bucket + "?list-type=2&max-keys=2&prefix=l%2F");
  talk.ask("GET", "/" + bucket + "?list-type=2&prefix=l%2F&start-after=l%2Fb%2F1");
  talk.ask("GET", "/" + bucket + "?list-type=2&prefix=nothing%2F");
  talk.ask("POST", "/" + bucket + "?delete=",
           "<Delete><Object><Key>l/a</Key></Object><Object><Key>l/never</Key></Object></Delete>");
  talk.ask("GET", "/" + bucket + "?list-type=2&prefix=l%2F");
}

std::string parts_body(const std::vector<std::string>& tags) {
  std::string body = "<CompleteMultipartUpload>";
  for (std::size_t i = 0; i < tags.size(); ++i) {
    body += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + tags[i] + "</ETag></Part>";
  }
  return body + "</CompleteMultipartUpload>";
}

void talk_about_uploads(Talk& talk, const std::string& bucket) {
  const std::string key = "/" + bucket + "/big";
  talk.ask("PUT", key, "was there");
  const std::string id =
      "uploadId=" + fake_s3::url_encode(talk.ask("POST", key + "?uploads=").element("UploadId"), false);
  const std::string first = talk.ask("PUT", key + "?partNumber=1&" + id, std::string(5 << 20, 'a')).header("etag");
  const std::string second = talk.ask("PUT", key + "?partNumber=2&" + id, "bc").header("etag");
  talk.ask("GET", key + "?" + id);
  talk.ask("GET", "/" + bucket + "?prefix=big&uploads=");
  talk.ask("POST", key + "?" + id, parts_body({first, first}));
  talk.ask("POST", key + "?" + id, parts_body({first, second}), {"If-None-Match: *"});
  talk.ask("POST", key + "?" + id, parts_body({first, second}));
  talk.ask("HEAD", key);
  talk.ask("GET", key, {}, {"Range: bytes=5242879-"});
  const std::string other =
      "uploadId=" + fake_s3::url_encode(talk.ask("POST", key + "?uploads=").element("UploadId"), false);
  const std::string small = talk.ask("PUT", key + "?partNumber=1&" + other, "small").header("etag");
  talk.ask("PUT", key + "?partNumber=2&" + other, "smaller");
  talk.ask("DELETE", key + "?" + other);
  talk.ask("DELETE", key + "?" + other);
  talk.ask("PUT", key + "?partNumber=1&" + other, "late");
  talk.ask("POST", key + "?" + other, parts_body({small}));
  talk.ask("GET", "/" + bucket + "?prefix=big&uploads=");
}

void talk_about_credentials(std::vector<std::string>& lines, const S3Place& place, const std::string& target) {
  S3Place other = place;
  other.access_key = "nobody";
  lines.push_back("unknown key: " + outcome_of(HttpClient(other).get(target)));
  other = place;
  other.secret_key = "wrong";
  lines.push_back("wrong secret: " + outcome_of(HttpClient(other).get(target)));
  other = place;
  other.region = "mars-1";
  lines.push_back("another region: " + outcome_of(HttpClient(other).get(target)));
}

std::vector<std::string> talk_with(const S3Place& place, const std::string& bucket) {
  Talk talk(place);
  talk_about_objects(talk, bucket);
  talk_about_conditions(talk, bucket);
  talk_about_lists(talk, bucket);
  talk_about_uploads(talk, bucket);
  std::vector<std::string> lines = talk.lines();
  talk_about_credentials(lines, place, "/" + bucket + "/missing");
  return lines;
}

TEST_F(CephComparison, TheFakeAnswersAsTheRealOne) {
  fake_s3::Server fake(fake_s3::Options{.profile = fake_s3::Profile::ceph, .buckets = {bucket()}});
  const std::vector<std::string> real_lines = talk_with(place(), bucket());
  const std::vector<std::string> fake_lines = talk_with(
      {fake.endpoint(), fake.options().access_key, fake.options().secret_key, fake.options().region, "s3"}, bucket());
  ASSERT_EQ(real_lines.size(), fake_lines.size());
  for (std::size_t i = 0; i < real_lines.size(); ++i) EXPECT_EQ(real_lines[i], fake_lines[i]) << "request " << i;
}

}  // namespace
}  // namespace ingot::testing
