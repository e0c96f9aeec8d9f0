// The formats that `ingot import` and `ingot apply` read: any bytes are records or bad lines, and parsing can go on
// after each of them.
//
// The first byte chooses the format, the second a small limit for lines, so that every way past it is taken too.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/apply_lines.h"
#include "cli/arguments.h"
#include "cli/bytes_argument.h"
#include "cli/import_parser.h"
#include "cli/import_progress.h"
#include "cli/json.h"
#include "cli/text.h"

namespace {

using namespace ingot::cli;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Seen {
  std::vector<std::string> values;  // and the reasons of bad lines
  std::vector<std::uint64_t> offsets;
  std::vector<std::uint64_t> lines;
};

Seen read_all(ImportFormat format, std::string_view text, std::size_t line_bytes, const Seen* earlier,
              std::size_t taken) {
  MemorySource source(text);
  LineReader reader(source, line_bytes);
  const KeyFields key = format == ImportFormat::jsonl ? KeyFields{"id", "n"} : KeyFields{};
  const auto parser = make_parser(format, reader, key);
  parser->start();
  if (earlier != nullptr) reader.seek(earlier->offsets[taken], earlier->lines[taken]);
  Seen seen;
  ImportRecord record;
  BadLine bad;
  std::uint64_t before = reader.offset();
  for (;;) {
    const Parsed parsed = parser->next(record, bad);
    require(reader.offset() <= text.size() && reader.offset() >= before);
    if (parsed == Parsed::end) break;
    require(reader.offset() > before);
    before = reader.offset();
    if (parsed == Parsed::record) {
      require(!limit_exceeded(record));
      require(record.key.size() <= ingot::kKeyBytesMax);
      if (format != ImportFormat::exported) static_cast<void>(read_object(record.value));  // what is stored is JSON
      seen.values.push_back(record.value);
    } else {
      require(!bad.reason.empty() && bad.line > 0 && bad.line <= reader.line_number());
      require(is_utf8(bad.reason));
      seen.values.push_back(std::to_string(bad.line) + bad.reason);
    }
    seen.offsets.push_back(reader.offset());
    seen.lines.push_back(reader.line_number());
  }
  require(reader.offset() == text.size());
  return seen;
}

void import(ImportFormat format, std::string_view text, std::size_t line_bytes) {
  const Seen whole = read_all(format, text, line_bytes, nullptr, 0);
  if (whole.values.empty()) return;
  const std::size_t taken = whole.values.size() / 2;
  const Seen rest = read_all(format, text, line_bytes, &whole, taken);
  require(rest.values ==
          std::vector<std::string>(whole.values.begin() + static_cast<std::ptrdiff_t>(taken) + 1, whole.values.end()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t line_bytes = data[1] < 128 ? kExportLineBytesMax : data[1];
  try {
    switch (data[0] % 8) {
      case 0:
        import(ImportFormat::jsonl, text, line_bytes);
        break;
      case 1:
        import(ImportFormat::csv, text, line_bytes);
        break;
      case 2:
        import(ImportFormat::tsv, text, line_bytes);
        break;
      case 3:
        import(ImportFormat::control, text, line_bytes);
        break;
      case 4:
        import(ImportFormat::exported, text, line_bytes);
        break;
      case 5:
        static_cast<void>(read_changes(text));
        break;
      case 6:
        static_cast<void>(detect_format("stdin", text));
        break;
      default:
        if (const auto row = read_row(text)) require(read_row(row_text(*row)).has_value());
        static_cast<void>(parse_time(text));
        static_cast<void>(parse_duration(text));
        static_cast<void>(tuple_key(text));
    }
  } catch (const UsageError& error) {
    require(is_utf8(error.what()));
  } catch (const JsonError&) {
  }
  return 0;
}
