// Renewal of credentials, and where they are got from.
#include "s3/credentials.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include "s3/canned_server.h"
#include "s3/credential_sources.h"
#include "s3/dates.h"
#include "support/temporary_directory.h"

namespace ingot::s3 {
namespace {

using namespace std::chrono_literals;

base::Instant soon() {
  return base::now() + 30s;
}

FoundCredentials made(const std::string& name, std::optional<std::chrono::seconds> left) {
  Credentials credentials{name, "secret", "token", {}};
  if (left) credentials.expires = ServerClock::local() + *left;
  return {std::make_shared<const Credentials>(credentials), {}};
}

class CacheTest : public ::testing::Test {
 protected:
  // What the next loads bring; the last one for ever.
  void bring(std::vector<FoundCredentials> loads) {
    const std::lock_guard lock(mutex_);
    loads_ = std::move(loads);
  }
  std::string key() {
    const FoundCredentials found = cache_.get(soon());
    return found.credentials == nullptr ? "none: " + found.why : found.credentials->key_id;
  }
  int loads() { return count_; }

  ServerClock clock_;
  std::mutex mutex_;
  std::vector<FoundCredentials> loads_;
  std::atomic<int> count_{0};
  CredentialCache cache_{[this](base::Instant) {
                           ++count_;
                           const std::lock_guard lock(mutex_);
                           FoundCredentials found = loads_.front();
                           if (loads_.size() > 1) loads_.erase(loads_.begin());
                           return found;
                         },
                         clock_, 300s};
};

TEST_F(CacheTest, LoadsOnceWhatDoesNotExpire) {
  bring({made("a", std::nullopt)});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(key(), "a");
  EXPECT_EQ(loads(), 1);
}

TEST_F(CacheTest, RenewsBeforeTheyExpireByTheServersClock) {
  bring({made("a", 1h), made("b", 2h)});
  EXPECT_EQ(key(), "a");
  clock_.learn(ServerClock::local() + 54min, ServerClock::local());
  EXPECT_EQ(key(), "a");
  clock_.learn(ServerClock::local() + 56min, ServerClock::local());
  EXPECT_EQ(key(), "b");
  EXPECT_EQ(loads(), 2);
}

TEST_F(CacheTest, GoesOnWithTheOldOnesIfRenewalFails) {
  bring({made("a", 1h), {nullptr, "no service"}});
  EXPECT_EQ(key(), "a");
  clock_.learn(ServerClock::local() + 56min, ServerClock::local());
  EXPECT_EQ(key(), "a");
  EXPECT_EQ(key(), "a");
  EXPECT_EQ(loads(), 2);  // and does not try again with each request
  clock_.learn(ServerClock::local() + 2h, ServerClock::local());
  EXPECT_EQ(key(), "a");  // past: the server decides
}

TEST_F(CacheTest, SaysWhyThereAreNoneWithoutTryingForEachRequest) {
  bring({{nullptr, "no service"}});
  EXPECT_EQ(key(), "none: no service");
  EXPECT_EQ(key(), "none: no service");
  EXPECT_EQ(loads(), 1);
}

TEST_F(CacheTest, ThereIsNoHopeOnlyIfThereNeverWereAny) {
  const FoundCredentials hopeless{nullptr, "no service", true};
  bring({hopeless});
  EXPECT_TRUE(cache_.get(soon()).is_hopeless);
  EXPECT_TRUE(cache_.get(soon()).is_hopeless);
  bring({made("a", std::nullopt), hopeless});
  CredentialCache later([this](base::Instant) { return std::exchange(loads_.front(), loads_.back()); }, clock_, 300s);
  const FoundCredentials first = later.get(soon());
  later.reject(first.credentials);
  const FoundCredentials none = later.get(soon());
  EXPECT_EQ(none.credentials, nullptr);
  EXPECT_FALSE(none.is_hopeless);
}

TEST_F(CacheTest, LoadsAnewWhatTheServerRejects) {
  bring({made("a", std::nullopt), made("b", std::nullopt)});
  const FoundCredentials first = cache_.get(soon());
  cache_.reject(first.credentials);
  EXPECT_EQ(key(), "b");
  cache_.reject(first.credentials);  // by a request that was under way longer
  EXPECT_EQ(key(), "b");
  EXPECT_EQ(loads(), 2);
}

TEST_F(CacheTest, DoesNotLoadTheSameAgainAtOnce) {
  bring({made("a", std::nullopt)});
  cache_.reject(cache_.get(soon()).credentials);
  EXPECT_EQ(key(), "a");
  EXPECT_EQ(loads(), 2);
  for (int i = 0; i < 3; ++i) {
    cache_.reject(cache_.get(soon()).credentials);
    EXPECT_EQ(key(), "a");
  }
  EXPECT_EQ(loads(), 2);
}

TEST_F(CacheTest, DoesNotAskAgainAtOnceIfWhatItGotIsDueAlready) {
  bring({made("a", 60s), made("b", 60s)});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(key(), "a");
  EXPECT_EQ(loads(), 1);
}

// From an agent that has new ones only when the old ones have ended.
TEST_F(CacheTest, AsksAgainWhenWhatItGotHasEnded) {
  bring({made("a", 1s), made("b", 1h)});
  EXPECT_EQ(key(), "a");
  std::this_thread::sleep_for(2100ms);
  EXPECT_EQ(key(), "b");
}

// A load that waits until it is let go.
class SlowLoadTest : public ::testing::Test {
 protected:
  FoundCredentials load() {
    std::unique_lock lock(mutex_);
    const int number = ++count_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return allowed_ >= number; });
    return made(std::to_string(number), number == 1 ? std::optional(1h) : std::nullopt);
  }
  void allow(int loads) {
    const std::lock_guard lock(mutex_);
    allowed_ = loads;
    changed_.notify_all();
  }
  void wait_for_load(int number) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count_ >= number; });
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
  int allowed_ = 0;
  ServerClock clock_;
  CredentialCache cache_{[this](base::Instant) { return load(); }, clock_, 300s};
};

