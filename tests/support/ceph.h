// A real S3 server, if there is one: Ceph's gateway, as scripts/ceph.sh starts it (scripts/test.sh does). Tests that
// need it are of the class CephTest; without it they are skipped, and say so.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "support/http_client.h"

namespace ingot::testing {

/// Where it is: $INGOT_TEST_S3_ENDPOINT, _ACCESS_KEY, _SECRET_KEY and _REGION, as `scripts/ceph.sh env DIR` prints
/// them.
std::optional<S3Place> ceph();

/// Each test has a bucket of its own, which stays behind with what is in it.
class CephTest : public ::testing::Test {
 protected:
  void SetUp() override;

  [[nodiscard]] const S3Place& place() const { return *place_; }
  [[nodiscard]] const std::string& bucket() const { return bucket_; }

 private:
  std::optional<S3Place> place_;
  std::string bucket_;
};

}  // namespace ingot::testing
