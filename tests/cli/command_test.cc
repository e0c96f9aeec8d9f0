// The verbs of single records and whole spaces, statuses and streams, by the real program.
#include "command.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "cli/json.h"
#include "cli/text.h"
#include "ingot/limits.h"
#include "ingot/version.h"
#include "support/temporary_directory.h"

namespace ingot::cli {
namespace {

class Command : public ::testing::Test {
 protected:
  // Runs a verb on this test's store.
  Ran on(std::vector<std::string> arguments, const std::string& input = {}) {
    arguments.insert(arguments.begin(), {"-s", store_});
    return run(arguments, input);
  }
  // The same, which must succeed in silence; returns stdout.
  std::string good(const std::vector<std::string>& arguments, const std::string& input = {}) {
    const Ran ran = on(arguments, input);
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(ran.err, "");
    return ran.out;
  }

  ingot::testing::TemporaryDirectory directory_;
  std::string store_ = directory_.at("data");
};

// The members of one line of --json.
class JsonLine {
 public:
  explicit JsonLine(std::string text) : text_(std::move(text)), members_(read_object(text_)) {}
  std::string raw(const char* name) const {
    const JsonMember* member = find_member(members_, name);
    return member == nullptr ? "" : std::string(member->value.raw);
  }
  std::string string(const char* name) const {
    const JsonMember* member = find_member(members_, name);
    return member == nullptr ? "MISSING" : member->value.string();
  }

