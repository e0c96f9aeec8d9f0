// Objects in parts.
#include "fake_test.h"

namespace ingot::fake_s3 {
namespace {

class FakeUploads : public FakeTest {
 protected:
  // Parts may be small, so that tests are quick.
  void start_with_small_parts(Profile profile) {
    start(profile);
    Behaviour behaviour = server().behaviour();
    behaviour.part_bytes_min = 3;
    server().set_behaviour(behaviour);
  }
  std::string begin(const std::string& key) {
    const HttpAnswer answer = client().send("POST", "/bucket/" + key + "?uploads=");
    EXPECT_EQ(outcome_of(answer), "200");
    EXPECT_EQ(answer.element("Key"), key);
    return answer.element("UploadId");
  }
  HttpAnswer put_part(const std::string& key, const std::string& id, int number, const std::string& body) {
    return client().put(
        "/bucket/" + key + "?partNumber=" + std::to_string(number) + "&uploadId=" + url_encode(id, false), body);
  }
  HttpAnswer finish(const std::string& key, const std::string& id,
                    const std::vector<std::pair<int, std::string>>& parts, const HttpHeaders& headers = {}) {
    std::string body = "<CompleteMultipartUpload>";
    for (const auto& [number, tag] : parts) {
      body += "<Part><PartNumber>" + std::to_string(number) + "</PartNumber><ETag>" + tag + "</ETag></Part>";
    }
    return client().send("POST", "/bucket/" + key + "?uploadId=" + url_encode(id, false),
                         body + "</CompleteMultipartUpload>", headers);
  }
};

TEST_F(FakeUploads, AnObjectAppearsWholeWhenItsUploadIsFinished) {
  start_with_small_parts(Profile::aws);
  const std::string id = begin("big");
  const std::string second = put_part("big", id, 2, "67").header("etag");
  put_part("big", id, 1, "lost");
  const std::string first = put_part("big", id, 1, "12345").header("etag");
  EXPECT_EQ(server().keys_in(), std::vector<std::string>{});
  const HttpAnswer parts = client().get("/bucket/big?uploadId=" + url_encode(id, false));
  EXPECT_EQ(parts.elements("PartNumber"), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(parts.elements("Size"), (std::vector<std::string>{"5", "2"}));
  const HttpAnswer done = finish("big", id, {{1, first}, {2, second}});
  EXPECT_EQ(outcome_of(done), "200");
  EXPECT_EQ(done.element("ETag").substr(38), "-2&quot;") << done.body;
  EXPECT_EQ(server().bytes_of("big"), "1234567");
  EXPECT_EQ(outcome_of(finish("big", id, {{1, first}, {2, second}})), "404 NoSuchUpload");
  EXPECT_EQ(outcome_of(put_part("big", id, 3, "x")), "404 NoSuchUpload");
}

TEST_F(FakeUploads, WrongListsOfPartsAreRefused) {
  start_with_small_parts(Profile::aws);
  const std::string id = begin("big");
  const std::string first = put_part("big", id, 1, "12345").header("etag");
  const std::string small = put_part("big", id, 2, "67").header("etag");
  const std::string third = put_part("big", id, 3, "89").header("etag");
  EXPECT_EQ(outcome_of(finish("big", id, {{1, first}, {2, first}})), "400 InvalidPart");
  EXPECT_EQ(outcome_of(finish("big", id, {{1, first}, {4, third}})), "400 InvalidPart");
  EXPECT_EQ(outcome_of(finish("big", id, {{2, small}, {1, first}})), "400 InvalidPartOrder");
  EXPECT_EQ(outcome_of(finish("big", id, {{1, first}, {2, small}, {3, third}})), "400 EntityTooSmall");
  EXPECT_EQ(outcome_of(finish("big", id, {})), "400 MalformedXML");
  EXPECT_EQ(outcome_of(put_part("big", id, 0, "x")), "400 InvalidArgument");
  EXPECT_EQ(outcome_of(put_part("big", id, 10001, "x")), "400 InvalidArgument");
  EXPECT_EQ(outcome_of(finish("other", id, {{1, first}})), "404 NoSuchUpload");
  EXPECT_EQ(outcome_of(finish("big", id, {{1, first}, {3, third}})), "200") << "numbers may have gaps";
}

TEST_F(FakeUploads, AnAbortedUploadIsGone) {
  start_with_small_parts(Profile::aws);
  const std::string id = begin("big");
  EXPECT_EQ(outcome_of(client().send("DELETE", "/bucket/big?uploadId=" + url_encode(id, false))), "204");
  EXPECT_EQ(outcome_of(client().send("DELETE", "/bucket/big?uploadId=" + url_encode(id, false))), "404 NoSuchUpload");
  EXPECT_EQ(client().get("/bucket?uploads=").elements("UploadId"), std::vector<std::string>{});
}

TEST_F(FakeUploads, OpenOnesAreListedByPages) {
  start_with_small_parts(Profile::aws);
  std::vector<std::string> ids;
  for (const char* key : {"runs/a", "runs/b", "runs/b", "runs/c", "top"}) ids.push_back(begin(key));
  std::vector<std::string> keys;
  std::string markers;
  for (int page = 0; page < 4; ++page) {
    const std::string key_marker =
        markers.empty() ? "" : "key-marker=" + url_encode(markers.substr(0, markers.find('\n')), false) + "&";
    const std::string id_marker =
        markers.empty() ? "" : "&upload-id-marker=" + url_encode(markers.substr(markers.find('\n') + 1), false);
    const HttpAnswer answer =
        client().get("/bucket?" + key_marker + "max-uploads=1&prefix=runs%2F" + id_marker + "&uploads=");
    ASSERT_EQ(outcome_of(answer), "200");
    keys.push_back(answer.element("Key"));
    markers = answer.element("NextKeyMarker") + "\n" + answer.element("NextUploadIdMarker");
    EXPECT_EQ(answer.element("IsTruncated"), page == 3 ? "false" : "true");
  }
  EXPECT_EQ(keys, (std::vector<std::string>{"runs/a", "runs/b", "runs/b", "runs/c"}));
}

TEST_F(FakeUploads, ConditionsHoldWhenTheyAreFinishedOrAreIgnored) {
  for (const Profile profile :
       {Profile::aws, Profile::minio, Profile::r2, Profile::ceph, Profile::ignores_conditions}) {
    start_with_small_parts(profile);
    server().put("big", "was there");
    const std::string id = begin("big");
    const std::string tag = put_part("big", id, 1, "new").header("etag");
    const bool ignores = profile == Profile::ceph || profile == Profile::ignores_conditions;
    EXPECT_EQ(outcome_of(finish("big", id, {{1, tag}}, {"If-None-Match: *"})),
              ignores ? "200" : "412 PreconditionFailed")
        << profile_name(profile);
    EXPECT_EQ(server().bytes_of("big"), ignores ? "new" : "was there");
  }
}

TEST_F(FakeUploads, AnObjectsDateMayBeThatOfItsUploadsBegin) {
  for (const Profile profile : {Profile::aws, Profile::minio}) {
    start_with_small_parts(profile);
    const std::string id = begin("big");
    const Seconds begun = server().date();
    const std::string tag = put_part("big", id, 1, "new").header("etag");
    server().set_clock_offset(std::chrono::minutes(10));
    EXPECT_EQ(outcome_of(finish("big", id, {{1, tag}})), "200");
    const Seconds modified = *parse_date(client().send("HEAD", "/bucket/big").header("last-modified"));
    EXPECT_EQ(modified - begun < std::chrono::minutes(5), profile == Profile::aws);
  }
}

TEST_F(FakeUploads, SomeServersWantEqualParts) {
  start_with_small_parts(Profile::r2);
  const std::string id = begin("big");
  const std::string first = put_part("big", id, 1, "123").header("etag");
  const std::string second = put_part("big", id, 2, "1234").header("etag");
  const std::string third = put_part("big", id, 3, "12").header("etag");
  EXPECT_EQ(outcome_of(finish("big", id, {{1, first}, {2, second}, {3, third}})), "400 InvalidPart");
  EXPECT_EQ(outcome_of(finish("big", id, {{1, first}, {3, third}})), "200");
}

}  // namespace
}  // namespace ingot::fake_s3
