#include "engine/flush.h"

#include <limits>

#include "base/testing.h"
#include "engine/merged_view.h"
#include "engine/read.h"
#include "runs/merge.h"

namespace ingot::engine {

std::optional<Flushed> flush_memtables(storage::Directory& directory, const State& state,
                                       const std::vector<std::shared_ptr<Memtable>>& memtables, Version version,
                                       std::uint64_t file_bytes, base::FunctionRef<bool(const runs::Record&)> go_on) {
  std::vector<std::unique_ptr<runs::Cursor>> cursors;
  std::vector<runs::RangeErasure> erasures;
  for (const auto& memtable : memtables) {
    cursors.push_back(memtable->cursor(version));
    for (const runs::RangeErasure& erasure : memtable->erasures(version)) erasures.push_back(erasure);
  }
  const ErasureMap erased(erasures);
  const bool nothing_below = state.sorted_runs.empty();
  static const std::vector<ErasureMap::Fragment> kNone;
  RunOutput output(directory, nothing_below ? kNone : erased.fragments(), file_bytes);
  const std::unique_ptr<runs::Cursor> cursor = runs::merge_cursors(std::move(cursors));
  const View all{&state, version, std::numeric_limits<std::int64_t>::min()};  // nothing has expired at this time
  bool skip_one = base::broken(base::Break::engine_flush_skip_record);
  for (cursor->seek_first(); cursor->valid(); cursor->next()) {
    const runs::Record& record = cursor->record();
    if (!go_on(record)) return std::nullopt;
    const ErasureMap::Fragment* fragment = erased.empty() ? nullptr : erased.over(record.key);
    if (fragment != nullptr && record.version < fragment->version) continue;
    if (record.kind == RecordKind::erased && nothing_below) continue;
    if (skip_one && record.kind == RecordKind::value) {
      skip_one = false;
      continue;
    }
    if (record.kind != RecordKind::add) {
      output.add(record);
      continue;
    }
    std::string why;
    const Got got = get(
        all, record.key, runs::Io::allowed,
        [&](const Seen& seen) {
          const std::string value(seen.value);
          output.add({record.key, seen.version, RecordKind::value, seen.expires_micros, value});
        },
        why);
    if (got == Got::found) continue;
    throw CounterUnreadable("the counter \"" + runs::shown_key(record.key) +
                                "\" was added to, and what it was can't be read: " + why +
                                ". If that stays so, put or erase it; then all goes on",
                            why);
  }
  Flushed flushed;
  flushed.files = output.finish();
  flushed.bytes = output.bytes();
  return flushed;
}

}  // namespace ingot::engine
