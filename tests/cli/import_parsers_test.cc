#include <gtest/gtest.h>

#include <vector>

#include "cli/arguments.h"
#include "cli/import_parser.h"
#include "ingot/key.h"

namespace ingot::cli {
namespace {

struct Found {
  std::vector<ImportRecord> records;
  std::vector<BadLine> bad;
};

Found parse(ImportFormat format, std::string_view text, const KeyFields& key = {}, std::size_t bytes_max = 0) {
  MemorySource source(text);
  LineReader reader(source, bytes_max != 0 ? bytes_max : line_bytes_max(format));
  const auto parser = make_parser(format, reader, key);
  parser->start();
  Found found;
  for (;;) {
    ImportRecord record;
    BadLine bad;
    const Parsed parsed = parser->next(record, bad);
    if (parsed == Parsed::end) break;
    if (parsed == Parsed::record) found.records.push_back(std::move(record));
    if (parsed == Parsed::bad) found.bad.push_back(std::move(bad));
  }
  EXPECT_EQ(reader.offset(), text.size()) << "all of it was read";
  return found;
}

std::vector<std::pair<std::uint64_t, std::string>> bad_of(const Found& found) {
  std::vector<std::pair<std::uint64_t, std::string>> bad;
  for (const BadLine& each : found.bad) bad.emplace_back(each.line, each.reason);
  return bad;
}
using Bad = std::vector<std::pair<std::uint64_t, std::string>>;

TEST(JsonLines, TheValueIsTheLineAndTheKeyAMember) {
  const Found found =
      parse(ImportFormat::jsonl, "{\"id\": \"a\\u00e4\", \"n\" : 1.0}\r\n\n  {\"n\":2,\"id\":17}\n", {"id"});
  ASSERT_EQ(found.records.size(), 2u);
  EXPECT_EQ(found.records[0].key, "aä");
  EXPECT_EQ(found.records[0].value, "{\"id\": \"a\\u00e4\", \"n\" : 1.0}");
  EXPECT_EQ(found.records[1].key, "17");
  EXPECT_EQ(found.records[1].value, "{\"n\":2,\"id\":17}");
}

TEST(JsonLines, SeveralMembersMakeATupleWithTheirTypes) {
  const Found found = parse(ImportFormat::jsonl, "{\"a\":\"x\",\"b\":-3,\"c\":true,\"d\":0.5}", {"a", "b", "c", "d"});
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.records[0].key, key("x", -3, true, 0.5));
}

TEST(JsonLines, WhatIsNoRecordIsNamedWithItsLineAndPassedOver) {
  const Found found = parse(
      ImportFormat::jsonl,
      "{\"id\":\"a\"}\n{\"id\":\n[1]\n{\"no\":1}\n{\"id\":null}\n{\"id\":\"\"}\n{\"id\":1,\"id\":2}\n{\"id\":\"z\"}",
      {"id"});
  EXPECT_EQ(found.records.size(), 2u);
  EXPECT_EQ(bad_of(found), (Bad{{2, "it ends in the middle (byte 7)"},
                                {3, "an object must begin with { (byte 1)"},
                                {4, "there is no \"id\""},
                                {5, "\"id\" is nothing that can be a key: it must be a string or a number"},
                                {6, "\"id\" is empty"},
                                {7, "\"id\" is there twice"}}));
}

TEST(JsonLines, NeedAKey) {
  EXPECT_THROW(parse(ImportFormat::jsonl, "{}"), UsageError);
}

TEST(JsonLines, LimitsHoldAtTheByte) {
  const std::string key_fits(kKeyBytesMax, 'k');
  Found found = parse(ImportFormat::jsonl, "{\"id\":\"" + key_fits + "\"}\n{\"id\":\"" + key_fits + "k\"}\n", {"id"});
  EXPECT_EQ(found.records.size(), 1u);
  EXPECT_EQ(bad_of(found), (Bad{{2, "its key has 8193 bytes, the limit is 8192"}}));

  const std::string head = "{\"id\":\"a\",\"v\":\"", tail = "\"}";
  const std::string fits = head + std::string(kValueBytesMax - head.size() - tail.size(), 'v') + tail;
  found = parse(ImportFormat::jsonl, fits + "\n " + fits + "\n{\"id\":1}\n", {"id"});
  ASSERT_EQ(found.records.size(), 2u);
  EXPECT_EQ(found.records[0].value.size(), kValueBytesMax);
  EXPECT_EQ(bad_of(found), (Bad{{2, "the line has more than 8388608 bytes"}}));
}

TEST(Csv, TheHeaderNamesTheFieldsAndTheFirstIsTheKey) {
  const Found found =
      parse(ImportFormat::csv,
            "\xef\xbb\xbfid,name,note\r\n1,Ada,\r\n\r\n2,\"Grace \"\"Amazing\"\", Hopper\",\"two\r\nlines\"\r\n");
  ASSERT_EQ(found.records.size(), 2u);
  EXPECT_EQ(found.records[0].key, "1");
  EXPECT_EQ(found.records[0].value, R"({"id":"1","name":"Ada","note":""})");
  EXPECT_EQ(found.records[1].value, R"({"id":"2","name":"Grace \"Amazing\", Hopper","note":"two\r\nlines"})");
  EXPECT_TRUE(found.bad.empty());
}

