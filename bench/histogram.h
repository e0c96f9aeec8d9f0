// Latencies in nanoseconds, in buckets of at most 1/64 of their value: enough for percentiles, and a few
// nanoseconds to add to.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace bench {

class Histogram {
 public:
  void add(std::uint64_t nanoseconds) {
    ++counts_[bucket_of(nanoseconds)];
    if (nanoseconds > largest_) largest_ = nanoseconds;
  }

  void add(const Histogram& other) {
    for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
    if (other.largest_ > largest_) largest_ = other.largest_;
  }

  [[nodiscard]] std::uint64_t largest() const { return largest_; }

  // The least latency that `part` (0 to 1) of the samples do not exceed, rounded up to its bucket's end.
  [[nodiscard]] std::uint64_t percentile(double part) const {
    std::uint64_t total = 0;
    for (const std::uint64_t count : counts_) total += count;
    auto rest = static_cast<double>(total) * part;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      rest -= static_cast<double>(counts_[i]);
      if (counts_[i] > 0 && rest <= 0) return end_of(i) < largest_ ? end_of(i) : largest_;
    }
    return largest_;
  }

 private:
  static constexpr unsigned kPrecisionBits = 6;
  static constexpr std::size_t kPerOctave = std::size_t{1} << kPrecisionBits;
  static constexpr std::size_t kBuckets = (64 - kPrecisionBits + 1) * kPerOctave;

  // Values below kPerOctave have a bucket each; above, the highest bit selects an octave and the next six a bucket.
  static std::size_t bucket_of(std::uint64_t value) {
    if (value < kPerOctave) return static_cast<std::size_t>(value);
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kPrecisionBits;
    return (shift + 1) * kPerOctave + static_cast<std::size_t>((value >> shift) - kPerOctave);
  }
  static std::uint64_t end_of(std::size_t bucket) {
    if (bucket < kPerOctave) return bucket;
    const std::size_t shift = bucket / kPerOctave - 1;
    return ((bucket % kPerOctave + kPerOctave + 1) << shift) - 1;
  }

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t largest_ = 0;
};

}  // namespace bench
