// JSON in and out, for lines of it: RFC 8259, strictly.
//
// Reading checks the whole text and cuts an object into its members, or an array into its elements, without building a
// tree: what is stored is the text as it came, and of most members nobody asks. Writing makes one object on one line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ingot::cli {

/// A text that is no JSON, or not the JSON that is wanted; what() is a clause: "a string is not closed (byte 17)".
class JsonError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Arrays and objects inside each other; beyond it JsonError, as the reader's stack has an end.
inline constexpr std::size_t kJsonDepthMax = 128;

/// A value that was checked, as it stands in the text. The views end with the text that was read.
struct JsonValue {
  enum class Type { null, boolean, number, string, array, object };
  Type type = Type::null;
  std::string_view raw;  ///< with its quotes, if it is a string

  /// A string's bytes, unescaped.   throws JsonError: half of a surrogate pair
  [[nodiscard]] std::string string() const;
  [[nodiscard]] bool boolean() const { return raw == "true"; }
};

struct JsonMember {
  std::string_view raw_name;  ///< without its quotes, escaped as it stands
  JsonValue value;
  [[nodiscard]] bool has_name(std::string_view name) const;
  [[nodiscard]] std::string name() const;
};

/// The members of the object that `text` is, in their order, all else in it checked too.   throws JsonError
void read_object(std::string_view text, std::vector<JsonMember>& members);
std::vector<JsonMember> read_object(std::string_view text);
/// The elements of the array that `text` is.   throws JsonError
std::vector<JsonValue> read_array(std::string_view text);
/// The value that `text` is.   throws JsonError
JsonValue read_value(std::string_view text);

/// The member of that name, or nullptr.   throws JsonError: there are two
const JsonMember* find_member(const std::vector<JsonMember>& members, std::string_view name);

/// Appends a JSON string. Bytes that are no UTF-8 become U+FFFD: ask is_utf8 first.
void append_json_string(std::string& out, std::string_view text);
/// Bytes that append_json_string appends.
std::size_t json_string_bytes(std::string_view text);

/// One object, written member by member.
class JsonObject {
 public:
  JsonObject& add(std::string_view name, std::string_view text);
  JsonObject& add(std::string_view name, const char* text) { return add(name, std::string_view(text)); }
  JsonObject& add(std::string_view name, std::uint64_t number);
  JsonObject& add(std::string_view name, std::int64_t number);
  JsonObject& add(std::string_view name, double number);
  JsonObject& add(std::string_view name, bool value);
  JsonObject& add(std::string_view name, const std::vector<std::string>& texts);
  /// `name` if the bytes are UTF-8, else `name`_base64.
  JsonObject& add_bytes(std::string_view name, std::string_view bytes);
  /// The same, but as base64 too if that is shorter. (Then never longer than 4/3 of the bytes.)
  JsonObject& add_bytes_shorter(std::string_view name, std::string_view bytes);
  /// JSON that is ready.
  JsonObject& add_raw(std::string_view name, std::string_view json);
  /// Closes it: the text, without a newline.
  [[nodiscard]] std::string finish();

 private:
  void begin(std::string_view name, std::string_view suffix = {});
  std::string text_ = "{";
};

}  // namespace ingot::cli
