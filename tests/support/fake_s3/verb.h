// What a request asks for, as faults and counts name it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ingot::fake_s3 {

enum class Verb : std::uint8_t {
  put,
  get,
  head,
  remove,
  remove_many,
  list,
  begin_upload,
  put_part,
  finish_upload,
  abort_upload,
  list_uploads,
  list_parts,
  make_bucket,
  head_bucket,
  remove_bucket,
  list_buckets,
  make_session,
  unknown,
};

struct VerbName {
  Verb verb;
  const char* name;
};
inline constexpr VerbName kVerbNames[] = {
    {Verb::put, "put"},
    {Verb::get, "get"},
    {Verb::head, "head"},
    {Verb::remove, "remove"},
    {Verb::remove_many, "remove-many"},
    {Verb::list, "list"},
    {Verb::begin_upload, "begin-upload"},
    {Verb::put_part, "put-part"},
    {Verb::finish_upload, "finish-upload"},
    {Verb::abort_upload, "abort-upload"},
    {Verb::list_uploads, "list-uploads"},
    {Verb::list_parts, "list-parts"},
    {Verb::make_bucket, "make-bucket"},
    {Verb::head_bucket, "head-bucket"},
    {Verb::remove_bucket, "remove-bucket"},
    {Verb::list_buckets, "list-buckets"},
    {Verb::make_session, "make-session"},
    {Verb::unknown, "unknown"},
};

inline const char* verb_name(Verb verb) {
  for (const VerbName& one : kVerbNames) {
    if (one.verb == verb) return one.name;
  }
  return "?";
}
inline std::optional<Verb> verb_of(std::string_view name) {
  for (const VerbName& one : kVerbNames) {
    if (name == one.name) return one.verb;
  }
  return {};
}

}  // namespace ingot::fake_s3
