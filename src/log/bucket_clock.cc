#include "log/bucket_clock.h"

#include <algorithm>

#include "base/testing.h"

namespace ingot::log {
namespace {

// A Date is a whole second, cut off: on average the bucket's clock was half a second further.
std::int64_t offset_of(const DateSample& sample) {
  const std::int64_t date = sample.date.time_since_epoch().count() * 1'000'000 + 500'000;
  const std::int64_t sent = monotonic_micros(sample.sent);
  return date - (sent + (monotonic_micros(sample.answered) - sent) / 2);
}

// Of an even number the lower one: a clock that is ahead does more harm than one that is behind.
template <std::size_t N>
std::int64_t median(std::array<std::int64_t, N> values, std::size_t count) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((count - 1) / 2);
  std::nth_element(values.begin(), middle, values.begin() + static_cast<std::ptrdiff_t>(count));
  return *middle;
}

}  // namespace

void BucketClock::add(const DateSample& sample) {
  // Whoever stood still meanwhile does not know when it was answered.
  if (sample.answered - sample.sent > kRoundTripMax && count_ != 0) return;
  offsets_[count_ % kSamples] = offset_of(sample);
  ++count_;
}

std::optional<std::int64_t> BucketClock::offset() const {
  if (count_ == 0) return std::nullopt;
  if (base::broken(base::Break::bucket_clock_of_one)) return offsets_[(count_ - 1) % kSamples];
  return median(offsets_, std::min(count_, kSamples));
}

bool BucketClock::is_plausible(const DateSample& sample) const {
  if (count_ == 0) return true;
  const std::int64_t apart = offset_of(sample) - median(offsets_, std::min(count_, kSamples));
  const std::int64_t on_its_way = (monotonic_micros(sample.answered) - monotonic_micros(sample.sent)) / 2;
  const std::int64_t allowed = std::chrono::microseconds(kPlausible).count() + on_its_way;
  return -allowed <= apart && apart <= allowed;
}

}  // namespace ingot::log
