// Keys and values as the command line gives them and as output shows them.
#include "cli/bytes_argument.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>

#include "cli/text.h"

namespace ingot::cli {
namespace {

std::string literal(const ByteForm& form, const std::string& word, const char* what) {
  if (form.literal == ByteForm::Literal::hex) {
    if (auto bytes = from_hex(word)) return *bytes;
    throw UsageError("The " + std::string(what) + ' ' + shown(word) +
                     " is not hexadecimal: --hex takes pairs of 0-9a-f.");
  }
  if (form.literal == ByteForm::Literal::base64) {
    if (auto bytes = from_base64(word)) return *bytes;
    throw UsageError("The " + std::string(what) + ' ' + shown(word) + " is not base64 (with its padding).");
  }
  return word;
}

std::string bytes_argument(Context& context, const ByteForm& form, const std::string& word, const char* what,
                           std::size_t bytes_max) {
  if (word == "-") return read_whole(context, word, bytes_max);
  if (word.substr(0, 2) == "@@") return word.substr(1);
  if (word.substr(0, 1) == "@") {
    if (word.size() == 1) throw UsageError("@ is followed by a file's name; a " + std::string(what) + " of @ is @@.");
    return read_whole(context, word.substr(1), bytes_max);
  }
  return literal(form, word, what);
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ > STDERR_FILENO) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

}  // namespace

ByteForm byte_form(const Context& context) {
  ByteForm form;
  if (context.arguments.has("hex") && context.arguments.has("base64")) {
    throw UsageError("--hex and --base64 don't go together.");
  }
  if (context.arguments.has("hex")) form.literal = ByteForm::Literal::hex;
  if (context.arguments.has("base64")) form.literal = ByteForm::Literal::base64;
  form.tuple = context.arguments.has("tuple");
  return form;
}

std::string key_argument(Context& context, const ByteForm& form, const std::string& word) {
  if (form.tuple) {
    try {
      return tuple_key(word);
    } catch (const JsonError& error) {
      throw UsageError("With --tuple a key is a JSON array of its parts, as '[\"bash\",5]'. In " + shown(word) + ": " +
                       error.what() + '.');
    }
  }
  return bytes_argument(context, form, word, "key", kKeyBytesMax);
}

std::string value_argument(Context& context, const ByteForm& form, const std::string& word) {
  return bytes_argument(context, form, word, "value", kValueBytesMax);
}

Space space_argument(const std::string& name) {
  if (name.empty()) throw UsageError("A space's name can't be empty.");
  if (name.size() > kSpaceNameBytesMax) {
    throw UsageError("The space's name has " + std::to_string(name.size()) + " bytes, the limit is " +
                     std::to_string(kSpaceNameBytesMax) + " (it begins \"" + shown(name, 16) + "\").");
  }
  return Space(name);
}

std::string tuple_key(std::string_view array) {
  std::string key;
  for (const JsonValue& part : read_array(array)) {
    switch (part.type) {
      case JsonValue::Type::null:
        append_key_part(key, std::nullopt);
        break;
      case JsonValue::Type::boolean:
        append_key_part(key, part.boolean());
        break;
      case JsonValue::Type::string:
        append_key_part(key, std::string_view(part.string()));
        break;
      case JsonValue::Type::number:
        if (const auto integer = parse_integer(part.raw)) {
          append_key_part(key, *integer);
        } else if (const auto unsigned_integer = parse_unsigned(part.raw)) {
          append_key_part(key, *unsigned_integer);
        } else if (const auto floating = parse_floating(part.raw)) {
          append_key_part(key, *floating);
        } else {
          throw JsonError("the number " + shown(part.raw) + " is out of range");
        }
        break;
      case JsonValue::Type::array:
      case JsonValue::Type::object:
        throw JsonError("a part must be a string, a number, true, false or null");
    }
  }
  return key;
}

std::string tuple_text(std::string_view key) {
  const auto parts = key_parts(key);
  if (!parts) return {};
  std::string text = "[";
  for (const KeyPart& part : *parts) {
    if (text.size() > 1) text += ',';
    switch (part.type) {
      case KeyPart::Type::absent:
        text += "null";
        break;
      case KeyPart::Type::bytes:
        if (!is_utf8(part.bytes)) return {};
        append_json_string(text, part.bytes);
        break;
      case KeyPart::Type::integer:
        text += std::to_string(part.integer);
        break;
      case KeyPart::Type::unsigned_integer:
        text += std::to_string(part.unsigned_integer);
        break;
      case KeyPart::Type::floating: {
        if (!std::isfinite(part.floating)) return {};
        char digits[32];
        const auto end = std::to_chars(digits, digits + sizeof digits, part.floating).ptr;
        const std::string_view number(digits, static_cast<std::size_t>(end - digits));
        text += number;
        // Read back it must be a floating part again, and not a whole number.
        if (number.find_first_of(".e") == std::string_view::npos) text += ".0";
        break;
      }
      case KeyPart::Type::boolean:
        text += part.boolean ? "true" : "false";
        break;
    }
  }
  return text + ']';
}

std::string shown_key(const ByteForm& form, std::string_view key) {
  if (form.tuple) {
    if (std::string text = tuple_text(key); !text.empty()) return text;
  }
  return escaped(key);
}

void add_key(JsonObject& object, const ByteForm& form, std::string_view key) {
  if (form.tuple) {
    if (const std::string text = tuple_text(key); !text.empty()) {
      object.add_raw("key", text);
      return;
    }
  }
  object.add_bytes("key", key);
}

std::string record_json(const ByteForm& form, std::string_view key, std::string_view value, Version version,
                        std::int64_t expires_micros) {
  JsonObject object;
  add_key(object, form, key);
  object.add_bytes("value", value).add("version", version);
  if (expires_micros != 0) object.add("expires", time_text(expires_micros));
  return object.finish();
}

std::string read_whole(Context& context, const std::string& path, std::size_t bytes_max) {
  const bool standard = path == "-";
  if (standard) {
    if (context.stdin_taken) throw UsageError("Only one argument can be - : stdin is read once.");
    context.stdin_taken = true;
  }
  const Descriptor file(standard ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const std::string name = standard ? "stdin" : shown(path);
  if (file.number() < 0) {
    throw UsageError(name + " can't be read: " + std::strerror(errno) +
                     ". (A key or value that itself begins with @ is written @@…)");
  }
  std::string bytes;
  char chunk[64 * 1024];
  for (;;) {
    const ssize_t count = ::read(file.number(), chunk, sizeof chunk);
    if (count == 0) return bytes;
    if (count < 0) {
      if (errno == EINTR) continue;
      throw UsageError(name + " can't be read: " + std::strerror(errno) + '.');
    }
    bytes.append(chunk, static_cast<std::size_t>(count));
    if (bytes.size() > bytes_max) {
      throw UsageError(name + " has more than " + std::to_string(bytes_max) +
                       " bytes, the limit for what it is used as.");
    }
  }
}

}  // namespace ingot::cli
