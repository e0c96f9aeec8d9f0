// import and export by the real program: what is read, what is said, and that a killed import goes on.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "cli/json.h"
#include "cli/text.h"
#include "command.h"
#include "support/temporary_directory.h"

namespace ingot::cli {
namespace {

class Import : public ::testing::Test {
 protected:
  Ran on(std::vector<std::string> arguments, const std::string& input = {}) {
    arguments.insert(arguments.begin(), {"-s", store_});
    return run(arguments, input);
  }
  std::string file(const std::string& name, const std::string& bytes) {
    write_file(directory_.at(name), bytes);
    return directory_.at(name);
  }
  static std::uint64_t figure(const Ran& ran, const char* name) {
    const auto members = read_object(ran.out);
    const JsonMember* member = find_member(members, name);
    return member == nullptr ? UINT64_MAX : parse_unsigned(member->value.raw).value_or(UINT64_MAX);
  }
  std::uint64_t count(const std::string& space) {
    const std::string keys = on({"scan", space, "--keys-only"}).out;
    return static_cast<std::uint64_t>(std::count(keys.begin(), keys.end(), '\n'));
  }

  ingot::testing::TemporaryDirectory directory_;
  std::string store_ = directory_.at("data");
};

std::string numbered_lines(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i)
    lines += "{\"id\":" + std::to_string(i) + ",\"text\":\"record number " + std::to_string(i) + "\"}\n";
  return lines;
}

TEST_F(Import, EveryFormatIsToldByNameOrContents) {
  EXPECT_EQ(on({"import", "a", file("a.jsonl", "{\"id\":1}\n"), "--key", "id"}).status, 0);
  EXPECT_EQ(on({"import", "b", file("b.csv", "id,n\n1,x\n")}).status, 0);
  EXPECT_EQ(on({"import", "c", file("c.tsv", "id\tn\n1\tx\n")}).status, 0);
  EXPECT_EQ(on({"import", "d", file("available.txt", "Package: bash\nVersion: 5\n")}).status, 0);
  EXPECT_EQ(
      on({"import", "e", "-", "--format", "control", "--key", "Package,Version"}, "Package: bash\nVersion: 5\n").status,
      0);
  EXPECT_EQ(on({"scan", "a"}).out, "1\t{\"id\":1}\n");
  EXPECT_EQ(on({"scan", "b"}).out, "1\t{\"id\":\"1\",\"n\":\"x\"}\n");
  EXPECT_EQ(on({"scan", "c"}).out, on({"scan", "b"}).out);
  EXPECT_EQ(on({"scan", "d"}).out, "bash\t{\"Package\":\"bash\",\"Version\":\"5\"}\n");
  EXPECT_EQ(on({"scan", "e", "--tuple", "-k"}).out, "[\"bash\",\"5\"]\n");
  EXPECT_EQ(on({"spaces"}).out, "a\nb\nc\nd\ne\n") << "finished imports leave no row behind";
}

TEST_F(Import, RepeatedKeysAreReplacedAndCounted) {
  const Ran ran = on({"import", "s", "-", "--key", "id", "--format", "jsonl", "--json"},
                     "{\"id\":1,\"v\":1}\n{\"id\":2}\n{\"id\":1,\"v\":2}\n");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(figure(ran, "records"), 3u);
  EXPECT_EQ(figure(ran, "replaced"), 1u);
  EXPECT_EQ(figure(ran, "bad"), 0u);
  EXPECT_EQ(figure(ran, "bytes"), 39u);
  EXPECT_EQ(on({"get", "s", "1"}).out, "{\"id\":1,\"v\":2}");
  EXPECT_EQ(figure(on({"import", "s", "-", "--key", "id", "--format", "jsonl", "--json"}, "{\"id\":2}\n"), "replaced"),
            1u);
}

TEST_F(Import, BadLinesAreNamedAndTheRestIsRead) {
  const std::string path = file("available.txt", "Package: a\n\nnonsense\n\nPackage: b\n");
  const Ran ran = on({"import", "s", path, "--json"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.err, "ingot: " + path + ":3: it is not \"Field: text\"\n");
  EXPECT_EQ(figure(ran, "records"), 2u);
  EXPECT_EQ(figure(ran, "bad"), 1u);
}

TEST_F(Import, StrictStopsAtTheFirstBadLineAndKeepsWhatCameBefore) {
  const std::string path = file("x.jsonl", "{\"id\":1}\nbad\n{\"id\":3}\n");
  const Ran ran = on({"import", "s", path, "--key", "id", "--strict"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_NE(ran.err.find("x.jsonl:2: "), std::string::npos) << ran.err;
  EXPECT_EQ(on({"scan", "s", "-k"}).out, "1\n");
  // Mended, it is another file, and read from its beginning.
  write_file(path, "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n");
  EXPECT_EQ(on({"import", "s", path, "--key", "id", "--strict"}).status, 0);
  EXPECT_EQ(on({"scan", "s", "-k"}).out, "1\n2\n3\n");
}

TEST_F(Import, ALineThatIsMetAgainCountsOnce) {
  const std::string path = file("x.jsonl", "{\"id\":1}\nbad\n{\"id\":3}\n");
  for (int i = 0; i < 3; ++i) {
    const Ran strict = on({"import", "s", path, "--key", "id", "--json", "--strict"});
    EXPECT_EQ(strict.status, 1);
    EXPECT_EQ(figure(strict, "records"), 1u);
    EXPECT_EQ(figure(strict, "bad"), 1u);
  }
  const Ran ran = on({"import", "s", path, "--key", "id", "--json"});
  EXPECT_EQ(figure(ran, "records"), 2u);
  EXPECT_EQ(figure(ran, "bad"), 1u);
}

TEST_F(Import, WhatCanNotBeBegunIsAUsageError) {
  const std::string lines = file("x.jsonl", "{\"id\":1}\n");
  EXPECT_EQ(on({"import", "s", lines}).status, 2) << "no key";
  EXPECT_EQ(on({"import", lines, "--key", "id"}).status, 2) << "no space";
  EXPECT_EQ(on({"import", "s", directory_.at("absent")}).status, 2);
  EXPECT_EQ(on({"import", "s", directory_.path(), "--format", "csv"}).status, 2) << "a directory";
  EXPECT_EQ(on({"import", "s", lines, "--format", "xml"}).status, 2);
  EXPECT_EQ(on({"import", "s", lines, "--key", "id,"}).status, 2);
  EXPECT_EQ(on({"import", "s", file("x.csv", "a,b\n"), "--key", "c"}).status, 2);
  EXPECT_EQ(on({"import", "s", file("y.csv", "")}).status, 2);
}

TEST_F(Import, ExportIsReadBackExactly) {
  std::string every_byte;
  for (int c = 0; c < 256; ++c) every_byte += static_cast<char>(c);
  ASSERT_EQ(on({"put", "bytes", "all", "-"}, every_byte).status, 0);
  ASSERT_EQ(on({"put", "bytes", "", ""}).status, 0);
  ASSERT_EQ(on({"put", "\xff name", "ä", "text\n\"quoted\""}).status, 0);
  ASSERT_EQ(on({"put", "ttl", "long", "v", "--ttl", "10d"}).status, 0);
  const Ran exported = on({"export"});
  EXPECT_EQ(exported.status, 0);
  EXPECT_EQ(exported.err, "");
  const std::string other = directory_.at("other");
  const Ran read = run({"-s", other, "import", "-", "--json"}, exported.out);
  EXPECT_EQ(read.status, 0) << read.err;
  EXPECT_EQ(figure(read, "records"), 4u);
  EXPECT_EQ(run({"-s", other, "get", "bytes", "all"}).out, every_byte);
  EXPECT_EQ(run({"-s", other, "export"}).out, exported.out);
}

TEST_F(Import, AnExportCanBeReadIntoOneSpaceAndExpiredRecordsStayOut) {
  const std::string lines =
      "{\"space\":\"x\",\"key\":\"a\",\"value\":\"1\"}\n"
      "{\"space\":\"y\",\"key\":\"a\",\"value\":\"2\"}\n"
      "{\"space\":\"y\",\"key\":\"b\",\"value\":\"3\",\"expires\":\"2001-01-01T00:00:00Z\"}\n";
  const Ran ran = on({"import", "s", "-", "--json"}, lines);
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(figure(ran, "records"), 2u);
  EXPECT_EQ(figure(ran, "replaced"), 1u);
  EXPECT_EQ(figure(ran, "expired"), 1u);
  EXPECT_EQ(on({"export"}).out, "{\"space\":\"s\",\"key\":\"a\",\"value\":\"2\"}\n");
}

TEST_F(Import, ExportOfANamedSpaceIsThatSpace) {
  on({"put", "a", "k", "v"});
  on({"put", "b", "k", "v"});
  EXPECT_EQ(on({"export", "b"}).out, "{\"space\":\"b\",\"key\":\"k\",\"value\":\"v\"}\n");
  EXPECT_EQ(on({"export", "c"}).status, 1);
}

TEST_F(Import, ASignalStopsAfterABatchAndTheSameCommandGoesOn) {
  const int kLines = 300'000;
  const std::string path = file("x.jsonl", numbered_lines(kLines));
  const std::vector<std::string> command = {"-s", store_, "import", "s", path, "--key", "id", "--json"};
  std::uint64_t stopped = 0;
  Ran ran;
  for (int i = 0; i < 50; ++i) {
    Running running(command);
    std::this_thread::sleep_for(std::chrono::milliseconds(40 + 10 * i));
    running.signal(i % 2 == 0 ? SIGINT : SIGTERM);
    ran = running.wait();
    if (ran.status == 0) break;
    if (ran.status != 130 || ran.err.empty()) continue;  // the signal came before it was listened to
    ++stopped;
    EXPECT_NE(ran.err.find("The same command goes on"), std::string::npos) << ran.err;
  }
  if (ran.status != 0) ran = run(command);
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_GT(stopped, 0u) << "no import was slow enough to be stopped";
  EXPECT_NE(ran.err.find("Going on with an import"), std::string::npos) << ran.err;
  EXPECT_EQ(figure(ran, "records"), static_cast<std::uint64_t>(kLines)) << "counted across all runs";
  EXPECT_EQ(figure(ran, "replaced"), 0u) << "nothing was read twice";
  EXPECT_EQ(count("s"), static_cast<std::uint64_t>(kLines));
  EXPECT_EQ(on({"spaces"}).out, "s\n");
}

TEST_F(Import, AKilledImportGoesOnWhereItWas) {
  const int kLines = 300'000;
  const std::string path = file("x.jsonl", numbered_lines(kLines));
  const std::vector<std::string> command = {"-s", store_, "import", "s", path, "--key", "id", "--json"};
  Ran ran;
  for (int i = 0; i < 10; ++i) {
    Running running(command);
    std::this_thread::sleep_for(std::chrono::milliseconds(30 + 30 * i));
    running.signal(SIGKILL);
    ran = running.wait();
    if (ran.status == 0) break;
  }
  if (ran.status != 0) ran = run(command);
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(figure(ran, "records"), static_cast<std::uint64_t>(kLines));
  const std::uint64_t replaced = figure(ran, "replaced");
  // Unless it was killed between its last commit and its end: then all of it was imported once more, maybe in several
  // runs, too.
  EXPECT_TRUE(replaced == 0 || replaced == static_cast<std::uint64_t>(kLines))
      << replaced << ": the row is never behind its records, nor ahead";
  EXPECT_EQ(count("s"), static_cast<std::uint64_t>(kLines));
}

TEST_F(Import, RestartBeginsAtTheBeginning) {
  const std::string path = file("x.jsonl", "{\"id\":1}\n{\"id\":2}\nbad\n{\"id\":3}\n");
  EXPECT_EQ(on({"import", "s", path, "--key", "id", "--strict"}).status, 1);
  const Ran goes_on = on({"import", "s", path, "--key", "id", "--json"});
  EXPECT_EQ(goes_on.status, 1);
  EXPECT_EQ(figure(goes_on, "replaced"), 0u);
  EXPECT_EQ(on({"import", "s", path, "--key", "id", "--strict"}).status, 1);
  const Ran restarted = on({"import", "s", path, "--key", "id", "--json", "--restart"});
  EXPECT_EQ(figure(restarted, "records"), 3u);
  EXPECT_EQ(figure(restarted, "replaced"), 3u);
}

TEST_F(Import, AnUnfinishedImportIsNotGoneOnWithInAnotherManner) {
  const std::string path = file("x.jsonl", "{\"id\":1,\"n\":\"a\"}\nbad\n{\"id\":3,\"n\":\"b\"}\n");
  EXPECT_EQ(on({"import", "s", path, "--key", "id", "--strict"}).status, 1);
  const Ran ran = on({"import", "s", path, "--key", "n"});
  EXPECT_NE(ran.err.find("beginning at its beginning"), std::string::npos) << ran.err;
  EXPECT_EQ(on({"scan", "s", "-k"}).out, "1\na\nb\n");
}

TEST_F(Import, APipeIsReadAsItComesAndStoppedWhileSilent) {
  Running running({"-s", store_, "import", "s", "-", "--key", "id", "--format", "jsonl"});
  running.write(numbered_lines(5'000) + "{\"id\":\"cut o");
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  running.signal(SIGINT);
  const Ran ran = running.wait_with_open_input();  // that it stays silent, and does not end, is the point
  EXPECT_EQ(ran.status, 130);
  EXPECT_EQ(ran.err.find("cut"), std::string::npos) << ran.err;
  EXPECT_EQ(count("s"), 5'000u) << "whole records only, and all that came";
}

TEST_F(Import, TwoRunsOfOneImportDoNotCountTwice) {
  const std::string path = file("x.jsonl", numbered_lines(200'000));
  const std::vector<std::string> command = {"-s", store_, "import", "s", path, "--key", "id", "--json"};
  Running first(command), second(command);
  const Ran a = first.wait(), b = second.wait();
  EXPECT_TRUE(a.status == 0 || b.status == 0) << a.err << b.err;
  EXPECT_TRUE(a.status == 0 || a.status == 2) << a.err;
  EXPECT_TRUE(b.status == 0 || b.status == 2) << b.err;
  EXPECT_EQ(count("s"), 200'000u);
  EXPECT_EQ(on({"spaces"}).out, "s\n");
}

}  // namespace
}  // namespace ingot::cli
