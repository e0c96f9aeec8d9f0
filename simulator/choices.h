// What a seed would do, and might be left out: processes, steps of their work, events that befall them, faults of the
// disk. Everything optional asks here, with a kind, whether it is to be; each kind counts on its own. A run of the same
// seed in which some are left out is a run like any other, so a failing seed is shortened by leaving out what is not
// needed for the failure (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002).
//
// Draw from chance before asking, never after: whoever is left out must take as many draws with it as it would have
// made.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ingot::simulator {

enum class Optional : std::uint8_t { event, process, step, fault, count };

class Choices {
 public:
  static constexpr std::size_t kKinds = static_cast<std::size_t>(Optional::count);

  /// Whether the next one of this kind is to be.
  bool take(Optional kind);
  /// How many asked so far, and how many of these were to be.
  [[nodiscard]] std::uint64_t asked(Optional kind) const { return kinds_[static_cast<std::size_t>(kind)].asked; }
  [[nodiscard]] std::uint64_t taken(Optional kind) const;
  using Counts = std::array<std::pair<std::uint64_t, std::uint64_t>, kKinds>;  // asked, left out
  [[nodiscard]] Counts counts() const;
  void set_counts(const Counts& counts);  ///< as a run elsewhere had them

  void leave_out(Optional kind, std::uint64_t first, std::uint64_t end);
  [[nodiscard]] bool is_left_out(Optional kind, std::uint64_t number) const;
  /// The same, with nobody having asked yet.
  [[nodiscard]] Choices anew() const;

  /// As "step:0-5,9,12-;fault:3": what is left out ("12-": that one and all after it). Empty: nothing.
  [[nodiscard]] std::string text() const;
  /// Adds what such a text says. False: it can't be read.
  bool take_text(std::string_view text);

 private:
  struct Range {
    std::uint64_t first;
    std::uint64_t end;
  };
  struct Kind {
    std::uint64_t asked = 0;
    std::uint64_t left_out = 0;
    std::vector<Range> ranges;  // sorted, apart
  };
  std::array<Kind, kKinds> kinds_;
};

/// Leaves out more and more of `choices` for as long as `fails` stays true and says so again for at most `tries` calls.
/// `fails` runs the seed with what it is given, whose counts then say what was asked for.
Choices shorten(Choices choices, const std::function<bool(Choices&)>& fails, std::uint64_t tries);

}  // namespace ingot::simulator
