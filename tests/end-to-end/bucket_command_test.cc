// The command on a store in a bucket: it does what it does on a directory, and when it can't, it says in a sentence
// what is wrong and what to do, and its status is 2.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "bucket_place.h"
#include "child.h"
#include "ingot/ingot.h"
#include "proxy.h"

namespace ingot {
namespace {

using testing::Arguments;
using testing::Child;

struct Ran {
  int status = 0;
  std::string said;  // on stdout and stderr, as they came
};

class BucketCommand : public testing::BucketTest {
 protected:
  [[nodiscard]] static Ran run(const std::string& where, const Arguments& words, const Arguments& environment = {}) {
    Arguments shell = {"/bin/sh", "-c", "\"$@\" 2>&1 </dev/null; status=$?; echo; exit $status", "sh", INGOT_COMMAND,
                       "-s",      where};
    shell.insert(shell.end(), words.begin(), words.end());
    Child child = Child::program(shell, environment);
    Ran ran;
    while (const auto line = child.line(std::chrono::minutes(2))) ran.said += *line + "\n";
    ran.status = child.wait();
    return ran;
  }
  [[nodiscard]] Ran on(const Arguments& words, const Arguments& environment = {}) const {
    return run(store(), words, environment);
  }
  void expect_said(const Ran& ran, int status, const std::vector<std::string>& parts) {
    EXPECT_EQ(ran.status, status) << ran.said;
    for (const std::string& part : parts) EXPECT_NE(ran.said.find(part), std::string::npos) << part << "\n" << ran.said;
    EXPECT_EQ(ran.said.find("terminate"), std::string::npos) << ran.said;
  }
};

TEST_F(BucketCommand, DoesWhatItDoesOnADirectory) {
  expect_said(on({"put", "users", "42", "Ada"}), 0, {});
  expect_said(on({"get", "users", "42"}), 0, {"Ada"});
  expect_said(on({"get", "users", "43"}), 1, {});
  expect_said(on({"scan", "users"}), 0, {"42", "Ada"});
  const std::string lines = directory_.at("lines.jsonl");
  {
    std::ofstream file(lines);
    for (int i = 0; i < 5000; ++i) file << "{\"id\":" << i << ",\"text\":\"record number " << i << "\"}\n";
  }
  expect_said(on({"import", "lines", lines, "--key", "id", "--json"}), 0, {"\"records\":5000,", "\"replaced\":0,"});
  expect_said(on({"import", "lines", lines, "--key", "id", "--json"}), 0, {"\"records\":5000,", "\"replaced\":5000,"});
  expect_said(on({"check"}), 0, {"clean"});
  expect_said(on({"stats"}), 0, {"health                    good", "bucket_gets", "bucket_dollars"});
  const Ran exported = on({"export"});
  expect_said(exported, 0, {"record number 4999"});
  EXPECT_EQ(std::count(exported.said.begin(), exported.said.end(), '\n'), 5001 + 1);
  const std::string copy = directory_.at("copy");
  expect_said(on({"copy", copy}), 0, {"verified"});
  expect_said(run(copy, {"get", "users", "42"}), 0, {"Ada"});
  expect_said(run(copy, {"check"}), 0, {"clean"});
  expect_said(run(copy, {"get", "lines", "4999"}), 0, {"record number 4999"});
}

TEST_F(BucketCommand, SaysWhatIsWrongAndWhatToDo) {
  expect_said(on({"put", "users", "42", "Ada"}), 0, {});
  const Arguments get = {"get", "users", "42"};
  expect_said(run("s3://" + bucket() + "/elsewhere", get), 2, {"elsewhere", "no store"});
  for (const Arguments& words : {get, Arguments{"put", "users", "42", "x"}}) {
    expect_said(run("s3://no-such-bucket-anywhere/app", words), 2, {"no-such-bucket-anywhere", "NoSuchBucket"});
    expect_said(on(words, {"AWS_SECRET_ACCESS_KEY=wrong"}), 2, {store(), "SignatureDoesNotMatch"});
    expect_said(on(words, {"AWS_ACCESS_KEY_ID=stranger"}), 2, {store(), "InvalidAccessKeyId"});
    expect_said(on(words, {"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}), 2, {"credentials", "AWS_ACCESS_KEY_ID"});
    expect_said(on(words, {"AWS_ENDPOINT_URL_S3=nonsense"}), 2, {"AWS_ENDPOINT_URL_S3", "nonsense"});
    expect_said(run("s3://Not_A_Bucket/app", words), 2, {"Not_A_Bucket"});
    expect_said(run("s3://" + bucket() + "/a//b", words), 2, {"a//b"});
  }
}

// It waits for it as long as every call does, since it may be back any moment; which takes long, for the command.
TEST_F(BucketCommand, SaysThatTheEndpointCannotBeReached) {
  ::setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1", 1);
  try {
    const Store never = open(store(), {.deadline = std::chrono::milliseconds(200)});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    expect_said({2, error.what()}, 2, {store(), "127.0.0.1"});
  }
  if (std::getenv("INGOT_TEST_HOURS") != nullptr) expect_said(on({"get", "users", "42"}), 2, {store(), "127.0.0.1"});
}

TEST_F(BucketCommand, SaysWhatItWaitsForLongBeforeItGivesUp) {
  ::setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1", 1);
  std::vector<std::string> said;
  Options options{.deadline = std::chrono::seconds(6)};
  options.on_message = [&](const Message& message) { said.push_back(message.text); };
  EXPECT_THROW((void)open(store(), options), Error);
  ASSERT_EQ(said.size(), 1U);
  expect_said({2, said.front()}, 2, {store(), "127.0.0.1", "waited for"});
}

TEST_F(BucketCommand, ARequestThatHangsIsSentAgainWhileAStoreIsMade) {
  testing::Proxy proxy(endpoint());
  std::atomic<int> puts{0};
  proxy.judge_by([&](const testing::ProxiedRequest& request, testing::Moment moment) {
    const bool is_first = request.method == "PUT" && moment == testing::Moment::came && puts++ == 0;
    return is_first ? testing::Fate::hold : testing::Fate::pass;
  });
  expect_said(on({"put", "users", "42", "Ada"}, through(proxy)), 0, {});
  EXPECT_GT(puts, 1);
  proxy.release();
  expect_said(on({"get", "users", "42"}), 0, {"Ada"});
}

TEST_F(BucketCommand, ASignalEndsAnImportThoughTheBucketIsSilent) {
  testing::Proxy proxy(endpoint());
  const std::string lines = directory_.at("lines.jsonl");
  {
    std::ofstream file(lines);
    for (int i = 0; i < 300'000; ++i) file << "{\"id\":" << i << "}\n";
  }
  const Arguments words = {
      "/bin/sh", "-c", "exec \"$@\" 2>&1 </dev/null", "sh", INGOT_COMMAND, "-s", store(), "import", "lines", lines,
      "--key",   "id"};
  Child child = Child::program(words, through(proxy));
  ASSERT_TRUE(testing::eventually([&] { return proxy.requests("PUT") > 5; }));
  proxy.judge_by([](const testing::ProxiedRequest&, testing::Moment) { return testing::Fate::hold; });
  ASSERT_TRUE(testing::eventually([&] { return proxy.held() > 0; }));
  child.signal(SIGINT);
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(child.wait(), 130);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));  // not the bucket's 30
  proxy.judge_by({});
  proxy.release();
  expect_said(on({"import", "lines", lines, "--key", "id", "--json"}), 0, {"Going on", "\"records\":300000,"});
}

}  // namespace
}  // namespace ingot
