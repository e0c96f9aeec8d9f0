// apply: what its lines mean, and that all of them happen or none.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/apply_lines.h"
#include "cli/arguments.h"
#include "command.h"
#include "support/temporary_directory.h"

namespace ingot::cli {
namespace {

TEST(ApplyLines, EachIsOneVerbWithWhatItNeeds) {
  const auto changes = read_changes(R"({"put":{"space":"s","key":"k","value":"v","ttl":"1.5h"}}

{"put":{"space_base64":"/w==","key_base64":"AA==","value_base64":""}}
{"erase":{"space":"s","key":""}}
{"erase_range":{"space":"s","begin":"a","end":"b"}}
{"erase_range":{"space":"s","prefix":"a"}}
{"add":{"space":"s","key":"n","delta":-9223372036854775808}}
{"check":{"space":"s","key":"k","version":18446744073709551615}})");
  ASSERT_EQ(changes.size(), 7u);
  EXPECT_EQ(changes[0].ttl, std::chrono::minutes(90));
  EXPECT_EQ(changes[1].line, 3u);
  EXPECT_EQ(changes[1].space, "\xff");
  EXPECT_EQ(changes[1].key, std::string(1, '\0'));
  EXPECT_EQ(changes[3].range.end, "b");
  EXPECT_EQ(changes[4].range.begin, "a");
  EXPECT_EQ(changes[4].range.end, "b");
  EXPECT_EQ(changes[5].delta, INT64_MIN);
  EXPECT_EQ(changes[6].expected_version, UINT64_MAX);
}

TEST(ApplyLines, AnythingElseIsRefusedAndNamesItsLine) {
  const char* wrong[] = {
      R"([])",
      R"({})",
      R"({"put":{"space":"s","key":"k","value":"v"},"erase":{"space":"s","key":"k"}})",
      R"({"putt":{"space":"s","key":"k","value":"v"}})",
      R"({"put":"x"})",
      R"({"put":{"key":"k","value":"v"}})",
      R"({"put":{"space":"","key":"k","value":"v"}})",
      R"({"put":{"space":"s","value":"v"}})",
      R"({"put":{"space":"s","key":"k"}})",
      R"({"put":{"space":"s","key":"k","value":1}})",
      R"({"put":{"space":"s","key":"k","value":"v","value_base64":""}})",
      R"({"put":{"space":"s","key":"k","value_base64":"x"}})",
      R"({"put":{"space":"s","key":"k","value":"v","tll":"1h"}})",
      R"({"put":{"space":"s","key":"k","key":"l","value":"v"}})",
      R"({"put":{"space":"s","key":"k","value":"v","ttl":"soon"}})",
      R"({"put":{"space":"s","key":"k","value":"v","ttl":5}})",
      R"({"erase_range":{"space":"s"}})",
      R"({"erase_range":{"space":"s","begin":"b","end":"a"}})",
      R"({"erase_range":{"space":"s","prefix":"b","end":"c"}})",
      R"({"add":{"space":"s","key":"k"}})",
      R"({"add":{"space":"s","key":"k","delta":1.5}})",
      R"({"add":{"space":"s","key":"k","delta":9223372036854775808}})",
      R"({"check":{"space":"s","key":"k"}})",
      R"({"check":{"space":"s","key":"k","absent":false}})",
      R"({"check":{"space":"s","key":"k","absent":true,"value":"v"}})",
      R"({"check":{"space":"s","key":"k","version":-1}})",
  };
  for (const char* line : wrong) {
    try {
      read_changes("{\"erase\":{\"space\":\"s\",\"key\":\"k\"}}\n" + std::string(line));
      ADD_FAILURE() << line;
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find("line 2 "), std::string::npos) << error.what();
    }
  }
  const std::string long_key(kKeyBytesMax + 1, 'k');
  EXPECT_THROW(read_changes(R"({"erase":{"space":"s","key":")" + long_key + R"("}})"), UsageError);
}

class Apply : public ::testing::Test {
 protected:
  Ran apply(const std::string& lines) { return run({"-s", store_, "apply", "--json"}, lines); }
  std::string scan() { return run({"-s", store_, "scan", "s"}).out; }
  ingot::testing::TemporaryDirectory directory_;
  std::string store_ = directory_.at("data");
};

TEST_F(Apply, AllLinesAreOneTransaction) {
  const Ran first = apply(R"({"put":{"space":"s","key":"a","value":"1"}}
{"put":{"space":"s","key":"b","value":"2"}}
{"check":{"space":"s","key":"b","value":"2"}}
{"add":{"space":"s","key":"n","delta":65}})");
  EXPECT_EQ(first.status, 0) << first.err;
  EXPECT_EQ(first.out, "{\"applied\":true,\"lines\":4}\n");
  EXPECT_EQ(scan(), "a\t1\nb\t2\nn\tA\\x00\\x00\\x00\\x00\\x00\\x00\\x00\n");
  const Ran second = apply(R"({"check":{"space":"s","key":"c","absent":true}}
{"erase_range":{"space":"s","begin":"b"}}
{"put":{"space":"s","key":"c","value":"3"}})");
  EXPECT_EQ(second.status, 0) << second.err;
  EXPECT_EQ(scan(), "a\t1\nc\t3\n");
}

TEST_F(Apply, ACheckThatDoesNotHoldLeavesEverything) {
  ASSERT_EQ(apply(R"({"put":{"space":"s","key":"a","value":"1"}})").status, 0);
  const std::string version = run({"-s", store_, "get", "s", "a", "--json"}).out;
  for (const char* check : {R"("value":"2")", R"("absent":true)", R"("version":999999)"}) {
    const Ran ran =
        apply("{\"put\":{\"space\":\"s\",\"key\":\"b\",\"value\":\"2\"}}\n{\"check\":{\"space\":\"s\",\"key\":\"a\"," +
              std::string(check) + "}}");
    EXPECT_EQ(ran.status, 1);
    EXPECT_EQ(ran.out, "{\"applied\":false}\n");
    EXPECT_NE(ran.err.find("line 2 "), std::string::npos) << ran.err;
  }
  EXPECT_EQ(apply(R"({"check":{"space":"s","key":"zz","value":"2"}})").status, 1);
  EXPECT_EQ(scan(), "a\t1\n");
}

TEST_F(Apply, ALineThatIsWrongLeavesEverything) {
  const Ran ran = apply("{\"put\":{\"space\":\"s\",\"key\":\"b\",\"value\":\"2\"}}\nnonsense\n");
  EXPECT_EQ(ran.status, 2);
  EXPECT_NE(ran.err.find("line 2 "), std::string::npos) << ran.err;
  EXPECT_FALSE(std::filesystem::exists(store_)) << "not even a store was made";
}

}  // namespace
}  // namespace ingot::cli
