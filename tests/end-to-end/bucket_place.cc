#include "bucket_place.h"

#include <curl/curl.h>
#include <unistd.h>

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

std::size_t swallow(char* /*data*/, std::size_t one, std::size_t count, void* /*context*/) {
  return one * count;
}

// The answer's status; 0: none.
long make_bucket(const std::string& endpoint, const std::string& name) {
  CURL* handle = ::curl_easy_init();
  const std::string url = endpoint + "/" + name;
  const std::string region = "aws:amz:" + variable("AWS_REGION") + ":s3";
  const std::string user = variable("AWS_ACCESS_KEY_ID") + ":" + variable("AWS_SECRET_ACCESS_KEY");
  curl_slist* headers = ::curl_slist_append(nullptr, "x-amz-content-sha256: UNSIGNED-PAYLOAD");
  ::curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  ::curl_easy_setopt(handle, CURLOPT_AWS_SIGV4, region.c_str());
  ::curl_easy_setopt(handle, CURLOPT_USERPWD, user.c_str());
  ::curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
  ::curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, "PUT");
  ::curl_easy_setopt(handle, CURLOPT_POSTFIELDS, "");
  ::curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, swallow);
  ::curl_easy_setopt(handle, CURLOPT_TIMEOUT, 60L);
  long status = 0;
  if (::curl_easy_perform(handle) == CURLE_OK) ::curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  ::curl_slist_free_all(headers);
  ::curl_easy_cleanup(handle);
  return status;
}

}  // namespace

void BucketTest::SetUp() {
  endpoint_ = variable("INGOT_TEST_S3_ENDPOINT");
  if (endpoint_.empty()) {
    GTEST_SKIP() << "*** NOT TESTED against a real S3 server: INGOT_TEST_S3_ENDPOINT is not set. Run scripts/test.sh, "
                    "or\n***   scripts/ceph.sh start /tmp/ceph && eval \"$(scripts/ceph.sh env /tmp/ceph)\"";
  }
  for (const char* foreign : {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL",
                              "AWS_DEFAULT_REGION", "AWS_WEB_IDENTITY_TOKEN_FILE", "INGOT_STORE"}) {
    ::unsetenv(foreign);
  }
  ::setenv("AWS_CONFIG_FILE", directory_.at("no-config").c_str(), 1);
  ::setenv("AWS_SHARED_CREDENTIALS_FILE", directory_.at("no-credentials").c_str(), 1);
  ::setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
  ::setenv(kEndpointVariable, endpoint_.c_str(), 1);
  ::setenv("AWS_ACCESS_KEY_ID", variable("INGOT_TEST_S3_ACCESS_KEY").c_str(), 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", variable("INGOT_TEST_S3_SECRET_KEY").c_str(), 1);
  ::setenv("AWS_REGION", variable("INGOT_TEST_S3_REGION").c_str(), 1);
  ::setenv("XDG_CACHE_HOME", directory_.at("shared").c_str(), 1);
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  bucket_ = "e2e-" + std::to_string(::getpid()) + "-" + std::to_string(now % 1'000'000'000'000);
  ASSERT_EQ(make_bucket(endpoint_, bucket_), 200) << "make the bucket " << bucket_ << " at " << endpoint_;
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
