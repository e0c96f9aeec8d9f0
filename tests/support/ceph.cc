#include "support/ceph.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>

namespace ingot::testing {

namespace {

std::string environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

// Of letters, digits and dashes; nobody else's, whenever and however often the test runs.
std::string unique_bucket() {
  const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
  std::string name = test.name();
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? static_cast<char>(std::tolower(c)) : '-';
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return "t-" + name.substr(0, 24) + "-" + std::to_string(::getpid()) + "-" + std::to_string(now % 1'000'000'000'000);
}

}  // namespace

std::optional<S3Place> ceph() {
  S3Place place;
  place.endpoint = environment("INGOT_TEST_S3_ENDPOINT", "");
  place.access_key = environment("INGOT_TEST_S3_ACCESS_KEY", "");
  place.secret_key = environment("INGOT_TEST_S3_SECRET_KEY", "");
  place.region = environment("INGOT_TEST_S3_REGION", "us-east-1");
  if (place.endpoint.empty()) return {};
  return place;
}

void CephTest::SetUp() {
  place_ = ceph();
  if (!place_) {
    GTEST_SKIP()
        << "*** NOT TESTED against a real S3 server: INGOT_TEST_S3_ENDPOINT is not set. Run scripts/test.sh, or\n"
           "***   scripts/ceph.sh install && scripts/ceph.sh start /tmp/ceph && eval \"$(scripts/ceph.sh env "
           "/tmp/ceph)\"";
  }
  bucket_ = unique_bucket();
  const HttpAnswer answer = HttpClient(*place_).put("/" + bucket_, "");
  ASSERT_EQ(answer.status, 200) << "make the bucket " << bucket_ << " at " << place_->endpoint << ": "
                                << outcome_of(answer);
}

}  // namespace ingot::testing
