// A store in a bucket of a real S3 server: where it is, what processes must know to find it, and which objects it has.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "child.h"
#include "proxy.h"
#include "storage/bucket.h"
#include "support/ceph.h"
#include "support/temporary_directory.h"

namespace ingot::testing {

class BucketTest : public CephTest {
 protected:
  // This process's environment, and so its children's, leads to the server, and to nobody's own credentials.
  void SetUp() override;

  [[nodiscard]] const std::string& endpoint() const { return place().endpoint; }
  [[nodiscard]] std::string store(const std::string& prefix = "store") const {
    return "s3://" + bucket() + "/" + prefix;
  }
  // For a child that is to go through a proxy, and (if it is named) with a cache of its own.
  [[nodiscard]] static Arguments through(const Proxy& proxy);
  [[nodiscard]] Arguments cache_of(const std::string& machine) const;
  [[nodiscard]] std::string cache_directory(const std::string& machine = "shared") const;

  // The store's objects, past the store. `prefix`: empty, or ends in '/'.
  [[nodiscard]] std::unique_ptr<storage::Bucket> raw(const std::string& store) const;
  [[nodiscard]] std::vector<std::string> objects(const std::string& store, const std::string& prefix = "") const;

  TemporaryDirectory directory_;
};

// Leads this process's environment to a server, and to nobody's own credentials.
void lead_to(const S3Place& place, const TemporaryDirectory& home);

// Sets this process's environment to lead through a proxy while it lives: for stores that the test itself opens.
class Through {
 public:
  explicit Through(const Proxy& proxy);
  ~Through();
  Through(const Through&) = delete;
  Through& operator=(const Through&) = delete;

 private:
  std::string before_;
};

// Ends when it is done, and fails when it is not after a minute, whatever the machine is doing.
bool eventually(const std::function<bool()>& done);

}  // namespace ingot::testing