 private:
  std::string text_;
  std::vector<JsonMember> members_;
};

TEST_F(Command, PutIsReadBackByteForByte) {
  std::string every_byte;
  for (int c = 0; c < 256; ++c) every_byte += static_cast<char>(c);
  EXPECT_EQ(good({"put", "users", "42", "-"}, every_byte), "");
  EXPECT_EQ(good({"get", "users", "42"}), every_byte);
  good({"put", "users", "empty", ""});
  EXPECT_EQ(good({"get", "users", "empty"}), "");
}

TEST_F(Command, WhatIsNotThereIsStatusOneAndASentence) {
  good({"put", "users", "42", "Ada"});
  const Ran ran = on({"get", "users", "43\n"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err, "ingot: There is no key 43\\n in space \"users\".\n");
}

TEST_F(Command, SeveralKeysAreALineEach) {
  good({"put", "s", "a", "1\n"});
  good({"put", "s", "b", "2"});
  const Ran ran = on({"get", "s", "b", "x", "a"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(ran.out, "b\t2\na\t1\\n\n");
}

TEST_F(Command, ArgumentsCanBeFilesHexBase64AndEscaped) {
  write_file(directory_.at("value"), std::string("a\0b\n", 4));
  good({"put", "s", "file", "@" + directory_.at("value")});
  EXPECT_EQ(good({"get", "s", "file"}), std::string("a\0b\n", 4));
  good({"put", "s", "at", "@@home"});
  EXPECT_EQ(good({"get", "s", "at"}), "@home");
  good({"put", "s", "ff00", "0a", "--hex"});
  EXPECT_EQ(good({"get", "s", "/wA=", "--base64"}), "\n");
  good({"put", "s", "number", "-5"});
  EXPECT_EQ(good({"get", "s", "number"}), "-5");
  good({"put", "s", "dash", "--", "--hex"});
  EXPECT_EQ(good({"get", "s", "dash"}), "--hex");
  good({"put", "s", "brackets", "[1,2]"});
  EXPECT_EQ(good({"get", "s", "brackets"}), "[1,2]");

  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"put", "s", "k", "@" + directory_.at("absent")},
                                             {"put", "s", "k", "0", "--hex"},
                                             {"put", "s", "k", "a=", "--base64"},
                                             {"put", "s", "-", "-"},
                                             {"put", "s", "k", "@"},
                                             {"put", "s", "aa", "aa", "--hex", "--base64"}}) {
    const Ran ran = on(wrong, "x");
    EXPECT_EQ(ran.status, 2) << wrong[3];
    EXPECT_EQ(ran.err.rfind("ingot: ", 0), 0u);
  }
}

TEST_F(Command, TupleKeysAreJsonArrays) {
  good({"put", "t", "[\"bash\",5,-1.0,true,null]", "v", "--tuple"});
  EXPECT_EQ(good({"get", "t", "--tuple", " [ \"bash\", 5, -1.0, true, null ] "}), "v");
  EXPECT_EQ(good({"scan", "t", "--tuple", "--prefix", "[\"bash\"]"}), "[\"bash\",5,-1.0,true,null]\tv\n");
  EXPECT_EQ(good({"scan", "t", "--tuple", "--prefix", "[\"bas\"]"}), "");
  EXPECT_EQ(JsonLine(good({"scan", "t", "--tuple", "--json"})).raw("key"), "[\"bash\",5,-1.0,true,null]");
  EXPECT_EQ(on({"get", "t", "--tuple", "bash"}).status, 2);
}

TEST_F(Command, LimitsAreErrorsWithTheSizeAndTheLimit) {
  const Ran key = on({"put", "s", std::string(kKeyBytesMax + 1, 'k'), "v"});
  EXPECT_EQ(key.status, 2);
  EXPECT_NE(key.err.find("8193"), std::string::npos) << key.err;
  EXPECT_EQ(on({"put", "s", "k", "-"}, std::string(kValueBytesMax + 1, 'v')).status, 2);
  good({"put", "s", "k", "-"}, std::string(kValueBytesMax, 'v'));
  EXPECT_EQ(on({"put", std::string(kSpaceNameBytesMax + 1, 's'), "k", "v"}).status, 2);
  EXPECT_EQ(on({"put", "", "k", "v"}).status, 2);
}

TEST_F(Command, ScanGivesTheRangeInOrder) {
  for (const char* key : {"a", "b1", "b2", "c"}) good({"put", "s", key, std::string("v") + key});
  EXPECT_EQ(good({"scan", "s"}), "a\tva\nb1\tvb1\nb2\tvb2\nc\tvc\n");
  EXPECT_EQ(good({"scan", "s", "--prefix", "b"}), "b1\tvb1\nb2\tvb2\n");
  EXPECT_EQ(good({"scan", "s", "--from", "b1", "--to", "c", "-k"}), "b1\nb2\n");
  EXPECT_EQ(good({"scan", "s", "--reverse", "--limit=2", "--keys-only"}), "c\nb2\n");
  EXPECT_EQ(good({"scan", "s", "--limit", "0"}), "");
  EXPECT_EQ(good({"scan", "absent"}), "");
  EXPECT_EQ(on({"scan", "s", "--from", "c", "--to", "a"}).status, 2);
  EXPECT_EQ(on({"scan", "s", "--prefix", "a", "--to", "c"}).status, 2);
  EXPECT_EQ(on({"scan", "s", "--limit", "-1"}).status, 2);
}

TEST_F(Command, JsonLinesCarryVersionExpiryAndBytes) {
  const JsonLine put(good({"put", "s", "k", "v", "--ttl", "1h", "--json"}));
  const JsonLine got(good({"get", "s", "k", "--json"}));
  EXPECT_EQ(got.raw("version"), put.raw("version"));
  EXPECT_EQ(got.string("value"), "v");
  EXPECT_TRUE(parse_time(got.string("expires")));
  good({"put", "s", "ff", "fe", "--hex"});
  const JsonLine bytes(good({"--json", "scan", "s", "--prefix", "ff", "--hex"}));
  EXPECT_EQ(bytes.string("key_base64"), "/w==");
  EXPECT_EQ(bytes.string("value_base64"), "/g==");
  EXPECT_EQ(bytes.raw("expires"), "");
}

TEST_F(Command, ARecordEndsAfterItsTime) {
  good({"put", "s", "soon", "v", "--ttl", "1us"});
  EXPECT_EQ(on({"get", "s", "soon"}).status, 1);
  for (const char* bad : {"0s", "1", "soon", "-1s", "9999999d"})
    EXPECT_EQ(on({"put", "s", "k", "v", "--ttl", bad}).status, 2) << bad;
}

TEST_F(Command, EraseTakesKeysARangeOrAPrefix) {
  for (const char* key : {"a", "b1", "b2", "c", "d"}) good({"put", "s", key, "v"});
  good({"erase", "s", "a", "absent"});
  EXPECT_EQ(good({"scan", "s", "-k"}), "b1\nb2\nc\nd\n");
  good({"erase", "s", "--prefix", "b"});
  good({"erase", "s", "--range", "c", "d"});
  EXPECT_EQ(good({"scan", "s", "-k"}), "d\n");
  EXPECT_EQ(on({"erase", "s"}).status, 2);
  EXPECT_EQ(on({"erase", "s", "d", "--prefix", "d"}).status, 2);
  EXPECT_EQ(on({"erase", "s", "--range", "d", "c"}).status, 2);
  EXPECT_EQ(good({"scan", "s", "-k"}), "d\n");
}

TEST_F(Command, SpacesAreThoseThatHoldAnything) {
  EXPECT_EQ(on({"spaces"}).status, 2) << "there is no store";
  good({"put", "b", "k", "v"});
  good({"put", "a", "1", "v"});
  good({"put", "a", "2", "v"});
  EXPECT_EQ(good({"spaces"}), "a\nb\n");
  EXPECT_EQ(good({"spaces", "--count"}), "a\t2\nb\t1\n");
  EXPECT_EQ(good({"spaces", "--count", "--json"}),
            "{\"space\":\"a\",\"records\":2}\n{\"space\":\"b\",\"records\":1}\n");
}

TEST_F(Command, DropSaysWhatItWouldDoUntilItMay) {
  good({"put", "a", "1", "v"});
  const Ran asked = on({"drop", "a"});
  EXPECT_EQ(asked.status, 2);
  EXPECT_NE(asked.err.find("1 record,"), std::string::npos) << asked.err;
  EXPECT_EQ(good({"spaces"}), "a\n");
  good({"drop", "a", "--yes"});
  EXPECT_EQ(good({"spaces"}), "");
  EXPECT_EQ(on({"drop", "a", "--yes"}).status, 1);
}

TEST_F(Command, OnlyAWriteMakesAStore) {
  for (const std::vector<std::string>& verb : std::vector<std::vector<std::string>>{{"get", "s", "k"},
                                                                                    {"scan", "s"},
                                                                                    {"erase", "s", "k"},
                                                                                    {"stats"},
                                                                                    {"info"},
                                                                                    {"check"},
                                                                                    {"export"},
                                                                                    {"drop", "s", "--yes"},
                                                                                    {"copy", directory_.at("to")}}) {
    const Ran ran = on(verb);
    EXPECT_EQ(ran.status, 2) << verb[0];
    EXPECT_NE(ran.err.find(store_), std::string::npos) << ran.err;
  }
  EXPECT_FALSE(std::filesystem::exists(store_));
}

TEST_F(Command, TheStoreIsGivenOrNamedByTheEnvironment) {
  const Ran neither = run({"get", "s", "k"});
  EXPECT_EQ(neither.status, 2);
  EXPECT_NE(neither.err.find("INGOT_STORE"), std::string::npos);
  EXPECT_EQ(run({"put", "s", "k", "v", "--store", store_}).status, 0);
  EXPECT_EQ(run({"get", "-s", store_, "s", "k"}).out, "v");
  EXPECT_EQ(run({"--store=" + store_, "get", "s", "k"}).out, "v");
}

TEST_F(Command, UsageErrorsSayWhatWasMeant) {
  EXPECT_NE(run({"scna", "s"}).err.find("Did you mean scan?"), std::string::npos);
  EXPECT_NE(on({"scan", "s", "--limt", "1"}).err.find("Did you mean --limit?"), std::string::npos);
  EXPECT_NE(on({"put", "s", "k"}).err.find("put SPACE KEY VALUE"), std::string::npos);
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{},
                                             {"nothing-like-it"},
                                             {"get"},
                                             {"spaces", "x"},
                                             {"get", "s", "k", "---"},
                                             {"--frob"},
                                             {"-s"},
                                             {"get", "s", "k", "--json=1"},
                                             {"scan", "s", "--limit", "1", "--limit", "2"}}) {
    const Ran ran = run(wrong);
    EXPECT_EQ(ran.status, 2);
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(ran.err.rfind("ingot: ", 0), 0u) << ran.err;
  }
}

