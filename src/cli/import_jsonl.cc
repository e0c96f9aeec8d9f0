// JSON lines: an object a line. The value is the line; members of it make the key.
#include <utility>

#include "cli/import_parser.h"
#include "cli/json.h"
#include "cli/text.h"
#include "ingot/key.h"

namespace ingot::cli {
namespace {

std::string_view trimmed(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
}

class JsonLinesParser final : public ImportParser {
 public:
  JsonLinesParser(LineReader& reader, KeyFields key) : reader_(reader), key_(std::move(key)) {}

  void start() override {
    if (reader_.peek(3) == "\xef\xbb\xbf") reader_.skip(3);
  }

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
      line = trimmed(line);
      if (line.empty()) continue;
      try {
        read_object(line, members_);
        record = {};
        record.key = key_of();
      } catch (const JsonError& error) {
        bad.reason = error.what();
        return Parsed::bad;
      }
      record.value = line;
      if (auto reason = limit_exceeded(record)) {
        bad.reason = std::move(*reason);
        return Parsed::bad;
      }
      return Parsed::record;
    }
  }

 private:
  const JsonValue& field(const std::string& name) const {
    const JsonMember* member = find_member(members_, name);
    if (member == nullptr) throw JsonError("there is no \"" + shown(name) + "\"");
    return member->value;
  }

  // A single field is the key as it reads; of several each becomes a part, with its type.
  std::string key_of() const {
    if (key_.size() == 1) {
      const JsonValue& value = field(key_[0]);
      if (value.type == JsonValue::Type::number) return std::string(value.raw);
      if (value.type != JsonValue::Type::string) throw unusable(key_[0]);
      std::string key = value.string();
      if (key.empty()) throw JsonError("\"" + shown(key_[0]) + "\" is empty");
      return key;
    }
    std::string key;
    for (const std::string& name : key_) {
      const JsonValue& value = field(name);
      if (value.type == JsonValue::Type::string) {
        append_key_part(key, std::string_view(value.string()));
      } else if (value.type == JsonValue::Type::boolean) {
        append_key_part(key, value.boolean());
      } else if (value.type != JsonValue::Type::number) {
        throw unusable(name);
      } else if (const auto integer = parse_integer(value.raw)) {
        append_key_part(key, *integer);
      } else if (const auto floating = parse_floating(value.raw)) {
        append_key_part(key, *floating);
      } else {
        throw unusable(name);
      }
    }
    return key;
  }

  static JsonError unusable(const std::string& name) {
    return JsonError("\"" + shown(name) + "\" is nothing that can be a key: it must be a string or a number");
  }

  LineReader& reader_;
  const KeyFields key_;
  std::vector<JsonMember> members_;
};

}  // namespace

std::unique_ptr<ImportParser> make_jsonl_parser(LineReader& reader, KeyFields key) {
  return std::make_unique<JsonLinesParser>(reader, std::move(key));
}

}  // namespace ingot::cli
