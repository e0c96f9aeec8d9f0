// The lines that `ingot apply` reads: each one verb, as JSON.
#include "cli/apply_lines.h"

#include <algorithm>
#include <array>
#include <utility>

#include "cli/arguments.h"
#include "cli/json.h"
#include "cli/text.h"

namespace ingot::cli {
namespace {

constexpr std::array<std::pair<std::string_view, Change::Verb>, 5> kVerbNames = {{
    {"put", Change::Verb::put},
    {"erase", Change::Verb::erase},
    {"erase_range", Change::Verb::erase_range},
    {"add", Change::Verb::add},
    {"check", Change::Verb::check},
}};

// The members of one verb's object. Each that is taken is crossed off; what is left over is unknown, and an error:
// a condition that was mistyped must not be taken for none.
class Members {
 public:
  explicit Members(std::string_view object) : members_(read_object(object)), taken_(members_.size(), false) {}

  const JsonValue* take(std::string_view name) {
    const JsonMember* member = find_member(members_, name);
    if (member == nullptr) return nullptr;
    taken_[static_cast<std::size_t>(member - members_.data())] = true;
    return &member->value;
  }

  // `name`, or `name`_base64 if the bytes are no text.
  std::optional<std::string> take_bytes(const std::string& name) {
    const JsonValue* text = take(name);
    const JsonValue* base64 = take(name + "_base64");
    if (text != nullptr && base64 != nullptr)
      throw JsonError("it has both \"" + name + "\" and \"" + name + "_base64\"");
    if (text != nullptr) return string_of(*text, name);
    if (base64 == nullptr) return std::nullopt;
    auto bytes = from_base64(string_of(*base64, name + "_base64"));
    if (!bytes) throw JsonError("\"" + name + "_base64\" is not base64 (with its padding)");
    return bytes;
  }

  std::string need_bytes(const std::string& name) {
    auto bytes = take_bytes(name);
    if (!bytes) throw JsonError("\"" + name + "\" is missing");
    return std::move(*bytes);
  }

  static std::string string_of(const JsonValue& value, const std::string& name) {
    if (value.type != JsonValue::Type::string) throw JsonError("\"" + name + "\" must be a string");
    return value.string();
  }

  void finish() const {
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (!taken_[i]) throw JsonError("there is no \"" + shown(members_[i].name()) + "\" here");
    }
  }

