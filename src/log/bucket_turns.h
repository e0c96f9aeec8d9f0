// Fairness between writers of a bucket's log. Whoever has just won a slot hears of it first, and would win the next
// one, too, and the one after it; the others would only pay for puts that lose. So whoever won lately stands back for
// as long as the others need. Only an optimisation: whatever this says, the slots decide.
//
// And how long puts take, which tells how long to stand back, and when to send one a second time.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/hash.h"
#include "base/time.h"

namespace ingot::log {

/// One thread at a time.
class Turns {
 public:
  static constexpr std::size_t kSlots = 32;
  /// By the entries' times: whoever has not won for so long does not write any more.
  static constexpr std::chrono::seconds kActive{4};
  /// Who never wins is known to nobody, and in step with a writer that never pauses it never does: each slot is taken
  /// by the time that it has read the one before. So after so many in a row a writer stands back as if it knew another.
  static constexpr std::uint64_t kRowMax = 32;

  void won(const base::Hash128& session, std::int64_t time_micros) {
    row_ = row_ != 0 && session == newest_ ? row_ + 1 : 1;
    newest_ = session;
    wins_[count_ % kSlots] = {session, time_micros};
    ++count_;
  }

  /// How many active others go before `self`: those whose last win is longer ago than its own.
  [[nodiscard]] std::size_t rank(const base::Hash128& self, std::int64_t now_micros) const {
    std::vector<base::Hash128> later;  // seen from the newest win backwards, `self` not yet
    const std::size_t kept = std::min(count_, kSlots);
    std::size_t others = 0;
    bool has_won = false;
    for (std::size_t i = 1; i <= kept; ++i) {
      const Win& win = wins_[(count_ - i) % kSlots];
      if (win.time_micros + std::chrono::microseconds(kActive).count() < now_micros) break;  // times never go back
      if (win.session == self) {
        has_won = true;
      } else if (std::find(later.begin(), later.end(), win.session) == later.end()) {
        later.push_back(win.session);
        if (has_won) ++others;
      }
    }
    return others;
  }

  /// Whether `self` has won so many one after the other that it may be in somebody's way. Once in kRowMax.
  [[nodiscard]] bool is_row_full(const base::Hash128& self) const {
    return row_ != 0 && row_ % kRowMax == 0 && newest_ == self;
  }

 private:
  struct Win {
    base::Hash128 session;
    std::int64_t time_micros = 0;
  };
  std::array<Win, kSlots> wins_{};
  std::size_t count_ = 0;
  base::Hash128 newest_;   // who won last, and
  std::uint64_t row_ = 0;  // how many slots one after the other
};

/// One thread at a time.
class Latencies {
 public:
  static constexpr std::size_t kSamples = 64;
  static constexpr std::size_t kLearned = 8;

  void add(base::Duration latency) {
    samples_[count_ % kSamples] = latency;
    ++count_;
  }
  /// So many per cent of the recent ones took at most this long; nothing: too few are known.
  [[nodiscard]] std::optional<base::Duration> percentile(std::size_t percent) const {
    const std::size_t kept = std::min(count_, kSamples);
    if (kept < kLearned) return std::nullopt;
    std::array<base::Duration, kSamples> sorted = samples_;
    const auto at = sorted.begin() + static_cast<std::ptrdiff_t>((kept - 1) * percent / 100);
    std::nth_element(sorted.begin(), at, sorted.begin() + static_cast<std::ptrdiff_t>(kept));
    return *at;
  }

 private:
  std::array<base::Duration, kSamples> samples_{};
  std::size_t count_ = 0;
};

}  // namespace ingot::log
