#include "cli/json.h"

#include <gtest/gtest.h>

#include "cli/text.h"

namespace ingot::cli {
namespace {

bool is_json(std::string_view text) {
  try {
    static_cast<void>(read_value(text));
    return true;
  } catch (const JsonError&) {
    return false;
  }
}

TEST(Json, WhatTheStandardAllowsIsRead) {
  for (const char* text :
       {"null", "true", "false", "0", "-0", "12.5e-3", "1E+2", "\"\"", "\"a\\u00e4\\n\\/\"", "[]", "[1,[2,{}]]",
        " {\"a\" : 1 , \"b\" : [ ] }\n", "{\"\":0}", "\"\\ud83d\\ude00\"", "\"\\ud800\"", "\"\x7f\"", "\"ä😀\""}) {
    EXPECT_TRUE(is_json(text)) << text;
  }
}

TEST(Json, WhatTheStandardForbidsIsRefused) {
  for (const char* text : {"",
                           " ",
                           "nul",
                           "nulll",
                           "True",
                           "01",
                           "-",
                           "+1",
                           "1.",
                           ".5",
                           "1e",
                           "1e+",
                           "0x1",
                           "NaN",
                           "\"",
                           "\"\\\"",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\u12g4\"",
                           "\"\t\"",
                           "\"\n\"",
                           "\"\xff\"",
                           "\"\xed\xa0\x80\"",
                           "[",
                           "[1",
                           "[1,]",
                           "[,]",
                           "[1 2]",
                           "{",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{\"a\":1 \"b\":2}",
                           "{}{}",
                           "1 2",
                           "[]]",
                           "'a'",
                           "// x",
                           "\"\\",
                           "\"\\u",
                           "\xef\xbb\xbf{}"}) {
    EXPECT_FALSE(is_json(text)) << text;
  }
}

TEST(Json, NestingEndsAtTheLimit) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(is_json(nested(kJsonDepthMax)));
  EXPECT_FALSE(is_json(nested(kJsonDepthMax + 1)));
  EXPECT_FALSE(is_json(std::string(1'000'000, '[')));
}

TEST(Json, MembersKeepTheirOrderAndTheirText) {
  const std::string text = R"( {"b": 1.50, "a" : {"x":[ 1 ]}, "\u0063": "é\n"} )";
  const auto members = read_object(text);
  ASSERT_EQ(members.size(), 3u);
  EXPECT_EQ(members[0].name(), "b");
  EXPECT_EQ(members[0].value.raw, "1.50");
  EXPECT_EQ(members[1].value.raw, "{\"x\":[ 1 ]}");
  EXPECT_EQ(members[2].name(), "c");
  EXPECT_TRUE(members[2].has_name("c"));
  EXPECT_EQ(members[2].value.string(), "é\n");
  EXPECT_EQ(find_member(members, "d"), nullptr);
}

TEST(Json, ANameThatIsThereTwiceIsAnErrorForWhoAsks) {
  const auto members = read_object(R"({"a":1,"\u0061":2,"b":3})");
  EXPECT_NO_THROW(find_member(members, "b"));
  EXPECT_THROW(find_member(members, "a"), JsonError);
}

TEST(Json, SurrogatesArePairsOrAnError) {
  EXPECT_EQ(read_value(R"("\ud83d\ude00")").string(), "😀");
  EXPECT_THROW(static_cast<void>(read_value(R"("\ud83d")").string()), JsonError);
  EXPECT_THROW(static_cast<void>(read_value(R"("\ud83dx")").string()), JsonError);
  EXPECT_THROW(static_cast<void>(read_value(R"("\ude00\ud83d")").string()), JsonError);
  EXPECT_THROW(static_cast<void>(read_value(R"("\ud83d\u0041")").string()), JsonError);
}

TEST(JsonObject, WhatIsWrittenIsReadBack) {
  std::string all;
  for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
  all += "ä€😀";
  const std::string text =
      JsonObject().add("text", all).add("n", std::uint64_t{18446744073709551615u}).add("ok", true).finish();
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const auto members = read_object(text);
  EXPECT_EQ(members[0].value.string(), all);
  EXPECT_EQ(members[1].value.raw, "18446744073709551615");
  EXPECT_EQ(members[2].value.raw, "true");
}

TEST(JsonObject, BytesThatAreNoTextAreBase64UnderAnotherName) {
  EXPECT_EQ(JsonObject().add_bytes("key", "a\"b").finish(), R"({"key":"a\"b"})");
  EXPECT_EQ(JsonObject().add_bytes("key", "\xff").finish(), R"({"key_base64":"/w=="})");
}

TEST(JsonObject, TheShorterFormNeverGrowsPastBase64) {
  const std::string controls(3000, '\x01');
  const std::string text = JsonObject().add_bytes_shorter("v", controls).finish();
  EXPECT_LT(text.size(), base64_bytes(controls.size()) + 64);
  EXPECT_EQ(JsonObject().add_bytes_shorter("v", "plain\ttext").finish(), R"({"v":"plain\ttext"})");
  EXPECT_EQ(json_string_bytes(controls), 2 + 6 * controls.size());
}

}  // namespace
}  // namespace ingot::cli