TEST(Csv, BadRowsAreNamedWhereTheyBegin) {
  const Found found =
      parse(ImportFormat::csv, "id,name\n1\n2,b\n3,\"x\"y\n4,5\"\n5,\"a\nb\",c\n6,\xff\n,x\n7,\"open\nto the end\n");
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(bad_of(found), (Bad{{2, "it has 1 field, the header line names 2"},
                                {4, "something follows a closing quote"},
                                {5, "there is a quote inside a field that has none around it"},
                                {6, "it has 3 fields, the header line names 2"},
                                {8, "field name is not UTF-8 (iconv -f latin1 -t utf-8 makes it so, if it is Latin-1)"},
                                {9, "field id is empty, and it is the key"},
                                {10, "a quote is not closed"}}));
}

TEST(Csv, AHeaderThatCanNotServeIsAUsageError) {
  EXPECT_THROW(parse(ImportFormat::csv, ""), UsageError);
  EXPECT_THROW(parse(ImportFormat::csv, "a,a\n"), UsageError);
  EXPECT_THROW(parse(ImportFormat::csv, "a,b\n", {"c"}), UsageError);
  EXPECT_THROW(parse(ImportFormat::csv, "a,\"b\n"), UsageError);
  EXPECT_NO_THROW(parse(ImportFormat::csv, "a,b\n", {"b"}));
}

TEST(Csv, ARecordOfManyLinesIsBoundedToo) {
  const Found found = parse(ImportFormat::csv,
                            "id,v\n1,\"" + std::string(60, 'x') + "\n" + std::string(60, 'y') + "\"\n2,b\n", {}, 100);
  EXPECT_EQ(found.bad.at(0).line, 2u);
  EXPECT_EQ(found.bad.at(0).reason, "the record has more than 100 bytes");
  ASSERT_FALSE(found.records.empty());
  EXPECT_EQ(found.records.back().key, "2");
}

TEST(Tsv, HasNeitherQuotesNorEscapes) {
  const Found found = parse(ImportFormat::tsv, "id\tname\n1\t\"A\\n\r\n2\t\n", {"id", "name"});
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.records[0].key, key("1", "\"A\\n"));
  EXPECT_EQ(found.records[0].value, R"({"id":"1","name":"\"A\\n"})");
  EXPECT_EQ(bad_of(found), (Bad{{3, "field name is empty, and it is the key"}}));
}

