// A Ceph of the test's own, whose gateway it may stop and kill: others go on testing against theirs meanwhile.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "child.h"
#include "support/http_client.h"
#include "support/temporary_directory.h"

namespace ingot::testing {

class OwnCeph {
 public:
  // Takes some seconds. If it can't be had, trouble() says why.
  OwnCeph();
  ~OwnCeph();
  OwnCeph(const OwnCeph&) = delete;
  OwnCeph& operator=(const OwnCeph&) = delete;

  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  [[nodiscard]] const S3Place& place() const { return place_; }

  // The gateway stands still, and goes on.
  void pause() const;
  void go_on() const;
  // It dies; another one takes its place. What lies in the cluster is not lost by that.
  void kill_gateway();
  void start_gateway();

 private:
  std::string run(const Arguments& words);
  // Of the gateway that the script has started.
  [[nodiscard]] pid_t recorded_gateway() const;

  TemporaryDirectory directory_;
  std::string trouble_;
  S3Place place_;
  pid_t gateway_ = -1;
  std::optional<Child> next_gateway_;
};

}  // namespace ingot::testing