TEST_F(SlowLoadTest, AllThreadsWaitForTheOneThatLoads) {
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      if (cache_.get(soon()).credentials->key_id == "1") ++right;
    });
  }
  wait_for_load(1);
  allow(1);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 8);
  EXPECT_EQ(count_, 1);
}

TEST_F(SlowLoadTest, TheOthersGoOnWithTheOldOnesWhileOneRenews) {
  allow(1);
  EXPECT_EQ(cache_.get(soon()).credentials->key_id, "1");
  clock_.learn(ServerClock::local() + 56min, ServerClock::local());
  std::thread renewing([&] { EXPECT_EQ(cache_.get(soon()).credentials->key_id, "2"); });
  wait_for_load(2);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(cache_.get(soon()).credentials->key_id, "1");
  allow(2);
  renewing.join();
  EXPECT_EQ(cache_.get(soon()).credentials->key_id, "2");
}

TEST_F(SlowLoadTest, WhoeverWaitsForAnotherThreadEndsAtItsDeadline) {
  std::thread loading([&] { (void)cache_.get(soon()); });
  wait_for_load(1);
  const FoundCredentials found = cache_.get(base::now() + 1ms);
  EXPECT_EQ(found.credentials, nullptr);
  EXPECT_NE(found.why.find("the time was up"), std::string::npos);
  allow(1);
  loading.join();
}

// The sources, each against a server as it would be.
class SourcesTest : public ::testing::Test {
 protected:
  SourcesTest() { environment_["HOME"] = home_.path(); }
  FoundCredentials load() {
    Configuration configuration;
    configuration.environment = environment_;
    configuration.sts_endpoint = sts_;
    return load_credentials(configuration, http_, soon());
  }
  std::string why() {
    const FoundCredentials found = load();
    EXPECT_EQ(found.credentials, nullptr);
    for (const char* secret : {"SECRETWORD", "TOKENWORD"}) EXPECT_EQ(found.why.find(secret), std::string::npos);
    return found.why;
  }
  void expect_found() {
    const FoundCredentials found = load();
    ASSERT_NE(found.credentials, nullptr) << found.why;
    EXPECT_EQ(*found.credentials,
              (Credentials{"id", "SECRETWORD", "TOKENWORD", parse_iso_date("2036-01-02T03:04:05Z")}));
  }
  static std::string document(const std::string& code = "Success") {
    return "{\"Code\":\"" + code +
           "\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"id\",\"SecretAccessKey\":\"SECRETWORD\",\"Token\":\"TOKENWORD\","
           "\"Expiration\":\"2036-01-02T03:04:05Z\",\"Number\":1}";
  }
  ingot::testing::TemporaryDirectory home_;
  Environment environment_;
  std::optional<Endpoint> sts_;
  HttpClient http_{Transport{}};
};

