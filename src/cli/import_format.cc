// Which format a file has, and the parser for it.
#include <algorithm>
#include <array>
#include <cctype>

#include "cli/arguments.h"
#include "cli/import_parser.h"
#include "cli/json.h"
#include "cli/text.h"

namespace ingot::cli {
namespace {

struct Named {
  const char* name;
  ImportFormat format;
};

constexpr std::array<Named, 5> kFormats = {{{"jsonl", ImportFormat::jsonl},
                                            {"csv", ImportFormat::csv},
                                            {"tsv", ImportFormat::tsv},
                                            {"control", ImportFormat::control},
                                            {"export", ImportFormat::exported}}};

struct Compressed {
  std::string_view magic;
  const char* name;
  const char* reader;
};

constexpr std::array<Compressed, 4> kCompressed = {{{"\x1f\x8b", "gzip", "zcat"},
                                                    {"\xfd\x37zXZ", "xz", "xzcat"},
                                                    {"\x28\xb5\x2f\xfd", "zstd", "zstdcat"},
                                                    {"BZh", "bzip2", "bzcat"}}};

bool is_control_line(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const bool name = std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(colon),
                                [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; });
  return name && (colon + 1 == line.size() || line[colon + 1] == ' ' || line[colon + 1] == '\t');
}

// A long first line may be cut off by what was peeked at: then the names at its beginning must do.
ImportFormat json_format(std::string_view line) {
  try {
    const std::vector<JsonMember> members = read_object(line);
    const auto has = [&](const char* name, const char* base64) {
      return find_member(members, name) != nullptr || find_member(members, base64) != nullptr;
    };
    if (has("space", "space_base64") && has("key", "key_base64") && has("value", "value_base64")) {
      return ImportFormat::exported;
    }
  } catch (const JsonError&) {
    if (line.substr(0, 9) == "{\"space\":" || line.substr(0, 16) == "{\"space_base64\":") return ImportFormat::exported;
  }
  return ImportFormat::jsonl;
}

std::string extension(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  if (slash != std::string_view::npos) name.remove_prefix(slash + 1);
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? "" : lower_case(name.substr(dot + 1));
}

std::string_view first_line(std::string_view bytes) {
  const std::size_t begin = bytes.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  bytes.remove_prefix(begin);
  bytes = bytes.substr(0, std::min(bytes.find('\n'), bytes.size()));
  if (!bytes.empty() && bytes.back() == '\r') bytes.remove_suffix(1);
  return bytes;
}

}  // namespace

const char* name(ImportFormat format) {
  for (const Named& each : kFormats) {
    if (each.format == format) return each.name;
  }
  return "";
}

std::optional<ImportFormat> format_named(std::string_view name) {
  for (const Named& each : kFormats) {
    if (name == each.name) return each.format;
  }
  return std::nullopt;
}

ImportFormat detect_format(std::string_view file_name, std::string_view first_bytes) {
  for (const Compressed& each : kCompressed) {
    if (first_bytes.substr(0, each.magic.size()) == each.magic) {
      throw UsageError(shown(file_name) + " is compressed (" + each.name + "): " + each.reader +
                       " FILE | ingot import SPACE -");
    }
  }
  if (first_bytes.substr(0, 3) == "\xef\xbb\xbf") first_bytes.remove_prefix(3);
  const std::string_view line = first_line(first_bytes);
  const std::string ending = extension(file_name);
  if (ending == "csv") return ImportFormat::csv;
  if (ending == "tsv" || ending == "tab") return ImportFormat::tsv;
  if (ending == "control" || ending == "deb822") return ImportFormat::control;
  if (!line.empty() && line[0] == '{') return json_format(line);
  if (ending == "jsonl" || ending == "ndjson") return ImportFormat::jsonl;
  if (!line.empty() && line[0] == '[') {
    throw UsageError(shown(file_name) +
                     " seems to be one JSON array: jq -c '.[]' FILE | ingot import SPACE - --key NAME");
  }
  if (is_control_line(line)) return ImportFormat::control;
  if (line.find('\t') != std::string_view::npos) return ImportFormat::tsv;
  if (line.find(',') != std::string_view::npos) return ImportFormat::csv;
  throw UsageError("What " + shown(file_name) +
                   " holds can't be told: say --format jsonl, csv, tsv, control or export.");
}

std::size_t line_bytes_max(ImportFormat format) {
  return format == ImportFormat::exported ? kExportLineBytesMax : kImportRecordBytesMax;
}

std::unique_ptr<ImportParser> make_parser(ImportFormat format, LineReader& reader, const KeyFields& key) {
  switch (format) {
    case ImportFormat::csv:
      return make_table_parser(reader, key, ',');
    case ImportFormat::tsv:
      return make_table_parser(reader, key, '\t');
    case ImportFormat::control:
      return make_control_parser(reader, key.empty() ? KeyFields{"Package"} : key);
    case ImportFormat::exported:
      if (!key.empty()) throw UsageError("An export says its keys itself: leave out --key.");
      return make_export_parser(reader);
    case ImportFormat::jsonl:
      break;
  }
  if (key.empty()) throw UsageError("Which member of the objects is the key? Say --key NAME (or several: --key A,B).");
  return make_jsonl_parser(reader, key);
}

std::optional<std::string> limit_exceeded(const ImportRecord& record) {
  if (record.key.size() > kKeyBytesMax) {
    return "its key has " + std::to_string(record.key.size()) + " bytes, the limit is " + std::to_string(kKeyBytesMax);
  }
  if (record.value.size() > kValueBytesMax) {
    return "its value has " + std::to_string(record.value.size()) + " bytes, the limit is " +
           std::to_string(kValueBytesMax);
  }
  return std::nullopt;
}

}  // namespace ingot::cli
