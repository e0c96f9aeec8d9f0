#include "runs/summary.h"

#include "runs/run_format.h"

namespace ingot::runs {

namespace {
constexpr std::uint8_t kSummaryFormat = 1;
}  // namespace

void append_summary(std::string& out, const RunSummary& summary) {
  base::append_little(out, kSummaryFormat);
  base::append_sized(out, summary.name);
  for (const std::uint64_t number : {summary.file_bytes, summary.records, summary.erased, summary.range_erasures,
                                     summary.data_bytes, summary.version_min, summary.version_max}) {
    base::append_varint(out, number);
  }
  base::append_little(out, static_cast<std::uint64_t>(summary.expires_min));
  base::append_little(out, static_cast<std::uint64_t>(summary.expires_max));
  base::append_sized(out, summary.smallest);
  base::append_sized(out, summary.largest);
  base::append_varint(out, 0);
}

bool take_summary(base::ByteReader& reader, RunSummary& summary) {
  std::uint8_t format = 0;
  std::string_view bytes;
  std::uint64_t number = 0;
  if (!reader.take_little(format) || format != kSummaryFormat || !reader.take_sized(bytes)) return false;
  if (!is_run_name(bytes)) return false;
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
  return reader.take_varint(number) && number == 0;
}

}  // namespace ingot::runs