TEST_F(SourcesTest, TheEnvironmentNeedsNobody) {
  environment_["AWS_ACCESS_KEY_ID"] = "id";
  environment_["AWS_SECRET_ACCESS_KEY"] = "SECRETWORD";
  EXPECT_EQ(*load().credentials, (Credentials{"id", "SECRETWORD", "", {}}));
}

TEST_F(SourcesTest, ProfilesAreReadAgain) {
  environment_["AWS_SHARED_CREDENTIALS_FILE"] = home_.at("c");
  environment_["AWS_EC2_METADATA_DISABLED"] = "true";
  EXPECT_NE(why().find("there are none"), std::string::npos);
  std::ofstream(home_.at("c")) << "[default]\naws_access_key_id=one\naws_secret_access_key=s\n";
  EXPECT_EQ(load().credentials->key_id, "one");
  std::ofstream(home_.at("c")) << "[default]\naws_access_key_id=two\naws_secret_access_key=s\n";
  EXPECT_EQ(load().credentials->key_id, "two");
}

class InstanceTest : public SourcesTest {
 protected:
  InstanceTest() { environment_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server_.url() + "/"; }
  Reaction react(const SeenRequest& request) {
    if (request.target == "/latest/api/token") {
      EXPECT_EQ(request.method, "PUT");
      EXPECT_EQ(request.header("x-aws-ec2-metadata-token-ttl-seconds"), "21600");
      return session_;
    }
    EXPECT_EQ(request.header("x-aws-ec2-metadata-token"), "SESSION==");
    if (request.target == "/latest/meta-data/iam/security-credentials/") return role_;
    EXPECT_EQ(request.target, "/latest/meta-data/iam/security-credentials/my%20role");
    return document_;
  }
  Reaction session_ = answer(200, "SESSION==");
  Reaction role_ = answer(200, "my role\n");
  Reaction document_ = answer(200, document());
  CannedServer server_{[this](const SeenRequest& request) { return react(request); }};
};

TEST_F(InstanceTest, GivesWhatItsRoleHas) {
  expect_found();
  EXPECT_EQ(server_.requests().size(), 3U);
}

TEST_F(InstanceTest, SaysWhatWentWrong) {
  document_ = answer(200, document("Failed"));
  EXPECT_NE(why().find("Failed"), std::string::npos);
  document_ = answer(200, "no json SECRETWORD");
  EXPECT_NE(why().find("not the JSON"), std::string::npos);
  document_ = answer(200, "{\"AccessKeyId\":\"id\"}");
  EXPECT_NE(why().find("has no AccessKeyId, SecretAccessKey and Expiration"), std::string::npos);
  document_ = answer(500);
  EXPECT_NE(why().find("it answered 500"), std::string::npos);
  role_ = answer(404);
  EXPECT_NE(why().find("has no role"), std::string::npos);
  role_ = answer(200, "");
  EXPECT_NE(why().find("has no role"), std::string::npos);
  session_ = answer(403);
  EXPECT_NE(why().find("it answered 403"), std::string::npos);
  session_ = answer(200, "a\r\nx-evil: b");
  EXPECT_NE(why().find("no token"), std::string::npos);
  session_ = {"", Reaction::Then::close};
  EXPECT_NE(why().find("no answer"), std::string::npos);
}

TEST_F(InstanceTest, OnlyAServiceThatIsBusyMayGiveThemLater) {
  document_ = answer(500);
  EXPECT_FALSE(load().is_hopeless);
  document_ = answer(429);
  EXPECT_FALSE(load().is_hopeless);
  document_ = answer(403);
  EXPECT_TRUE(load().is_hopeless);
  role_ = answer(404);
  EXPECT_TRUE(load().is_hopeless);
  session_ = {"", Reaction::Then::close};
  EXPECT_TRUE(load().is_hopeless);
}

TEST_F(InstanceTest, IsNotThereOnMostMachines) {
  environment_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = refusing_url();
  EXPECT_NE(why().find("no credentials in the environment, in a profile or of a container"), std::string::npos);
  EXPECT_NE(why().find("Set AWS_ACCESS_KEY_ID"), std::string::npos);
  EXPECT_TRUE(load().is_hopeless);
  environment_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "nonsense";
  EXPECT_NE(why().find("AWS_EC2_METADATA_SERVICE_ENDPOINT"), std::string::npos);
}

class ContainerTest : public SourcesTest {
 protected:
  ContainerTest() { environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server_.url() + "/v1/credentials?a=b"; }
  Reaction reaction_ = answer(200, document());
  CannedServer server_{[this](const SeenRequest& request) {
    EXPECT_EQ(request.target, "/v1/credentials?a=b");
    return reaction_;
  }};
};

