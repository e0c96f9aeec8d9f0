#include "choices.h"

#include <algorithm>
#include <charconv>

#include "memory.h"

namespace ingot::simulator {

namespace {

constexpr std::uint64_t kNoEnd = ~0ULL;
constexpr std::array<const char*, Choices::kKinds> kNames = {"event", "process", "step", "fault"};

bool take_number(std::string_view& text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take_sign(std::string_view& text, char sign) {
  if (text.empty() || text.front() != sign) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

bool Choices::take(Optional kind) {
  Kind& of = kinds_[static_cast<std::size_t>(kind)];
  const std::uint64_t number = of.asked++;
  if (of.ranges.empty() || !is_left_out(kind, number)) return true;
  ++of.left_out;
  return false;
}

std::uint64_t Choices::taken(Optional kind) const {
  const Kind& of = kinds_[static_cast<std::size_t>(kind)];
  return of.asked - of.left_out;
}

bool Choices::is_left_out(Optional kind, std::uint64_t number) const {
  const std::vector<Range>& ranges = kinds_[static_cast<std::size_t>(kind)].ranges;
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), number,
                                      [](std::uint64_t wanted, const Range& range) { return wanted < range.first; });
  return after != ranges.begin() && number < after[-1].end;
}

Choices::Counts Choices::counts() const {
  Counts counts;
  for (std::size_t kind = 0; kind < kKinds; ++kind) counts[kind] = {kinds_[kind].asked, kinds_[kind].left_out};
  return counts;
}

void Choices::set_counts(const Counts& counts) {
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    kinds_[kind].asked = counts[kind].first;
    kinds_[kind].left_out = counts[kind].second;
  }
}

void Choices::leave_out(Optional kind, std::uint64_t first, std::uint64_t end) {
  if (first >= end) return;
  std::vector<Range>& ranges = kinds_[static_cast<std::size_t>(kind)].ranges;
  std::vector<Range> joined;
  Range added{first, end};
  for (const Range& range : ranges) {
    if (range.end < added.first || range.first > added.end) {
      joined.push_back(range);
    } else {
      added = {std::min(added.first, range.first), std::max(added.end, range.end)};
    }
  }
  joined.push_back(added);
  std::sort(joined.begin(), joined.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  ranges = std::move(joined);
}

Choices Choices::anew() const {
  Choices choices = *this;
  for (Kind& kind : choices.kinds_) kind.asked = kind.left_out = 0;
  return choices;
}

std::string Choices::text() const {
  std::string text;
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    const char* separator = ":";
    if (!kinds_[kind].ranges.empty()) text.append(text.empty() ? "" : ";").append(kNames[kind]);
    for (const Range& range : kinds_[kind].ranges) {
      text.append(separator).append(std::to_string(range.first));
      separator = ",";
      if (range.end == kNoEnd) {
        text.append("-");
      } else if (range.end - range.first > 1) {
        text.append("-").append(std::to_string(range.end - 1));
      }
    }
  }
  return text;
}

bool Choices::take_text(std::string_view text) {
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    const auto* const name = std::find(kNames.begin(), kNames.end(), text.substr(0, colon));
    if (colon == std::string_view::npos || name == kNames.end()) return false;
    text.remove_prefix(colon + 1);
    do {
      std::uint64_t first = 0;
      if (!take_number(text, first)) return false;
      std::uint64_t last = first;
      std::uint64_t end = first + 1;
      if (take_sign(text, '-')) end = take_number(text, last) ? last + 1 : kNoEnd;
      if (end <= first) return false;
      leave_out(static_cast<Optional>(name - kNames.begin()), first, end);
    } while (take_sign(text, ','));
    if (!take_sign(text, ';') && !text.empty()) return false;
  }
  return true;
}

Choices shorten(Choices choices, const std::function<bool(Choices&)>& fails, std::uint64_t tries) {
  // One try: true if it still fails; then that is what we go on with.
  const auto fails_without = [&](Optional kind, std::uint64_t first, std::uint64_t end) {
    if (tries == 0) return false;
    --tries;
    Choices candidate = choices.anew();
    candidate.leave_out(kind, first, end);
    if (!fails(candidate)) return false;
    choices = candidate;
    return true;
  };
  // Twice: what is left out of one kind makes things of another needless.
  for (int round = 0; round < 2; ++round) {
    for (const Optional kind : {Optional::process, Optional::step, Optional::fault, Optional::event}) {
      const std::uint64_t count = choices.asked(kind);
      for (std::uint64_t chunk = count; chunk != 0; chunk /= 2) {
        for (std::uint64_t first = 0; first < count; first += chunk) {
          bool all_out = true;
          for (std::uint64_t i = first; i < std::min(count, first + chunk) && all_out; ++i) {
            all_out = choices.is_left_out(kind, i);
          }
          if (!all_out) fails_without(kind, first, std::min(count, first + chunk));
        }
      }
    }
  }
  return choices;
}

}  // namespace ingot::simulator
