// The lines that `ingot apply` reads: each one verb, as JSON.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "ingot/ingot.h"

namespace ingot::cli {

/// One line, checked.
struct Change {
  enum class Verb { put, erase, erase_range, add, check };
  Verb verb = Verb::put;
  std::uint64_t line = 0;
  std::string space;
  std::string key;                               // all but erase_range
  std::string value;                             // put
  std::optional<std::chrono::microseconds> ttl;  // put
  Range range;                                   // erase_range
  std::int64_t delta = 0;                        // add
  // check: one of these
  std::optional<std::string> expected_value;
  std::optional<Version> expected_version;
  bool expected_absent = false;
};

/// The changes of all lines of `text`, blank ones left out.
///   throws UsageError: names the first line that is wrong, and what is wrong with it
std::vector<Change> read_changes(std::string_view text);

/// A check that does not hold; what() names its line.
class CheckFailed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Does them in `tx`, in their order.   throws CheckFailed
void apply_changes(Transaction& tx, const std::vector<Change>& changes);

}  // namespace ingot::cli