TEST_F(Command, HelpIsDataAndTeachesEveryVerb) {
  const Ran overview = run({"--help"});
  EXPECT_EQ(overview.status, 0);
  EXPECT_EQ(overview.err, "");
  EXPECT_EQ(run({"help"}).out, overview.out);
  for (const char* verb : {"get", "put", "erase", "scan", "apply", "spaces", "drop", "import", "export", "copy",
                           "check", "stats", "info", "bench", "completion", "manual"}) {
    EXPECT_NE(overview.out.find(std::string("\n  ") + verb + ' '), std::string::npos) << verb;
    const Ran help = run({verb, "--help"});
    EXPECT_EQ(help.status, 0);
    EXPECT_NE(help.out.find("Examples:\n  "), std::string::npos) << verb;
    EXPECT_EQ(run({"help", verb}).out, help.out);
  }
  EXPECT_EQ(run({"--version"}).out, "ingot " INGOT_VERSION_STRING "\n");
  EXPECT_EQ(run({"help", "nothing-like-it"}).status, 2);
}

TEST_F(Command, CompletionIsAScriptThatShellsAccept) {
  for (const char* shell : {"bash", "zsh", "fish"})
    EXPECT_NE(run({"completion", shell}).out.find("keys-only"), std::string::npos);
  EXPECT_EQ(run({"completion", "cmd"}).status, 2);
  good({"put", "users", "k", "v"});
  write_file(directory_.at("completion"), run({"completion", "bash"}).out);
  const auto complete = [&](const std::string& words, int at) {
    const std::string script = "source " + directory_.at("completion") + "; COMP_WORDS=(" INGOT_COMMAND " " + words +
                               "); COMP_CWORD=" + std::to_string(at) + "; _ingot; echo \"${COMPREPLY[@]}\" > " +
                               directory_.at("reply");
    EXPECT_EQ(std::system(("bash -c '" + script + "'").c_str()), 0);
    return read_file(directory_.at("reply"));
  };
  EXPECT_EQ(complete("sca", 1), "scan\n");
  EXPECT_EQ(complete("scan --rev", 2), "--reverse\n");
  EXPECT_EQ(complete("-s " + store_ + " get us", 4), "users\n");
}

