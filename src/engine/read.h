// Point reads of a State at a version: memtables, newest first, then sorted runs, newest first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/function_ref.h"
#include "engine/state.h"

namespace ingot::engine {

// What a reader sees: everything committed up to `version`, less what had expired at `time_micros`.
struct View {
  const State* state = nullptr;
  Version version = 0;
  std::int64_t time_micros = 0;
};

enum class Got : std::uint8_t {
  absent,
  found,
  not_cached,  // with Io::none only
  failed,      // `why` says why
};

// A record as a reader sees it: the value, whole, with counters folded and expiry applied.
struct Seen {
  std::string_view value;
  Version version = 0;
  std::int64_t expires_micros = 0;
};

// Finds `key` (internal). `use` is called once if it is found, while the bytes are pinned; it must not wait or throw.
Got get(const View& view, std::string_view key, runs::Io io, base::FunctionRef<void(const Seen&)> use,
        std::string& why);

// The same for the sorted runs alone, below all memtables, tombstones and expiry not applied: the base of a counter.
Got get_base(const State& state, std::string_view key, runs::Io io, base::FunctionRef<void(const runs::Record&)> use,
             std::string& why);

// The 64-bit counter in a value: 8 bytes, little-endian; a shorter value is extended by zeros.
std::int64_t counter_of(std::string_view value);

}  // namespace ingot::engine
