// What each profile does with conditions, absence and wrong credentials: the table in support/fake_s3/profile.h.
#include <algorithm>
#include <set>

#include "fake_test.h"

namespace ingot::fake_s3 {
namespace {

constexpr std::size_t kRacers = 16;

class FakeProfiles : public FakeTest {
 protected:
  // Of the create of one key by all at once, `rounds` times: how often each outcome came in all.
  std::map<std::string, std::size_t> race_creates(int rounds) {
    std::map<std::string, std::size_t> outcomes;
    for (int round = 0; round < rounds; ++round) {
      const std::string key = "/bucket/race/" + std::to_string(round);
      const auto of_round = race(
          kRacers, [&key](HttpClient& own, std::size_t i) { return own.create(key, "racer " + std::to_string(i)); });
      std::size_t winners = 0;
      for (std::size_t i = 0; i < kRacers; ++i) {
        ++outcomes[of_round[i]];
        if (of_round[i] != "200") continue;
        ++winners;
        if (server().behaviour().looks_at_put_conditions) {
          EXPECT_EQ(client().get(key).body, "racer " + std::to_string(i));
        }
      }
      if (server().behaviour().looks_at_put_conditions) {
        EXPECT_EQ(winners, 1U) << profile_name(server().options().profile) << ", round " << round;
      }
    }
    return outcomes;
  }
  // A PUT with a condition that was true when it came, while `meanwhile` happens before it takes effect.
  std::string put_while(const std::string& header, const std::function<void()>& meanwhile) {
    server().inject({.fault = Fault::slow, .verb = Verb::put, .held = true});
    std::string outcome;
    std::thread other([&] { outcome = outcome_of(HttpClient(place()).put("/bucket/key", "late", {header})); });
    EXPECT_TRUE(server().wait_for_held(1));
    meanwhile();
    server().release();
    other.join();
    return outcome;
  }
};

TEST_F(FakeProfiles, ATakenNameIsNotTakenAgain) {
  for (const Profile profile : kProfiles) {
    if (profile == Profile::express) continue;  // below
    start(profile);
    EXPECT_EQ(outcome_of(client().create("/bucket/key", "first")), "200");
    const bool ignores = profile == Profile::ignores_conditions;
    EXPECT_EQ(outcome_of(client().create("/bucket/key", "second")), ignores ? "200" : "412 PreconditionFailed")
        << profile_name(profile);
    EXPECT_EQ(server().bytes_of("key"), ignores ? "second" : "first");
  }
}

TEST_F(FakeProfiles, ARaceOfCreatesHasOneWinner) {
  for (const Profile profile : {Profile::aws, Profile::minio, Profile::r2, Profile::ceph, Profile::hides_missing}) {
    start(profile);
    const auto outcomes = race_creates(10);
    for (const auto& [outcome, count] : outcomes) {
      const bool may_be_conflict = profile == Profile::aws || profile == Profile::hides_missing;
      EXPECT_TRUE(outcome == "200" || outcome == "412 PreconditionFailed" ||
                  (outcome == "409 ConditionalRequestConflict" && may_be_conflict) ||
                  (outcome == "429 TooManyRequests" && profile == Profile::r2))
          << profile_name(profile) << ": " << outcome;
    }
  }
}

TEST_F(FakeProfiles, R2TakesOneWriteToAKeyAtATime) {
  start(Profile::r2);
  EXPECT_EQ(put_while("If-None-Match: *",
                      [this] {
                        EXPECT_EQ(outcome_of(client().create("/bucket/key", "x")), "429 TooManyRequests");
                        EXPECT_EQ(outcome_of(client().create("/bucket/other", "x")), "200");
                      }),
            "200");
  EXPECT_EQ(outcome_of(client().create("/bucket/key", "x")), "412 PreconditionFailed");
}

TEST_F(FakeProfiles, ARaceHasManyWinnersWhereConditionsAreIgnored) {
  start(Profile::ignores_conditions);
  EXPECT_EQ(race_creates(3).at("200"), 3 * kRacers);
}

TEST_F(FakeProfiles, ACreateThatLosesWhileItIsUnderWayIsAConflictEveryOtherTime) {
  const auto taken = [this] { server().put("key", "earlier"); };
  start(Profile::aws);
  EXPECT_EQ(put_while("If-None-Match: *", taken), "409 ConditionalRequestConflict");
  server().remove("key");
  EXPECT_EQ(put_while("If-None-Match: *", taken), "412 PreconditionFailed");
  EXPECT_EQ(outcome_of(client().create("/bucket/key", "x")), "412 PreconditionFailed");
  start(Profile::ceph);
  EXPECT_EQ(put_while("If-None-Match: *", taken), "412 PreconditionFailed");
  EXPECT_EQ(server().bytes_of("key"), "earlier");
}

TEST_F(FakeProfiles, ARemovalMeanwhileIsAConflictOnAws) {
  const auto removed = [this] { server().remove("key"); };
  for (const Profile profile : {Profile::aws, Profile::minio}) {
    start(profile);
    server().put("key", "earlier");
    EXPECT_EQ(put_while("If-None-Match: *", removed),
              profile == Profile::aws ? "409 ConditionalRequestConflict" : "200");
  }
}

TEST_F(FakeProfiles, IfMatchInAllItsForms) {
  struct Row {
    Profile profile;
    const char* stale;
    const char* quoted;
    const char* unquoted;
    const char* absent;
    const char* changed;
  };
  const Row rows[] = {
      {Profile::aws, "412 PreconditionFailed", "200", "200", "404 NoSuchKey", "409 ConditionalRequestConflict"},
      {Profile::minio, "412 PreconditionFailed", "200", "200", "404 NoSuchKey", "412 PreconditionFailed"},
      {Profile::r2, "412 PreconditionFailed", "200", "200", "412 PreconditionFailed", "412 PreconditionFailed"},
      {Profile::ceph, "412 PreconditionFailed", "412 PreconditionFailed", "200", "412 PreconditionFailed",
       "500 UnknownError"},
      {Profile::ignores_conditions, "200", "200", "200", "200", "200"},
  };
  for (const Row& row : rows) {
    start(row.profile);
    const auto put = [&](const std::string& key, const std::string& tag) {
      return outcome_of(client().put("/bucket/" + key, "new", {"If-Match: " + tag}));
    };
    const auto tag = [&] { return unquoted(client().send("HEAD", "/bucket/key").header("etag")); };
    const char* name = profile_name(row.profile);
    server().put("key", "old");
    EXPECT_EQ(put("key", "\"00\""), row.stale) << name;
    server().put("key", "old");
    EXPECT_EQ(put("key", '"' + tag() + '"'), row.quoted) << name;
    server().put("key", "old");
    EXPECT_EQ(put("key", tag()), row.unquoted) << name;
    EXPECT_EQ(put("missing", "\"00\""), row.absent) << name;
    EXPECT_EQ(put_while("If-Match: " + tag(), [this] { server().put("key", "newer"); }), row.changed) << name;
  }
}

TEST_F(FakeProfiles, IfNoneMatchWithATag) {
  for (const Profile profile : kProfiles) {
    if (profile == Profile::express) continue;
    start(profile);
    server().put("key", "old");
    const std::string tag = unquoted(client().send("HEAD", "/bucket/key").header("etag"));
    const std::string outcome = outcome_of(client().put("/bucket/key", "old", {"If-None-Match: " + tag}));
    const bool refuses = profile == Profile::aws || profile == Profile::hides_missing;
    const bool ignores = profile == Profile::ignores_conditions;
    EXPECT_EQ(outcome, refuses   ? "501 NotImplemented"
                       : ignores ? "200"
                                 : "412 PreconditionFailed")
        << profile_name(profile);
  }
}

TEST_F(FakeProfiles, ConditionsOfDeletes) {
  for (const Profile profile :
       {Profile::aws, Profile::minio, Profile::r2, Profile::ceph, Profile::ignores_conditions}) {
    start(profile);
    server().put("key", "x");
    const std::string outcome = outcome_of(client().send("DELETE", "/bucket/key", {}, {"If-Match: \"00\""}));
    EXPECT_EQ(outcome, profile == Profile::aws ? "412 PreconditionFailed" : "204") << profile_name(profile);
  }
}

TEST_F(FakeProfiles, AMissingKeyMayBeHidden) {
  start(Profile::hides_missing);
  EXPECT_EQ(outcome_of(client().get("/bucket/missing")), "403 AccessDenied");
  EXPECT_EQ(client().send("HEAD", "/bucket/missing").status, 403);
  start(Profile::aws);
  Behaviour behaviour = server().behaviour();
  behaviour.hides_missing = true;
  server().set_behaviour(behaviour);
  EXPECT_EQ(outcome_of(client().get("/bucket/missing")), "403 AccessDenied");
}

TEST_F(FakeProfiles, WordsForTooManyRequests) {
  struct Row {
    Profile profile;
    const char* get;
    const char* put;
    const char* retry_after;
  };
  const Row rows[] = {
      {Profile::aws, "503 SlowDown", "503 SlowDown", ""},
      {Profile::minio, "503 SlowDownRead", "503 SlowDownWrite", "60"},
      {Profile::r2, "429 TooManyRequests", "429 TooManyRequests", ""},
      {Profile::ceph, "503 SlowDown", "503 SlowDown", ""},
  };
  for (const Row& row : rows) {
    start(row.profile);
    server().inject({.fault = Fault::throttled, .count = 2});
    EXPECT_EQ(outcome_of(client().get("/bucket/k")), row.get);
    const HttpAnswer answer = client().put("/bucket/k", "x");
    EXPECT_EQ(outcome_of(answer), row.put);
    EXPECT_EQ(answer.header("retry-after"), row.retry_after) << profile_name(row.profile);
    server().inject({.fault = Fault::throttled, .retry_after = 7});
    EXPECT_EQ(client().get("/bucket/k").header("retry-after"), "7");
    EXPECT_EQ(server().keys_in(), std::vector<std::string>{});
  }
}

TEST_F(FakeProfiles, WordsForWrongCredentials) {
  struct Row {
    Profile profile;
    const char* unknown;
    const char* expired;
    const char* region;
  };
  const Row rows[] = {
      {Profile::aws, "403 InvalidAccessKeyId", "400 ExpiredToken", "400 AuthorizationHeaderMalformed"},
      {Profile::minio, "403 InvalidAccessKeyId", "403 InvalidTokenId", "400 AuthorizationHeaderMalformed"},
      {Profile::r2, "401 Unauthorized", "401 Unauthorized", "404 NoSuchKey"},
      {Profile::ceph, "403 InvalidAccessKeyId", "403 AccessDenied", "404 NoSuchKey"},
  };
  for (const Row& row : rows) {
    start(row.profile);
    S3Place other = place();
    other.access_key = "other";
    EXPECT_EQ(outcome_of(HttpClient(other).get("/bucket/k")), row.unknown);
    other = place();
    other.region = "mars-1";
    EXPECT_EQ(outcome_of(HttpClient(other).get("/bucket/k")), row.region);
    server().keys().expire(place().access_key);
    EXPECT_EQ(outcome_of(client().get("/bucket/k")), row.expired) << profile_name(row.profile);
  }
}

TEST_F(FakeProfiles, AServerThatStartsSaysSo) {
  start(Profile::minio);
  Behaviour behaviour = server().behaviour();
  behaviour.starting = true;
  server().set_behaviour(behaviour);
  EXPECT_EQ(outcome_of(client().get("/bucket/k")), "503 XMinioServerNotInitialized");
  server().set_behaviour(behaviour_of(Profile::minio));
  EXPECT_EQ(outcome_of(client().get("/bucket/k")), "404 NoSuchKey");
}

TEST_F(FakeProfiles, ADirectoryBucketNeedsSessions) {
  start(Profile::express);
  EXPECT_EQ(outcome_of(client().get("/bucket/key")), "403 AccessDenied");
  const HttpAnswer session = client().get("/bucket?session=", {"x-amz-create-session-mode: ReadWrite"});
  ASSERT_EQ(outcome_of(session), "200");
  S3Place inside = place();
  inside.access_key = session.element("AccessKeyId");
  inside.secret_key = session.element("SecretAccessKey");
  HttpClient own(inside);
  const std::string token = "x-amz-s3session-token: " + session.element("SessionToken");
  EXPECT_EQ(outcome_of(own.put("/bucket/key", "x")), "400 InvalidToken");
  const HttpAnswer put = own.put("/bucket/key", "x", {token, "If-None-Match: *"});
  EXPECT_EQ(outcome_of(put), "200");
  EXPECT_NE(put.header("etag"), own.put("/bucket/key", "x", {token}).header("etag")) << "no MD5";
  EXPECT_EQ(outcome_of(own.put("/bucket/key", "x", {token, "If-None-Match: *"})), "412 PreconditionFailed");
  EXPECT_EQ(outcome_of(own.get("/other/key", {token})), "403 AccessDenied") << "of another bucket";
  server().set_clock_offset(std::chrono::minutes(6));
  EXPECT_EQ(outcome_of(own.get("/bucket/key", {token})), "400 ExpiredToken");
}

}  // namespace
}  // namespace ingot::fake_s3