TEST_F(ContainerTest, GivesWhatItHas) {
  expect_found();
  EXPECT_EQ(server_.requests()[0].header("authorization"), "");
}

TEST_F(ContainerTest, IsShownTheTokenOfTheFileOrElseOfTheEnvironment) {
  environment_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Basic TOKENWORD1";
  expect_found();
  EXPECT_EQ(server_.requests()[0].header("authorization"), "Basic TOKENWORD1");
  environment_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = home_.at("token");
  EXPECT_NE(why().find("No such file"), std::string::npos);
  std::ofstream(home_.at("token")) << "TOKENWORD2\n";
  expect_found();
  EXPECT_EQ(server_.requests()[1].header("authorization"), "TOKENWORD2");
  std::ofstream(home_.at("token")) << "TOKENWORD2\nx-evil: 1\n";
  EXPECT_NE(why().find("not one line"), std::string::npos);
}

TEST_F(ContainerTest, IsNotAskedOverPlainHttpFarAway) {
  for (const char* uri : {"http://example.com/x", "http://169.254.170.3/x", "http://127.example.com:80@x/",
                          "ftp://localhost/", "http://localhost.example.com/x"}) {
    environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = uri;
    EXPECT_NE(why().find("AWS_CONTAINER_CREDENTIALS_FULL_URI"), std::string::npos) << uri;
  }
  environment_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "no-slash";
  EXPECT_NE(why().find("is no path"), std::string::npos);
}

TEST_F(ContainerTest, AHostIsNotThisMachineBecauseItsNameBeginsLikeIt) {
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://127.0.0.1.far.test/";
  EXPECT_NE(why().find("neither https nor on this machine"), std::string::npos) << why();
}

TEST_F(ContainerTest, SaysWhatWentWrong) {
  reaction_ = answer(401, "SECRETWORD");
  EXPECT_NE(why().find("it answered 401"), std::string::npos);
  reaction_ = {"", Reaction::Then::reset};
  EXPECT_NE(why().find("no answer"), std::string::npos);
}

class WebIdentityTest : public SourcesTest {
 protected:
  WebIdentityTest() {
    environment_["AWS_WEB_IDENTITY_TOKEN_FILE"] = home_.at("token");
    environment_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/a b";
    environment_["AWS_ROLE_SESSION_NAME"] = "me";
    std::ofstream(home_.at("token")) << "TOKENWORD.x==\n";
    sts_ = parse_endpoint(server_.url(), "a test");
  }
  Reaction reaction_ = answer(
      200,
      "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
      "<AssumeRoleWithWebIdentityResult><Credentials><SessionToken>TOKENWORD</SessionToken><SecretAccessKey>SECRETWORD"
      "</SecretAccessKey><Expiration>2036-01-02T03:04:05Z</Expiration><AccessKeyId>id</AccessKeyId></Credentials>"
      "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>");
  CannedServer server_{[this](const SeenRequest&) { return reaction_; }};
};

TEST_F(WebIdentityTest, IsTakenForARolesKeys) {
  expect_found();
  const SeenRequest request = server_.requests().at(0);
  EXPECT_EQ(request.method + request.target, "POST/");
  EXPECT_EQ(request.header("content-type"), "application/x-www-form-urlencoded");
  EXPECT_EQ(request.body,
            "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%20b&RoleSessionName=me&"
            "Version=2011-06-15&WebIdentityToken=TOKENWORD.x%3D%3D");
}

TEST_F(WebIdentityTest, HasANameOfItsOwnForTheSession) {
  environment_.erase("AWS_ROLE_SESSION_NAME");
  expect_found();
  EXPECT_NE(server_.requests()[0].body.find("RoleSessionName=ingot-"), std::string::npos);
}

TEST_F(WebIdentityTest, SaysWhatWentWrong) {
  reaction_ = answer(400,
                     "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>No such "
                     "provider</Message></Error></ErrorResponse>");
  EXPECT_NE(why().find("400 InvalidIdentityToken: No such provider"), std::string::npos);
  EXPECT_TRUE(load().is_hopeless);
  reaction_ = answer(503);
  EXPECT_FALSE(load().is_hopeless);
  reaction_ = answer(200, "<html/>");
  EXPECT_NE(why().find("has no credentials"), std::string::npos);
  environment_["AWS_WEB_IDENTITY_TOKEN_FILE"] = home_.at("none");
  EXPECT_NE(why().find("No such file"), std::string::npos);
}

}  // namespace
}  // namespace ingot::s3
