// Keys and values as the command line gives them and as output shows them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/json.h"
#include "cli/verb.h"

namespace ingot::cli {

/// How the keys and values of one command are written.
struct ByteForm {
  enum class Literal { text, hex, base64 };
  Literal literal = Literal::text;
  bool tuple = false;  ///< keys are JSON arrays of their parts
};
/// From --hex, --base64 and --tuple.
ByteForm byte_form(const Context& context);
/// The options that byte_form reads; the last for verbs that have keys.
inline constexpr Option kHexOption{"hex", 0, "", "Keys and values are given in hexadecimal"};
inline constexpr Option kBase64Option{"base64", 0, "", "Keys and values are given in base64"};
inline constexpr Option kTupleOption{"tuple", 0, "", "Keys are given and shown as JSON arrays of their parts"};

/// The key that `word` stands for: itself, @FILE, - (stdin), @@ for an @, or as `form` says.   throws UsageError
std::string key_argument(Context& context, const ByteForm& form, const std::string& word);
std::string value_argument(Context& context, const ByteForm& form, const std::string& word);
/// A space's name, checked, so that the sentence says which argument is wrong.
Space space_argument(const std::string& name);

/// A key made of the parts that a JSON array names: strings, whole numbers, others, true, false, null.
///   throws JsonError: `array` is none
std::string tuple_key(std::string_view array);
/// The key as such an array, or "" if it is no tuple, or one with parts that JSON can't hold.
std::string tuple_text(std::string_view key);

/// The key for a line of text.
std::string shown_key(const ByteForm& form, std::string_view key);
void add_key(JsonObject& object, const ByteForm& form, std::string_view key);
/// {"key":…,"value":…,"version":…,"expires":…}, the last if it does.
std::string record_json(const ByteForm& form, std::string_view key, std::string_view value, Version version,
                        std::int64_t expires_micros);

/// Reads a file, or stdin ("-"), whole.   throws UsageError: more than `bytes_max`, or it can't be read
std::string read_whole(Context& context, const std::string& path, std::size_t bytes_max);

}  // namespace ingot::cli
