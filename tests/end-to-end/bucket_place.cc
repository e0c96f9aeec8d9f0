#include "bucket_place.h"

#include <chrono>
#include <cstdlib>
#include <thread>

#include "s3/open_bucket.h"

namespace ingot::testing {

namespace {

constexpr const char* kEndpointVariable = "AWS_ENDPOINT_URL_S3";

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

void lead_to(const S3Place& place, const TemporaryDirectory& home) {
  for (const char* foreign : {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL",
                              "AWS_DEFAULT_REGION", "AWS_WEB_IDENTITY_TOKEN_FILE", "INGOT_STORE"}) {
    ::unsetenv(foreign);
  }
  ::setenv("AWS_CONFIG_FILE", home.at("no-config").c_str(), 1);
  ::setenv("AWS_SHARED_CREDENTIALS_FILE", home.at("no-credentials").c_str(), 1);
  ::setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
  ::setenv(kEndpointVariable, place.endpoint.c_str(), 1);
  ::setenv("AWS_ACCESS_KEY_ID", place.access_key.c_str(), 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", place.secret_key.c_str(), 1);
  ::setenv("AWS_REGION", place.region.c_str(), 1);
  ::setenv("XDG_CACHE_HOME", home.at("shared").c_str(), 1);
}

void BucketTest::SetUp() {
  CephTest::SetUp();
  if (!IsSkipped() && !HasFatalFailure()) lead_to(place(), directory_);
}

Arguments BucketTest::through(const Proxy& proxy) {
  return {std::string(kEndpointVariable) + "=" + proxy.endpoint()};
}

Arguments BucketTest::cache_of(const std::string& machine) const {
  return {"XDG_CACHE_HOME=" + directory_.at(machine)};
}

std::string BucketTest::cache_directory(const std::string& machine) const {
  return directory_.at(machine) + "/ingot";
}

std::unique_ptr<storage::Bucket> BucketTest::raw(const std::string& store) const {
  return s3::open_bucket(store);
}

std::vector<std::string> BucketTest::objects(const std::string& store, const std::string& prefix) const {
  const std::unique_ptr<storage::Bucket> bucket = raw(store);
  std::vector<std::string> keys;
  std::string continuation;
  do {
    const storage::Listing page = bucket->list(prefix, continuation, base::now() + std::chrono::seconds(30));
    EXPECT_EQ(page.outcome, storage::Outcome::done) << page.why;
    for (const storage::ListedObject& object : page.objects) keys.push_back(object.key);
    continuation = page.continuation;
  } while (!continuation.empty());
  return keys;
}

Through::Through(const Proxy& proxy) : before_(variable(kEndpointVariable)) {
  ::setenv(kEndpointVariable, proxy.endpoint().c_str(), 1);
}

Through::~Through() {
  ::setenv(kEndpointVariable, before_.c_str(), 1);
}

bool eventually(const std::function<bool()>& done) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!done()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace ingot::testing
