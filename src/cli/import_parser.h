// What every format that `ingot import` reads has in common: a stream of records, and of places that are none.
//
// A parser reads from a LineReader, holds one record at a time, and stands between two records when next() returns:
// the reader's offset() is then where the next one begins, and a later run can go on there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/import_source.h"
#include "ingot/limits.h"

namespace ingot::cli {

/// A record as it stands in a file; its key and value may be no longer than the store's limits.
inline constexpr std::size_t kImportRecordBytesMax = kValueBytesMax;
/// A line of an export carries a whole value, key and name, as base64 a third longer.
inline constexpr std::size_t kExportLineBytesMax =
    (kValueBytesMax + kKeyBytesMax + kSpaceNameBytesMax + 1024) / 3 * 4 + 4096;

struct ImportRecord {
  std::optional<std::string> space;  ///< if the file says it
  std::string key;
  std::string value;
  std::int64_t expires_micros = 0;  ///< 0: never
};

/// A place that is no record; it is passed over.
struct BadLine {
  std::uint64_t line = 0;
  std::string reason;  ///< a clause: "field Package is missing"
};

enum class Parsed { record, bad, end };

/// The fields that make a key: one is the key; several make a tuple.
using KeyFields = std::vector<std::string>;

class ImportParser {
 public:
  ImportParser() = default;
  ImportParser(const ImportParser&) = delete;
  ImportParser& operator=(const ImportParser&) = delete;
  virtual ~ImportParser() = default;
  /// Reads what stands before the first record, at the beginning of the file.
  ///   throws UsageError: without it nothing can be read
  virtual void start() {}
  /// The next record, or the next place that is none.
  virtual Parsed next(ImportRecord& record, BadLine& bad) = 0;
};

enum class ImportFormat { jsonl, csv, tsv, control, exported };
const char* name(ImportFormat format);
std::optional<ImportFormat> format_named(std::string_view name);
/// What the name and the first bytes say.   throws UsageError: it is compressed, or nothing tells
ImportFormat detect_format(std::string_view file_name, std::string_view first_bytes);
/// The longest line of that format that can be a record.
std::size_t line_bytes_max(ImportFormat format);

/// throws UsageError: a format that needs --key has none, or one has it that does not take it
std::unique_ptr<ImportParser> make_parser(ImportFormat format, LineReader& reader, const KeyFields& key);

std::unique_ptr<ImportParser> make_jsonl_parser(LineReader& reader, KeyFields key);
std::unique_ptr<ImportParser> make_export_parser(LineReader& reader);
/// `separator`: a comma (RFC 4180, with quotes) or a tab (no quotes, no escapes). No key: the first field.
std::unique_ptr<ImportParser> make_table_parser(LineReader& reader, KeyFields key, char separator);
std::unique_ptr<ImportParser> make_control_parser(LineReader& reader, KeyFields key);

/// Whether key and value are within the store's limits; a clause if not.
std::optional<std::string> limit_exceeded(const ImportRecord& record);

}  // namespace ingot::cli
