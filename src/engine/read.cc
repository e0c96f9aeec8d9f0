#include "engine/read.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/bytes.h"
#include "base/testing.h"

namespace ingot::engine {

std::int64_t counter_of(std::string_view value) {
  char bytes[8] = {};
  std::memcpy(bytes, value.data(), std::min<std::size_t>(value.size(), sizeof bytes));
  return static_cast<std::int64_t>(base::load_little<std::uint64_t>(bytes));
}

Got get_base(const State& state, std::string_view key, runs::Io io, base::FunctionRef<void(const runs::Record&)> use,
             std::string& why) {
  const std::uint64_t hash = runs::key_hash(key);
  // The filter lines of all candidates are fetched together, so that k runs cost about one miss.
  constexpr std::size_t kCandidatesMax = 32;
  std::array<const runs::Run*, kCandidatesMax> candidates;
  std::size_t count = 0;
  std::size_t next = 0;
  const std::size_t sorted_count = state.sorted_runs.size();
  while (next < sorted_count) {
    count = 0;
    for (; next < sorted_count && count < kCandidatesMax; ++next) {
      const runs::Run* run = state.sorted_runs[next].file_for(key);
      if (run == nullptr) continue;
      candidates[count++] = run;
      if (sorted_count > 1) run->prefetch(key, hash);
    }
    // Nor do k indexes that are read for the first time take k round trips.
    if (io == runs::Io::allowed && count > 1) {
      for (std::size_t i = 0; i < count; ++i) candidates[i]->fetch_index();
    }
    for (std::size_t i = 0; i < count; ++i) {
      const runs::Run& run = *candidates[i];
      std::uint64_t erased = 0;
      if (state.runs_have_erasures && run.has_range_erasures()) {
        if (!run.readable()) {
          why = run.why();
          return Got::failed;
        }
        erased = run.erased_version(key);
      }
      bool hidden = false;
      const runs::Lookup lookup = run.get(key, hash, io, [&](const runs::Record& record) {
        if (record.version < erased) {
          hidden = true;
        } else {
          use(record);
        }
      });
      switch (lookup) {
        case runs::Lookup::found:
          return hidden ? Got::absent : Got::found;
        case runs::Lookup::not_cached:
          return Got::not_cached;
        case runs::Lookup::failed:
          why = run.why();
          return Got::failed;
        case runs::Lookup::absent:
          if (erased != 0) return Got::absent;  // all that lies below is older than the erasure
          break;
      }
    }
  }
  return Got::absent;
}

namespace {

// Shows a record to the reader unless it had expired.
Got show(const View& view, const Seen& seen, base::FunctionRef<void(const Seen&)> use) {
  if (seen.expires_micros != 0 && seen.expires_micros <= view.time_micros &&
      !base::broken(base::Break::engine_ignore_expiry)) {
    return Got::absent;
  }
  use(seen);
  return Got::found;
}

struct Operand {
  const Memtable* memtable;
  Memtable::Found found;
};

// A counter: operands from memtables, newest first, on the base that lies below them (`base` from a memtable, or
// looked for in the runs).
Got get_counter(const View& view, std::string_view key, runs::Io io, const std::vector<Operand>& operands,
                const Memtable::Found* base, base::FunctionRef<void(const Seen&)> use, std::string& why) {
  bool present = false;
  std::int64_t value = 0;
  std::int64_t expires = 0;
  if (base != nullptr) {
    present = base->kind == RecordKind::value;
    value = present ? counter_of(base->value) : 0;
    expires = base->expires_micros;
  } else {
    const Got got = get_base(
        *view.state, key, io,
        [&](const runs::Record& record) {
          present = record.kind == RecordKind::value;
          value = present ? counter_of(record.value) : 0;
          expires = record.expires_micros;
        },
        why);
    if (got == Got::not_cached || got == Got::failed) return got;
  }
  for (auto operand = operands.rbegin(); operand != operands.rend(); ++operand) {
    std::int64_t folded_expires = 0;
    value = operand->memtable->fold(operand->found, present, value, expires, folded_expires);
    expires = folded_expires;
    present = true;
  }
  char bytes[8];
  base::store_little(bytes, static_cast<std::uint64_t>(value));
  return show(view, {{bytes, sizeof bytes}, operands.front().found.version, expires}, use);
}

}  // namespace

Got get(const View& view, std::string_view key, runs::Io io, base::FunctionRef<void(const Seen&)> use,
        std::string& why) {
  const State& state = *view.state;
  std::vector<Operand> operands;  // allocates only for counters
  const std::size_t memtables = state.sealed.size() + 1;
  for (std::size_t i = 0; i < memtables; ++i) {
    const Memtable& memtable = i == 0 ? *state.active : *state.sealed[i - 1];
    Memtable::Found found;
    if (memtable.empty() || !memtable.get(key, view.version, found)) continue;
    if (found.kind == RecordKind::add) {
      operands.push_back({&memtable, found});
      continue;
    }
    if (!operands.empty()) return get_counter(view, key, io, operands, &found, use, why);
    if (found.kind == RecordKind::erased) return Got::absent;
    return show(view, {found.value, found.version, found.expires_micros}, use);
  }
  if (!operands.empty()) return get_counter(view, key, io, operands, nullptr, use, why);

  Got shown = Got::absent;
  const Got got = get_base(
      state, key, io,
      [&](const runs::Record& record) {
        if (record.kind == RecordKind::value)
          shown = show(view, {record.value, record.version, record.expires_micros}, use);
      },
      why);
  return got == Got::found ? shown : got;
}

}  // namespace ingot::engine