TEST(Control, AStanzaIsARecordWithItsFieldsInOrder) {
  const Found found = parse(ImportFormat::control,
                            "\n# a comment\nPackage: 0ad\nVersion:0.26\nDescription: a game\n of\n "
                            ".\n\twar\nEmpty:\n\n \n\nPackage: bash\nversion: 5\n");
  ASSERT_EQ(found.records.size(), 2u);
  EXPECT_EQ(found.records[0].key, "0ad");
  EXPECT_EQ(found.records[0].value,
            R"({"Package":"0ad","Version":"0.26","Description":"a game\nof\n.\nwar","Empty":""})");
  EXPECT_EQ(found.records[1].value, R"({"Package":"bash","version":"5"})");
  EXPECT_TRUE(found.bad.empty());
}

TEST(Control, FieldNamesAreComparedWithoutCase) {
  const Found found = parse(ImportFormat::control, "package: a\nVERSION: 1\n\nPackage: b\n", {"Package", "Version"});
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.records[0].key, key("a", "1"));
  EXPECT_EQ(bad_of(found), (Bad{{4, "field Version is missing, and it is the key"}}));
}

TEST(Control, ABadLineSpoilsItsStanzaAndNoOther) {
  const Found found = parse(ImportFormat::control,
                            " x\nPackage: a\n\nPackage: b\nno field\nX: y\n\nPackage: c\nPackage: d\n\nPackage: e\n: "
                            "y\n\nPackage: f\nA b: c\n\nPackage: g\nMaintainer: \xe9\n\nPackage: h\n");
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.records[0].key, "h");
  EXPECT_EQ(bad_of(found),
            (Bad{{1, "it continues a field, but there is none before it"},
                 {5, "it is not \"Field: text\""},
                 {9, "field Package is there twice"},
                 {12, "it is not \"Field: text\""},
                 {15, "a field's name holds no blanks"},
                 {17, "field Maintainer is not UTF-8 (iconv -f latin1 -t utf-8 makes it so, if it is Latin-1)"}}));
}

TEST(Control, AStanzaIsBounded) {
  std::string many = "Package: a\n";
  for (int i = 0; i < 20; ++i) many += "F" + std::to_string(i) + ": x\n";
  const Found found = parse(ImportFormat::control,
                            many + "\nPackage: b\n" + "X: " + std::string(200, 'x') + "\n\nPackage: c\n", {}, 100);
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.records[0].key, "c");
  ASSERT_EQ(found.bad.size(), 2u);
  EXPECT_EQ(found.bad[0].reason, "the stanza has more than 100 bytes");
  EXPECT_EQ(found.bad[1].line, 24u);
}

TEST(Exported, EveryByteAndTheExpiryComeBack) {
  const Found found =
      parse(ImportFormat::exported,
            "{\"space\":\"s\",\"key\":\"\",\"value\":\"\"}\n"
            "{\"space_base64\":\"/"
            "w==\",\"key_base64\":\"AAE=\",\"value_base64\":\"\",\"expires\":\"2000-02-29T00:00:00.000001Z\"}\n");
  ASSERT_EQ(found.records.size(), 2u);
  EXPECT_EQ(found.records[0].space, "s");
  EXPECT_EQ(found.records[0].key, "");
  EXPECT_EQ(found.records[0].expires_micros, 0);
  EXPECT_EQ(found.records[1].space, "\xff");
  EXPECT_EQ(found.records[1].key, std::string("\0\1", 2));
  EXPECT_EQ(found.records[1].expires_micros, 951'782'400'000'001);
}

TEST(Exported, WhatIsNotKnownIsAnError) {
  const std::string begin = "{\"space\":\"s\",\"key\":\"k\",\"value\":\"v\"";
  const Found found =
      parse(ImportFormat::exported,
            begin + ",\"x\":1}\n" + begin + ",\"key_base64\":\"\"}\n" + begin + ",\"expires\":5}\n" + begin +
                ",\"expires\":\"soon\"}\n{\"space\":\"s\",\"key\":\"k\"}\n{\"space\":\"\",\"key\":\"\",\"value\":\"\"}"
                "\n{\"space\":\"s\",\"key_base64\":\"a\",\"value\":\"\"}\n");
  EXPECT_TRUE(found.records.empty());
  EXPECT_EQ(found.bad.size(), 7u);
}

