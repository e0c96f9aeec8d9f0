#include "engine/edit.h"

#include "base/bytes.h"
#include "runs/summary.h"

namespace ingot::engine {

namespace {
constexpr std::uint8_t kEditFormat = 2;  // 1: no summary says where its index lies
}

std::string encode_edit(const Edit& edit) {
  std::string out;
  base::append_little(out, kEditFormat);
  base::append_varint(out, edit.number);
  base::append_varint(out, edit.flushed_segment);
  base::append_little(out, edit.floor);
  base::append_little(out, static_cast<std::uint64_t>(edit.floor_time_micros));
  base::append_varint(out, edit.removed.size());
  for (const std::uint64_t id : edit.removed) base::append_varint(out, id);
  base::append_varint(out, edit.added_id);
  base::append_varint(out, edit.added.size());
  for (const runs::RunSummary& summary : edit.added) runs::append_summary(out, summary);
  return out;
}

std::optional<Edit> decode_edit(std::string_view payload) {
  base::ByteReader reader(payload);
  Edit edit;
  std::uint8_t format = 0;
  std::uint64_t floor_time = 0;
  std::uint64_t count = 0;
  if (!reader.take_little(format) || format == 0 || format > kEditFormat || !reader.take_varint(edit.number) ||
      !reader.take_varint(edit.flushed_segment) || !reader.take_little(edit.floor) || !reader.take_little(floor_time) ||
      !reader.take_varint(count) || count > reader.remaining()) {
    return std::nullopt;
  }
  edit.floor_time_micros = static_cast<std::int64_t>(floor_time);
  for (; count > 0; --count) {
    if (!reader.take_varint(edit.removed.emplace_back())) return std::nullopt;
  }
  if (!reader.take_varint(edit.added_id) || !reader.take_varint(count) || count > reader.remaining())
    return std::nullopt;
  for (; count > 0; --count) {
    if (!runs::take_summary(reader, edit.added.emplace_back())) return std::nullopt;
  }
  return edit;
}

bool is_newer_edit(std::string_view payload) {
  return !payload.empty() && static_cast<std::uint8_t>(payload.front()) > kEditFormat;
}

}  // namespace ingot::engine
