// The words of a command line, sorted by what a verb says it takes.
//
// Arguments are bytes of the user's (JSON, keys with brackets, numbers below zero), so nothing is split or guessed:
// what begins with a dash and a letter is an option, `--` ends the options, and all else is an argument.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ingot::cli {

/// The command line can't be right; what() is a sentence that says what to do.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Option {
  const char* name;          ///< without dashes
  char letter;               ///< for the short form; 0: none
  const char* placeholders;  ///< of its values, separated by spaces; "": a flag
  const char* help;
  [[nodiscard]] std::size_t value_count() const;
};

class Arguments {
 public:
  /// Sorts `words`.   throws UsageError: an option that is not among `options`, given twice, or without its value
  Arguments(const std::vector<std::string>& words, const std::vector<Option>& options);

  [[nodiscard]] bool has(std::string_view option) const { return values_.count(std::string(option)) > 0; }
  /// The value of an option that takes one.
  [[nodiscard]] std::optional<std::string> value(std::string_view option) const;
  [[nodiscard]] const std::vector<std::string>& values(std::string_view option) const;
  [[nodiscard]] const std::vector<std::string>& positional() const { return positional_; }

 private:
  std::map<std::string, std::vector<std::string>> values_;
  std::vector<std::string> positional_;
};

/// Of `candidates` the one that is most like `word`, if one is so like it that it may be meant.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);
/// " Did you mean X?", or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace ingot::cli
