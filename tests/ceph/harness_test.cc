// Whether the real server is there, and is one that Ingot can use.
#include <gtest/gtest.h>

#include "support/ceph.h"

namespace ingot::testing {
namespace {

class CephHarness : public CephTest {};

TEST_F(CephHarness, AnObjectIsCreatedOnceAndOneThatIsMissingIsNotFound) {
  HttpClient client(place());
  const std::string key = "/" + bucket() + "/log/0000000000000001";
  EXPECT_EQ(outcome_of(client.create(key, "first")), "200");
  EXPECT_EQ(outcome_of(client.create(key, "second")), "412 PreconditionFailed");
  EXPECT_EQ(client.get(key).body, "first");
  EXPECT_EQ(outcome_of(client.get("/" + bucket() + "/log/0000000000000002")), "404 NoSuchKey");
}

}  // namespace
}  // namespace ingot::testing
