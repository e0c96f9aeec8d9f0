#include "own_ceph.h"

#include <unistd.h>

#include <csignal>
#include <fstream>

namespace ingot::testing {

namespace {

// Of lines like "export NAME=VALUE".
std::string value_in(const std::string& lines, const std::string& name) {
  const std::string before = "export " + name + "=";
  const std::size_t found = lines.find(before);
  if (found == std::string::npos) return "";
  const std::size_t begin = found + before.size();
  return lines.substr(begin, lines.find('\n', begin) - begin);
}

}  // namespace

OwnCeph::OwnCeph() {
  (void)run({INGOT_CEPH_SCRIPT, "start", directory_.path(), "--while", std::to_string(getpid())});
  if (!trouble_.empty()) return;
  const std::string lines = run({INGOT_CEPH_SCRIPT, "env", directory_.path()});
  place_.endpoint = value_in(lines, "INGOT_TEST_S3_ENDPOINT");
  place_.access_key = value_in(lines, "INGOT_TEST_S3_ACCESS_KEY");
  place_.secret_key = value_in(lines, "INGOT_TEST_S3_SECRET_KEY");
  place_.region = value_in(lines, "INGOT_TEST_S3_REGION");
  gateway_ = recorded_gateway();
  if (gateway_ <= 1) trouble_ = "the script has recorded no gateway";
}

OwnCeph::~OwnCeph() {
  if (gateway_ > 1) go_on();  // what stands still does not end
  next_gateway_.reset();
  (void)run({INGOT_CEPH_SCRIPT, "stop", directory_.path()});
}

std::string OwnCeph::run(const Arguments& words) {
  Arguments shell = {"/bin/sh", "-c", "exec \"$@\" 2>&1", "sh"};
  shell.insert(shell.end(), words.begin(), words.end());
  Child child = Child::program(shell);
  std::string said;
  while (const auto line = child.line(std::chrono::minutes(3))) said += *line + "\n";
  const int status = child.wait();
  if (status != 0) trouble_ = words[1] + " ended with " + std::to_string(status) + ": " + said;
  return said;
}

pid_t OwnCeph::recorded_gateway() const {
  std::ifstream file(directory_.at("run/rgw.pid"));
  pid_t pid = -1;
  file >> pid;
  return pid;
}

void OwnCeph::pause() const {
  ::kill(gateway_, SIGSTOP);
}

void OwnCeph::go_on() const {
  ::kill(gateway_, SIGCONT);
}

void OwnCeph::kill_gateway() {
  ::kill(gateway_, SIGKILL);
  next_gateway_.reset();
  gateway_ = -1;
}

void OwnCeph::start_gateway() {
  next_gateway_.emplace(
      Child::program({"/usr/bin/radosgw", "-c", directory_.at("ceph.conf"), "-f", "-n", "client.admin"}));
  gateway_ = next_gateway_->pid();
}

}  // namespace ingot::testing