TEST_F(Command, AReaderThatLeavesIsNoError) {
  std::string lines;
  for (int i = 0; i < 20'000; ++i)
    lines += "{\"id\":" + std::to_string(i) + ",\"text\":\"some text that fills the pipe\"}\n";
  ASSERT_EQ(on({"import", "s", "-", "--key", "id", "--format", "jsonl"}, lines).status, 0);
  Running scan({"-s", store_, "scan", "s"});
  scan.read_output(100);
  scan.close_output();
  const Ran ran = scan.wait();
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(ran.err, "");
}

TEST_F(Command, AFullDiskBehindStdoutIsAnError) {
  good({"put", "s", "k", "v"});
  const std::string line =
      std::string(INGOT_COMMAND) + " -s " + store_ + " scan s > /dev/full 2> " + directory_.at("err");
  EXPECT_EQ(WEXITSTATUS(std::system(line.c_str())), 2);
  EXPECT_NE(read_file(directory_.at("err")).find("can't be written"), std::string::npos);
}

TEST_F(Command, StatsAndInfoHaveOneFigureEach) {
  good({"put", "s", "k", "v"});
  const JsonLine stats(good({"stats", "--json"}));
  EXPECT_EQ(stats.raw("health"), "true");
  EXPECT_EQ(stats.raw("problems"), "[]");
  EXPECT_NE(stats.raw("version"), "0");
  EXPECT_NE(good({"stats"}).find("\n  version "), std::string::npos);
  const JsonLine info(good({"info", "--json"}));
  EXPECT_EQ(info.raw("spaces"), "1");
  EXPECT_EQ(info.string("where"), std::filesystem::canonical(store_).string());
  EXPECT_NE(info.raw("bytes"), "0");
}

TEST_F(Command, ACopyIsAStoreWithTheSameRecords) {
  for (int i = 0; i < 20; ++i) good({"put", "s", std::to_string(i), "v"});
  const std::string to = directory_.at("copy");
  const Ran copied = on({"copy", to});
  EXPECT_EQ(copied.status, 0) << copied.err;
  EXPECT_EQ(copied.out, "");
  EXPECT_EQ(run({"-s", to, "scan", "s"}).out, good({"scan", "s"}));
  EXPECT_EQ(on({"copy", to}).status, 2) << "it exists";
  EXPECT_EQ(run({"copy", store_, directory_.at("other"), "--json"}).status, 0);
  EXPECT_EQ(run({"-s", directory_.at("other"), "scan", "s"}).out, good({"scan", "s"}));
}

TEST_F(Command, CheckOfASoundStoreIsClean) {
  good({"put", "s", "k", "v"});
  EXPECT_EQ(good({"check"}).rfind("clean: ", 0), 0u);
  EXPECT_EQ(JsonLine(good({"check", "--json"})).raw("clean"), "true");
}

TEST_F(Command, CheckHealsAndTheNextOneIsClean) {
  for (int i = 0; i < 20; ++i) good({"put", "s", std::to_string(i), "v"});
  const std::string records = good({"scan", "s"}), copy = directory_.at("copy");
  ASSERT_EQ(on({"copy", copy}).status, 0);  // which writes all of it as a run
  std::size_t damaged = 0;
  for (const auto& run_file : std::filesystem::directory_iterator(copy + "/runs")) {
    std::string bytes = read_file(run_file.path().string());
    ASSERT_GT(bytes.size(), 100u);
    bytes[60] = static_cast<char>(~bytes[60]);
    write_file(run_file.path().string(), bytes);
    ++damaged;
  }
  ASSERT_GT(damaged, 0u);
  const Ran first = run({"-s", copy, "check", "--json"});
  EXPECT_EQ(first.status, 1);
  EXPECT_EQ(JsonLine(first.out).raw("clean"), "false");
  EXPECT_EQ(JsonLine(first.out).raw("healed"), std::to_string(damaged));
  EXPECT_NE(JsonLine(first.out).raw("healed_places").find("bytes 0 to 4095"), std::string::npos) << first.out;
  EXPECT_EQ(JsonLine(first.out).raw("damage"), "[]");
  const Ran second = run({"-s", copy, "check"});
  EXPECT_EQ(second.status, 0) << second.out << second.err;
  EXPECT_EQ(run({"-s", copy, "scan", "s"}).out, records);
}

TEST_F(Command, WhatIsLeftOfADamagedLogIsExportedAndCopied) {
  good({"put", "s", "a", "before"});
  const std::string segment = store_ + "/log/0000000000000001";
  const std::string before = read_file(segment);
  good({"put", "s", "b", "damaged"});
  const std::string after = read_file(segment);
  good({"put", "s", "c", "behind"});
  std::string bytes = read_file(segment);
  std::size_t first = 0, last = 0;
  for (std::size_t at = 0; at < before.size(); ++at) {
    if (before[at] == after[at]) continue;
    if (first == 0) first = at;
    last = at;
  }
  ASSERT_NE(first, 0u);
  for (std::size_t at = first; at <= last; ++at) bytes[at] = 'x';
  write_file(segment, bytes);

  const Ran refused = on({"get", "s", "a"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.err.find("--salvage"), std::string::npos) << refused.err;
  EXPECT_EQ(on({"put", "s", "d", "v"}).status, 2);
  const Ran checked = on({"check", "--json"});
  EXPECT_EQ(checked.status, 1);
  EXPECT_NE(JsonLine(checked.out).raw("damage").find("log/0000000000000001: bytes "), std::string::npos) << checked.out;
  const Ran rest = on({"export", "--salvage"});
  EXPECT_EQ(rest.status, 1);
  EXPECT_NE(rest.err.find("the versions from 2 to 2 are lost"), std::string::npos) << rest.err;
  EXPECT_EQ(rest.out,
            "{\"space\":\"s\",\"key\":\"a\",\"value\":\"before\"}\n"
            "{\"space\":\"s\",\"key\":\"c\",\"value\":\"behind\"}\n");
  const std::string to = directory_.at("copy");
  EXPECT_EQ(on({"copy", "--salvage", to}).status, 1);
  EXPECT_EQ(run({"-s", to, "check"}).status, 0);
  EXPECT_EQ(run({"-s", to, "get", "s", "c"}).out, "behind");
}

TEST_F(Command, BenchMeasuresAndLeavesNothingBehind) {
  const Ran ran = on({"bench", "--seconds", "5", "--json"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  std::size_t lines = 0;
  for (std::size_t at = 0; at < ran.out.size(); at = ran.out.find('\n', at) + 1, ++lines) {
    EXPECT_NE(JsonLine(ran.out.substr(at, ran.out.find('\n', at) - at)).raw("per_second"), "0");
  }
  EXPECT_EQ(lines, 5u);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
  EXPECT_EQ(on({"bench", "--seconds", "1"}).status, 2);
  EXPECT_EQ(on({"bench", "--directory", directory_.at("absent")}).status, 2);
  EXPECT_NE(run({"-s", "s3://bucket/app", "bench"}).err.find("--directory"), std::string::npos);
}

}  // namespace
}  // namespace ingot::cli
