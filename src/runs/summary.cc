#include "runs/summary.h"

#include "runs/run_parity.h"

namespace ingot::runs {

namespace {
constexpr std::uint8_t kWithoutIndex = 1;
constexpr std::uint8_t kWithIndex = 2;

bool take_index(base::ByteReader& reader, std::uint64_t file_bytes, IndexPlace& index) {
  std::string_view handle;
  if (!reader.take_little(index.format) || !reader.take_varint(index.begin) ||
      !reader.take_bytes(kHandleBytes, handle) || !reader.take_varint(index.covered_bytes)) {
    return false;
  }
  index.meta = load_handle(handle.data());
  // What the rest means to a newer release is not for us to say.
  return index.format > kRunFormat || (kFirstBlockOffset <= index.begin && fits(index, file_bytes));
}

}  // namespace

void append_summary(std::string& out, const RunSummary& summary) {
  base::append_little(out, summary.index.has_value() ? kWithIndex : kWithoutIndex);
  base::append_sized(out, summary.name);
  for (const std::uint64_t number : {summary.file_bytes, summary.records, summary.erased, summary.range_erasures,
                                     summary.data_bytes, summary.version_min, summary.version_max}) {
    base::append_varint(out, number);
  }
  base::append_little(out, static_cast<std::uint64_t>(summary.expires_min));
  base::append_little(out, static_cast<std::uint64_t>(summary.expires_max));
  base::append_sized(out, summary.smallest);
  base::append_sized(out, summary.largest);
  if (const IndexPlace* index = summary.index.has_value() ? &*summary.index : nullptr) {
    base::append_little(out, index->format);
    base::append_varint(out, index->begin);
    char handle[kHandleBytes];
    store_handle(handle, index->meta);
    out.append(handle, kHandleBytes);
    base::append_varint(out, index->covered_bytes);
  }
  base::append_varint(out, 0);
}

bool take_summary(base::ByteReader& reader, RunSummary& summary) {
  std::uint8_t format = 0;
  std::string_view bytes;
  std::uint64_t number = 0;
  if (!reader.take_little(format) || (format != kWithoutIndex && format != kWithIndex)) return false;
  if (!reader.take_sized(bytes) || !is_run_name(bytes)) return false;
  summary.name = bytes;
  for (std::uint64_t* field : {&summary.file_bytes, &summary.records, &summary.erased, &summary.range_erasures,
                               &summary.data_bytes, &summary.version_min, &summary.version_max}) {
    if (!reader.take_varint(*field)) return false;
  }
  if (!reader.take_little(number)) return false;
  summary.expires_min = static_cast<std::int64_t>(number);
  if (!reader.take_little(number)) return false;
  summary.expires_max = static_cast<std::int64_t>(number);
  if (!reader.take_sized(bytes)) return false;
  summary.smallest = bytes;
  if (!reader.take_sized(bytes)) return false;
  summary.largest = bytes;
  summary.index.reset();
  if (format == kWithIndex && !take_index(reader, summary.file_bytes, summary.index.emplace())) return false;
  return reader.take_varint(number) && number == 0;
}

}  // namespace ingot::runs
