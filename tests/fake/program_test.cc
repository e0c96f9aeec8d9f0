// ingot-fake-s3 as a process, and the requests that control it.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "fake_test.h"
#include "support/temporary_directory.h"

namespace ingot::fake_s3 {
namespace {

// The program, with a pipe as its stdin.
class Program {
 public:
  explicit Program(std::vector<std::string> words, const std::vector<std::string>& run_by = {},
                   const std::string& seconds = "60") {
    int input[2];
    EXPECT_EQ(::pipe(input), 0);
    input_ = input[1];
    words.insert(words.begin(), INGOT_FAKE_S3_PROGRAM);
    words.insert(words.begin(), run_by.begin(), run_by.end());
    words.insert(words.end(), {"--port-file", directory_.at("port"), "--for", seconds});
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(input[0], STDIN_FILENO);
      ::close(input[0]);
      ::close(input[1]);
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    ::close(input[0]);
  }
  ~Program() {
    close_input();
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    wait();
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  std::string endpoint() {
    std::string port;
    EXPECT_TRUE(eventually([&] { return static_cast<bool>(std::ifstream(directory_.at("port")) >> port); }));
    return "http://127.0.0.1:" + port;
  }
  void close_input() {
    if (input_ >= 0) ::close(input_);
    input_ = -1;
  }
  int wait() {
    int status = -1;
    if (pid_ > 0) ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

 private:
  testing::TemporaryDirectory directory_;
  pid_t pid_ = -1;
  int input_ = -1;
};

const std::vector<std::string> kKeys{"--access-key", "key", "--secret-key", "secret",
                                     "--bucket",     "one", "--bucket",     "two"};

TEST(FakeProgram, EndsWhenItsInputIsClosed) {
  Program program(kKeys);
  HttpClient client({program.endpoint(), "key", "secret"});
  EXPECT_EQ(outcome_of(client.create("/one/key", "x")), "200");
  EXPECT_EQ(outcome_of(client.create("/two/key", "x")), "200");
  EXPECT_EQ(outcome_of(client.create("/bucket/key", "x")), "404 NoSuchBucket");
  program.close_input();
  EXPECT_EQ(program.wait(), 0);
  EXPECT_EQ(client.get("/one/key").status, 0);
}

TEST(FakeProgram, EndsWhenItsParentDoes) {
  // A shell that ends when its input does; its job's input is /dev/null, which says nothing.
  Program program(kKeys, {"/bin/sh", "-c", "\"$0\" \"$@\" & read line"});
  HttpClient client({program.endpoint(), "key", "secret"});
  EXPECT_EQ(outcome_of(client.create("/one/key", "x")), "200");
  program.close_input();
  program.wait();
  EXPECT_TRUE(eventually([&] { return client.get("/one/key").status == 0; }));
}

TEST(FakeProgram, EndsWhenItsTimeIsOver) {
  Program program(kKeys, {}, "0");
  EXPECT_EQ(program.wait(), 0);
}

TEST(FakeProgram, RefusesWhatItDoesNotUnderstand) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--profil", "aws"},
                                                {"--profile", "azure"},
                                                {"--latency", "fast"},
                                                {"--port", "65536"}}) {
    Program program(words);
    const int status = program.wait();
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 2) << words[0];
  }
}

TEST(FakeProgram, IsToldWhatToDoWhileItRuns) {
  Program program(kKeys);
  HttpClient client({program.endpoint(), "key", "secret"});
  const auto tell = [&](const std::string& what) {
    const HttpAnswer answer = client.send_unsigned("POST", "/_fake/" + what);
    return std::to_string(answer.status) + " " + answer.body;
  };
  EXPECT_EQ(tell("fault?fault=fails_done"), "400 there is no fault \"fails_done\"\n");
  EXPECT_EQ(tell("fault?fault=fails-done&verb=put&key_prefix=log%2F&count=1&retry_after=3"), "200 done\n");
  const HttpAnswer failed = client.create("/one/log/1", "x");
  EXPECT_EQ(outcome_of(failed), "500 InternalError");
  EXPECT_EQ(failed.header("retry-after"), "3");
  EXPECT_EQ(outcome_of(client.create("/one/log/1", "x")), "412 PreconditionFailed");
  EXPECT_EQ(tell("fault?fault=fails&count=100"), "200 done\n");
  EXPECT_EQ(tell("clear"), "200 done\n");
  EXPECT_EQ(tell("clock?offset=3600"), "200 done\n");
  EXPECT_EQ(outcome_of(client.get("/one/log/1")), "403 RequestTimeTooSkewed");
  EXPECT_EQ(tell("clock?offset=0"), "200 done\n");
  EXPECT_EQ(tell("skews?seconds=-7200"), "200 done\n");
  EXPECT_EQ(outcome_of(client.get("/one/log/1")), "403 RequestTimeTooSkewed");
  EXPECT_EQ(tell("skews?seconds="), "200 done\n");
  EXPECT_EQ(tell("latency?fixed=1&jitter=1&tail=1"), "200 done\n");
  EXPECT_EQ(outcome_of(client.get("/one/log/1")), "200");
  EXPECT_EQ(tell("profile?name=ignores-conditions"), "200 done\n");
  EXPECT_EQ(outcome_of(client.create("/one/log/1", "x")), "200");
  EXPECT_EQ(tell("outage?kind=refused"), "400 refused needs lasts=MS: nobody could end it\n");
  EXPECT_EQ(tell("outage?kind=silent"), "200 done\n");
  HttpClient hasty({program.endpoint(), "key", "secret"}, std::chrono::milliseconds(200));
  EXPECT_EQ(hasty.get("/one/log/1").status, 0);
  EXPECT_EQ(tell("outage?kind=none"), "200 done\n");
  EXPECT_EQ(outcome_of(client.get("/one/log/1")), "200");
  EXPECT_EQ(tell("expire"), "200 done\n");
  EXPECT_EQ(outcome_of(client.get("/one/log/1")), "400 ExpiredToken");
  EXPECT_EQ(tell("fault?fault=fails&often=1"), "400 there is no parameter often here\n");
  EXPECT_EQ(tell("dance"), "400 there is no \"POST dance\"; see control.h\n");
  EXPECT_EQ(client.send_unsigned("GET", "/_fake/keys?bucket=one").body, "log/1\n");
  const std::string counts = client.send_unsigned("GET", "/_fake/counts").body;
  EXPECT_NE(counts.find("put 412 1\n"), std::string::npos) << counts;
  EXPECT_NE(client.send_unsigned("GET", "/_fake/log?lines=3").body.find("ExpiredToken"), std::string::npos);
}

}  // namespace
}  // namespace ingot::fake_s3
