// How far an import has come: a row of the store.
#include "cli/import_progress.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "cli/json.h"
#include "cli/text.h"

namespace ingot::cli {
namespace {

constexpr std::size_t kHashedBytes = 64 * 1024;

// FNV-1a: tells apart files that differ, which is all; nobody gains from making two that don't.
std::uint64_t hash(std::string_view bytes) {
  std::uint64_t value = 0xcbf29ce484222325u;
  for (const char c : bytes) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return value;
}

std::string first_bytes(int descriptor) {
  std::string bytes(kHashedBytes, '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t count = ::pread(descriptor, bytes.data() + have, bytes.size() - have, static_cast<off_t>(have));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw std::system_error(errno, std::generic_category(), "The input can't be read");
    if (count == 0) break;
    have += static_cast<std::size_t>(count);
  }
  bytes.resize(have);
  return bytes;
}

class RowReader {
 public:
  explicit RowReader(std::string_view text) : members_(read_object(text)) {}

  std::uint64_t number(const char* name) const {
    const auto number = parse_unsigned(need(name).raw);
    if (!number) throw JsonError("no number");
    return *number;
  }
  std::string text(const char* name) const {
    const JsonValue& value = need(name);
    if (value.type != JsonValue::Type::string) throw JsonError("no string");
    auto bytes = from_base64(value.string());
    if (!bytes) throw JsonError("no base64");
    return std::move(*bytes);
  }
  const JsonValue& need(const char* name) const {
    const JsonMember* member = find_member(members_, name);
    if (member == nullptr) throw JsonError("missing");
    return member->value;
  }

 private:
  std::vector<JsonMember> members_;
};

std::string base64(std::string_view bytes) {
  std::string text;
  append_base64(text, bytes);
  return text;
}

}  // namespace

std::optional<SourceIdentity> identity_of(int descriptor, const std::string& path) {
  struct stat status = {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) || ::lseek(descriptor, 0, SEEK_CUR) != 0) {
    return std::nullopt;
  }
  std::error_code error;
  SourceIdentity source;
  source.path = std::filesystem::canonical(path, error).string();
  if (error) return std::nullopt;
  source.bytes = static_cast<std::uint64_t>(status.st_size);
  source.modified_nanoseconds = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
  source.file = status.st_ino;
  source.begins = hash(first_bytes(descriptor));
  return source;
}

std::string row_key(const SourceIdentity& source, const ImportManner& manner) {
  // A path may be longer than a key: its hash, and its end for whoever looks.
  constexpr std::size_t kPathBytesMax = 200;
  const std::size_t left_out = source.path.size() > kPathBytesMax ? source.path.size() - kPathBytesMax : 0;
  return key(manner.space, source.path.substr(left_out), hash(source.path));
}

std::string row_text(const ImportRow& row) {
  std::vector<std::string> fields;
  for (const std::string& field : row.manner.key) fields.push_back(base64(field));
  return JsonObject()
      .add("path", base64(row.source.path))
      .add("bytes", row.source.bytes)
      .add("modified", std::to_string(row.source.modified_nanoseconds))
      .add("file", row.source.file)
      .add("begins", row.source.begins)
      .add("space", base64(row.manner.space))
      .add("format", name(row.manner.format))
      .add("key", fields)
      .add("offset", row.offset)
      .add("line", row.line)
      .add("records", row.totals.records)
      .add("replaced", row.totals.replaced)
      .add("bad", row.totals.bad)
      .add("expired", row.totals.expired)
      .finish();
}

std::optional<ImportRow> read_row(std::string_view text) {
  try {
    const RowReader reader(text);
    ImportRow row;
    row.source.path = reader.text("path");
    row.source.bytes = reader.number("bytes");
    const auto modified = parse_integer(reader.need("modified").string());
    const auto format = format_named(reader.need("format").string());
    if (!modified || !format) return std::nullopt;
    row.source.modified_nanoseconds = *modified;
    row.source.file = reader.number("file");
    row.source.begins = reader.number("begins");
    row.manner.space = reader.text("space");
    row.manner.format = *format;
    for (const JsonValue& field : read_array(reader.need("key").raw)) {
      auto decoded = field.type == JsonValue::Type::string ? from_base64(field.string()) : std::nullopt;
      if (!decoded) return std::nullopt;
      row.manner.key.push_back(std::move(*decoded));
    }
    row.offset = reader.number("offset");
    row.line = reader.number("line");
    row.totals.bytes = row.offset;
    row.totals.records = reader.number("records");
    row.totals.replaced = reader.number("replaced");
    row.totals.bad = reader.number("bad");
    row.totals.expired = reader.number("expired");
    return row;
  } catch (const JsonError&) {
    return std::nullopt;
  }
}

}  // namespace ingot::cli
