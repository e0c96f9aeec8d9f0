// Requests that are sent again until they are decided: for who has a thread to wait on, and knows that sending them
// again does no harm.
#pragma once

#include <string_view>
#include <vector>

#include "log/bucket_clock.h"
#include "storage/back_off.h"
#include "storage/bucket.h"

namespace ingot::log {

/// How long one request may take: after that it is sent again, on another connection.
inline constexpr base::Duration kRequestPatience = std::chrono::seconds(5);
/// And of one with a body so much longer: 64 KiB/s is a line that still works.
inline constexpr std::uint64_t kBytesPerSecondMin = 64 << 10;
/// Whoever is refused so often in a row is refused for good.
inline constexpr int kRefusalsMax = 3;

inline base::Duration patience_for(std::uint64_t bytes) {
  return kRequestPatience + std::chrono::seconds(static_cast<std::int64_t>(bytes / kBytesPerSecondMin));
}

inline void note_date(std::vector<DateSample>& dates, const storage::Answer& answer, base::Instant sent) {
  if (answer.date.has_value()) dates.push_back({*answer.date, sent, base::now()});
}

/// Waits before the next try. False: there is no time for one.
inline bool pause_before_next(storage::BackOff& back_off, const storage::Answer& answer, base::Instant deadline) {
  const base::Duration pause = back_off.next(answer);
  const base::Instant now = base::now();
  if (now >= deadline || deadline - now <= pause) return false;
  base::sleep_for(pause);
  return true;
}

/// Until `is_decided(answer)`, or the deadline, or it was refused too often; the last answer either way.
///   request  Answer-like(base::Instant deadline of this try)
template <class Request, class Decided>
auto send_until(base::Duration patience, base::Instant deadline, std::vector<DateSample>& dates, Request&& request,
                Decided&& is_decided) {
  storage::BackOff back_off;
  int refusals = 0;
  for (;;) {
    const base::Instant sent = base::now();
    auto answer = request(std::min(deadline, base::deadline_after(sent, patience)));
    note_date(dates, answer, sent);
    if (is_decided(answer)) return answer;
    refusals = answer.outcome == storage::Outcome::refused ? refusals + 1 : 0;
    if (refusals >= kRefusalsMax || !pause_before_next(back_off, answer, deadline)) return answer;
  }
}

/// done or absent, or what send_until says.
inline storage::Got get_decided(storage::Bucket& bucket, std::string_view key, base::Duration patience,
                                base::Instant deadline, std::vector<DateSample>& dates) {
  return send_until(
      patience, deadline, dates, [&](base::Instant until) { return bucket.get(key, {}, until); },
      [](const storage::Got& got) {
        return got.outcome == storage::Outcome::done || got.outcome == storage::Outcome::absent;
      });
}

/// done or exists, or what send_until says.
inline storage::Answer create_decided(storage::Bucket& bucket, std::string_view key, std::string_view bytes,
                                      base::Instant deadline, std::vector<DateSample>& dates) {
  return send_until(
      patience_for(bytes.size()), deadline, dates,
      [&](base::Instant until) { return bucket.put(key, bytes, storage::PutMode::create, {}, until); },
      [](const storage::Answer& answer) {
        return answer.outcome == storage::Outcome::done || answer.outcome == storage::Outcome::exists;
      });
}

/// "GET log/…: 503 SlowDown", for messages.
inline std::string describe(std::string_view what, std::string_view key, const storage::Answer& answer) {
  std::string text(what);
  text.append(" ").append(key).append(": ");
  return text.append(answer.why.empty() ? storage::outcome_name(answer.outcome) : answer.why);
}

}  // namespace ingot::log
