// What `ingot export` writes: a record a line, with its space, every byte and its expiry.
//
//   {"space":"users","key":"42","value":"Ada","expires":"2030-01-01T00:00:00.000000Z"}
//
// Each of the first three may be written as …_base64 instead. Nothing else is known here: a member that is not is an
// error, as what it means would be lost.
#include <utility>

#include "cli/import_parser.h"
#include "cli/json.h"
#include "cli/text.h"

namespace ingot::cli {
namespace {

class ExportParser final : public ImportParser {
 public:
  explicit ExportParser(LineReader& reader) : reader_(reader) {}

  Parsed next(ImportRecord& record, BadLine& bad) override {
    for (;;) {
      std::string_view line;
      const LineReader::Outcome outcome = reader_.next(line);
      if (outcome == LineReader::Outcome::end) return Parsed::end;
      bad.line = reader_.line_number();
      if (outcome == LineReader::Outcome::too_long) {
        bad.reason = "the line has more than " + std::to_string(reader_.line_bytes_max()) + " bytes";
        return Parsed::bad;
      }
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      try {
        read_record(line, record);
      } catch (const JsonError& error) {
        bad.reason = error.what();
        return Parsed::bad;
      }
      if (auto reason = limit_exceeded(record)) {
        bad.reason = std::move(*reason);
        return Parsed::bad;
      }
      return Parsed::record;
    }
  }

 private:
  void read_record(std::string_view line, ImportRecord& record) {
    read_object(line, members_);
    record = {};
    std::size_t known = 0;
    record.space = bytes("space", known);
    record.key = bytes("key", known);
    record.value = bytes("value", known);
    if (const JsonMember* expires = find_member(members_, "expires")) {
      const auto time =
          expires->value.type == JsonValue::Type::string ? parse_time(expires->value.string()) : std::nullopt;
      if (!time || *time <= 0) throw JsonError("\"expires\" must be a time such as \"2030-01-01T00:00:00.000000Z\"");
      record.expires_micros = *time;
      ++known;
    }
    if (known != members_.size()) throw JsonError("it has a member that an export does not have");
    if (record.space->empty() || record.space->size() > kSpaceNameBytesMax) {
      throw JsonError("a space's name has 1 to " + std::to_string(kSpaceNameBytesMax) + " bytes");
    }
  }

  std::string bytes(const std::string& name, std::size_t& known) const {
    const JsonMember* text = find_member(members_, name);
    const JsonMember* base64 = find_member(members_, name + "_base64");
    const JsonMember* member = text != nullptr ? text : base64;
    if (member == nullptr) throw JsonError("there is no \"" + name + "\"");
    if (member->value.type != JsonValue::Type::string) throw JsonError("\"" + name + "\" must be a string");
    ++known;
    if (text != nullptr) return text->value.string();
    auto decoded = from_base64(base64->value.string());
    if (!decoded) throw JsonError("\"" + name + "_base64\" is not base64 (with its padding)");
    return std::move(*decoded);
  }

  LineReader& reader_;
  std::vector<JsonMember> members_;
};

}  // namespace

std::unique_ptr<ImportParser> make_export_parser(LineReader& reader) {
  return std::make_unique<ExportParser>(reader);
}

}  // namespace ingot::cli
