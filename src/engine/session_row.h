// What the data itself remembers of who committed it: a row for each session (an open handle on a bucket), with its
// newest commit. So a process that slept through the end of its own commit can still learn whether it happened, though
// the slot that it was to stand in is gone: runs and checkpoints carry the row.
//
//   key     space "\0sessions", 16 bytes of the session
//   value   u64 sequence | u64 version of its first transaction | u32 transactions
//
// A machine that was copied goes on twice, in one session. So a sequence is a counter above 32 random bits: what has
// the counter of an attempt and not its bits was the other heir's. And each heir counts on from what it has read of the
// other, so that the counters of a session grow along the log: a row whose counter is lower than that of an attempt
// can't have taken the place of the attempt's own.
//
// It expires kSessionRowMicros after the commit: from then on a row that is not there tells nothing. Written by whoever
// applies an entry that has a session, so everywhere alike.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/hash.h"
#include "engine/internal_key.h"

namespace ingot::engine {

inline constexpr std::string_view kSessionSpace{"\0sessions", 9};
inline constexpr std::int64_t kSessionRowMicros = 30LL * 24 * 3600 * 1'000'000;

struct SessionRow {
  base::Hash128 session;
  std::uint64_t sequence = 0;
  std::uint64_t base_version = 0;
  std::uint32_t transactions = 0;
};

// What a row says of an attempt whose slot is gone. `unknown`: it was overwritten by a later commit of the session,
// which the one who asks did not make; or it may have been there and expired.
//   age_micros  of the attempt, when the row was looked up
enum class RowSays : std::uint8_t { kept, not_kept, unknown };
inline RowSays row_says(const std::optional<SessionRow>& row, std::uint64_t sequence, std::int64_t age_micros) {
  if (!row) return age_micros < kSessionRowMicros ? RowSays::not_kept : RowSays::unknown;
  if ((row->sequence >> 32) < (sequence >> 32)) return RowSays::not_kept;
  return row->sequence == sequence ? RowSays::kept : RowSays::unknown;
}

inline std::string session_key(const base::Hash128& session) {
  char bytes[16];
  base::store_hash(bytes, session);
  return space_prefix(kSessionSpace).append(bytes, sizeof bytes);
}

inline std::string encode_session(const SessionRow& row) {
  std::string value;
  base::append_little(value, row.sequence);
  base::append_little(value, row.base_version);
  base::append_little(value, row.transactions);
  return value;
}

inline std::optional<SessionRow> decode_session(const base::Hash128& session, std::string_view value) {
  SessionRow row{session};
  base::ByteReader reader(value);
  if (!reader.take_little(row.sequence) || !reader.take_little(row.base_version) ||
      !reader.take_little(row.transactions)) {
    return {};
  }
  return row;
}

}  // namespace ingot::engine