TEST(DetectFormat, TheNameOrTheContentsTell) {
  EXPECT_EQ(detect_format("a.csv", "x"), ImportFormat::csv);
  EXPECT_EQ(detect_format("a.TSV", "x"), ImportFormat::tsv);
  EXPECT_EQ(detect_format("dir.csv/Packages", "\nPackage: a\nVersion: 1\n"), ImportFormat::control);
  EXPECT_EQ(detect_format("available.txt", "Package: a\n"), ImportFormat::control);
  EXPECT_EQ(detect_format("a.jsonl", "{\"space\":\"s\",\"key\":\"k\",\"value_base64\":\"\"}\n"),
            ImportFormat::exported);
  EXPECT_EQ(detect_format("-", "{\"space\":\"s\",\"key\":\"k\",\"value\":\"cut o"), ImportFormat::exported);
  EXPECT_EQ(detect_format("-", "{\"space\":\"s\",\"key\":\"k\"}\n"), ImportFormat::jsonl);
  EXPECT_EQ(detect_format("-", "a\tb\n"), ImportFormat::tsv);
  EXPECT_EQ(detect_format("-", "a,b\n"), ImportFormat::csv);
  EXPECT_THROW(detect_format("-", "one word\n"), UsageError);
  EXPECT_THROW(detect_format("-", ""), UsageError);
  EXPECT_THROW(detect_format("-", "[{\"id\":1},{\"id\":2}]"), UsageError) << "no lines, but an array of them";
  EXPECT_THROW(detect_format("a.csv", "\x1f\x8b\x08"), UsageError) << "compressed";
}

// What a resumed import rests on: where next() stops, another parser can begin.
TEST(Parsers, CanGoOnAfterEveryRecord) {
  const std::vector<std::tuple<ImportFormat, std::string, KeyFields>> inputs = {
      {ImportFormat::jsonl, "{\"id\":1}\n\n{\"id\":2}\nbad\n{\"id\":3}", {"id"}},
      {ImportFormat::csv, "id,v\n1,\"a\nb\"\n2,c\nbad\n3,d", {}},
      {ImportFormat::tsv, "id\tv\n1\ta\n\n2\tb\n", {}},
      {ImportFormat::control, "Package: a\nD: x\n y\n\n\nPackage: b\n\nbad\n\nPackage: c", {}},
  };
  for (const auto& [format, text, key] : inputs) {
    const Found whole = parse(format, text, key);
    for (std::size_t taken = 0; taken <= whole.records.size() + whole.bad.size(); ++taken) {
      std::size_t records = 0, bad_count = 0;
      const auto count = [&](ImportParser& parser, std::size_t most) {
        ImportRecord record;
        BadLine bad;
        for (std::size_t i = 0; i < most; ++i) {
          const Parsed parsed = parser.next(record, bad);
          if (parsed == Parsed::end) return;
          if (parsed == Parsed::record) {
            EXPECT_EQ(record.value, whole.records.at(records++).value);
          }
          if (parsed == Parsed::bad) {
            EXPECT_EQ(bad.line, whole.bad.at(bad_count++).line);
          }
        }
      };
      MemorySource source(text), again(text);
      LineReader reader(source, 1000), later(again, 1000);
      const auto parser = make_parser(format, reader, key), goes_on = make_parser(format, later, key);
      parser->start();
      count(*parser, taken);
      goes_on->start();
      later.seek(reader.offset(), reader.line_number());
      count(*goes_on, 1000);
      EXPECT_EQ(records, whole.records.size());
      EXPECT_EQ(bad_count, whole.bad.size());
    }
  }
}

}  // namespace
}  // namespace ingot::cli
