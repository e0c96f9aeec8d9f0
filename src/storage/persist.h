// Sends a request to a bucket again until something is decided, or the deadline passes.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>

#include "base/time.h"
#include "storage/back_off.h"
#include "storage/bucket.h"

namespace ingot::storage {

/// Whether sending it again can change the answer.
inline bool is_settled(Outcome outcome) {
  switch (outcome) {
    case Outcome::done:
    case Outcome::absent:
    case Outcome::exists:
    case Outcome::too_late:
    case Outcome::refused:
      return true;
    case Outcome::conflict:
    case Outcome::throttled:
    case Outcome::failed:
    case Outcome::unanswered:
    case Outcome::unsent:
      break;
  }
  return false;
}

/// How long the first try may take; each further one twice as long, so that a slow line gets it through in the end.
inline constexpr base::Duration kFirstTryPatience = std::chrono::seconds(5);
inline constexpr base::Duration kLastTryPatience = std::chrono::minutes(10);

/// Calls `request`, which returns an Answer or what has one, with back-off, until its outcome is settled or the
/// deadline has passed; at least once. Returns the last answer. A try that hangs is given up long before the deadline.
///   request   is given the deadline of this try
///   stopped   ends it early when true; may be null
template <class Request>
auto persist(base::Instant deadline, Request&& request, const std::function<bool()>& stopped = {}) {
  BackOff back_off;
  base::Duration patience = kFirstTryPatience;
  for (;;) {
    auto answer = request(std::min(deadline, base::deadline_after(base::now(), patience)));
    patience = std::min(2 * patience, kLastTryPatience);
    const base::Instant now = base::now();
    if (is_settled(answer.outcome) || now >= deadline || (stopped && stopped())) return answer;
    const base::Instant next = now + std::min<base::Duration>(back_off.next(answer), deadline - now);
    for (base::Instant at = now; at < next; at = base::now()) {  // in steps, for who is to stop does not wait for it
      if (stopped && stopped()) return answer;
      base::sleep_for(std::min<base::Duration>(next - at, std::chrono::seconds(1)));
    }
  }
}

}  // namespace ingot::storage