 private:
  std::vector<JsonMember> members_;
  std::vector<bool> taken_;
};

// Limits are checked here, before anything is begun, so that the sentence can name the line.
void check_limit(std::string_view what, std::size_t bytes, std::size_t bytes_max) {
  if (bytes <= bytes_max) return;
  throw JsonError("its " + std::string(what) + " has " + std::to_string(bytes) + " bytes, the limit is " +
                  std::to_string(bytes_max));
}

void read_range(Members& members, Range& range) {
  const auto begins = members.take_bytes("prefix"), begin = members.take_bytes("begin"),
             end = members.take_bytes("end");
  if (begins && (begin || end)) throw JsonError("\"prefix\" is a range by itself, without \"begin\" and \"end\"");
  if (!begins && !begin && !end) throw JsonError("a range needs \"begin\", \"end\" or \"prefix\"");
  if (begins) {
    range = prefix(*begins);
  } else {
    range.begin = begin.value_or("");
    range.end = end;
  }
  check_limit("range's key", std::max(range.begin.size(), range.end ? range.end->size() : 0), kKeyBytesMax);
  if (range.end && *range.end < range.begin) throw JsonError("the range ends before it begins");
}

void read_condition(Members& members, Change& change) {
  change.expected_value = members.take_bytes("value");
  int conditions = change.expected_value ? 1 : 0;
  if (const JsonValue* version = members.take("version")) {
    const auto number = version->type == JsonValue::Type::number ? parse_unsigned(version->raw) : std::nullopt;
    if (!number) throw JsonError("\"version\" must be a whole number");
    change.expected_version = number;
    ++conditions;
  }
  if (const JsonValue* absent = members.take("absent")) {
    if (absent->type != JsonValue::Type::boolean || !absent->boolean()) throw JsonError("\"absent\" can only be true");
    change.expected_absent = true;
    ++conditions;
  }
  if (conditions != 1) throw JsonError("a check needs one of \"value\", \"version\" and \"absent\"");
}

Change read_change(std::string_view line) {
  const std::vector<JsonMember> outer = read_object(line);
  if (outer.size() != 1) throw JsonError("a line must be an object with one verb, as {\"put\": {…}}");
  const std::string name = outer[0].name();
  const auto* const verb =
      std::find_if(kVerbNames.begin(), kVerbNames.end(), [&](const auto& each) { return each.first == name; });
  if (verb == kVerbNames.end()) {
    std::vector<std::string> names;
    for (const auto& each : kVerbNames) names.emplace_back(each.first);
    throw JsonError("there is no verb \"" + shown(name) + "\"." + did_you_mean(name, names) +
                    " The verbs are put, erase, erase_range, add and check");
  }
  if (outer[0].value.type != JsonValue::Type::object) throw JsonError("\"" + name + "\" must be followed by an object");

  Change change;
  change.verb = verb->second;
  Members members(outer[0].value.raw);
  change.space = members.need_bytes("space");
  if (change.space.empty()) throw JsonError("\"space\" can't be empty");
  check_limit("space's name", change.space.size(), kSpaceNameBytesMax);
  if (change.verb == Change::Verb::erase_range) {
    read_range(members, change.range);
  } else {
    change.key = members.need_bytes("key");
    check_limit("key", change.key.size(), kKeyBytesMax);
  }
  if (change.verb == Change::Verb::put) {
    change.value = members.need_bytes("value");
    check_limit("value", change.value.size(), kValueBytesMax);
    if (const JsonValue* ttl = members.take("ttl")) {
      change.ttl = parse_duration(Members::string_of(*ttl, "ttl"));
      if (!change.ttl) throw JsonError("\"ttl\" must be a time such as \"90s\", \"5m\", \"1.5h\" or \"2d\"");
    }
  } else if (change.verb == Change::Verb::add) {
    const JsonValue* delta = members.take("delta");
    const auto number =
        delta != nullptr && delta->type == JsonValue::Type::number ? parse_integer(delta->raw) : std::nullopt;
    if (!number) throw JsonError("\"delta\" must be a whole number of 64 bits");
    change.delta = *number;
  } else if (change.verb == Change::Verb::check) {
    read_condition(members, change);
  }
  members.finish();
  return change;
}

void check(Transaction& tx, const Change& change) {
  const auto record = Space(change.space).get_record(tx, change.key);
  std::string found;
  if (change.expected_absent) {
    if (!record) return;
    found = "is there";
  } else if (!record) {
    found = "is not there";
  } else if (change.expected_version) {
    if (record->version == *change.expected_version) return;
    found = record->version == 0 ? "was written by this transaction"
                                 : "has version " + std::to_string(record->version) + ", not " +
                                       std::to_string(*change.expected_version);
  } else {
    if (record->value == std::string_view(*change.expected_value)) return;
    found = "has the value \"" + shown(record->value) + "\", not \"" + shown(*change.expected_value) + "\"";
  }
  throw CheckFailed("Nothing was done: line " + std::to_string(change.line) + " does not hold. Key \"" +
                    shown(change.key) + "\" of space \"" + shown(change.space) + "\" " + found + ".");
}

}  // namespace

std::vector<Change> read_changes(std::string_view text) {
  std::vector<Change> changes;
  for (std::uint64_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    try {
      changes.push_back(read_change(line));
      changes.back().line = number;
    } catch (const JsonError& error) {
      throw UsageError("Nothing was done: line " + std::to_string(number) + " can't be used: " + error.what() + '.');
    }
  }
  return changes;
}

void apply_changes(Transaction& tx, const std::vector<Change>& changes) {
  for (const Change& change : changes) {
    const Space space(change.space);
    switch (change.verb) {
      case Change::Verb::put:
        space.put(tx, change.key, change.value, {.ttl = change.ttl});
        break;
      case Change::Verb::erase:
        space.erase(tx, change.key);
        break;
      case Change::Verb::erase_range:
        space.erase_range(tx, change.range);
        break;
      case Change::Verb::add:
        space.add(tx, change.key, change.delta);
        break;
      case Change::Verb::check:
        check(tx, change);
        break;
    }
  }
}

}  // namespace ingot::cli
