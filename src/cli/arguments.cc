// The words of a command line, sorted by what a verb says it takes.
#include "cli/arguments.h"

#include <algorithm>
#include <cctype>

#include "cli/text.h"

namespace ingot::cli {
namespace {

bool is_option(std::string_view word) {
  if (word.size() < 2 || word[0] != '-') return false;
  return word[1] == '-' || std::isalpha(static_cast<unsigned char>(word[1])) != 0 || word[1] == '?';
}

const Option* find_option(const std::vector<Option>& options, std::string_view word) {
  for (const Option& option : options) {
    if (word.size() > 2 && word.substr(0, 2) == "--" && word.substr(2) == option.name) return &option;
    if (word.size() == 2 && option.letter != 0 && word[1] == option.letter) return &option;
  }
  return nullptr;
}

}  // namespace

std::size_t Option::value_count() const {
  const std::string_view text(placeholders);
  return text.empty() ? 0 : 1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), ' '));
}

Arguments::Arguments(const std::vector<std::string>& words, const std::vector<Option>& options) {
  bool only_positional = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (only_positional || !is_option(word)) {
      positional_.push_back(word);
      continue;
    }
    if (word == "--") {
      only_positional = true;
      continue;
    }
    const std::size_t equals = word.substr(0, 2) == "--" ? word.find('=') : std::string::npos;
    const std::string option_word = word.substr(0, equals);
    const Option* option = find_option(options, option_word);
    if (option == nullptr) {
      std::vector<std::string> known;
      for (const Option& each : options) known.emplace_back(each.name);
      const auto meant =
          nearest(option_word.substr(std::min(option_word.find_first_not_of('-'), option_word.size())), known);
      throw UsageError("There is no option " + shown(option_word) + " here." +
                       (meant ? " Did you mean --" + *meant + "?" : "") +
                       " (An argument that begins with a dash goes after --.)");
    }
    const std::string name = option->name;
    std::vector<std::string> values;
    if (equals != std::string::npos) {
      values.push_back(word.substr(equals + 1));
      if (option->value_count() != 1) {
        throw UsageError("--" + name + (option->value_count() == 0 ? " takes no value." : " takes several values: --") +
                         (option->value_count() == 0 ? "" : name + ' ' + option->placeholders));
      }
    }
    while (values.size() < option->value_count()) {
      if (++i >= words.size()) throw UsageError("--" + name + " needs a value: --" + name + ' ' + option->placeholders);
      values.push_back(words[i]);
    }
    if (!values_.emplace(name, values).second && option->value_count() > 0 && values_[name] != values) {
      throw UsageError("--" + name + " is given twice, with different values.");
    }
  }
}

std::optional<std::string> Arguments::value(std::string_view option) const {
  const auto found = values_.find(std::string(option));
  if (found == values_.end() || found->second.empty()) return std::nullopt;
  return found->second.front();
}

const std::vector<std::string>& Arguments::values(std::string_view option) const {
  static const std::vector<std::string> kNone;
  const auto found = values_.find(std::string(option));
  return found == values_.end() ? kNone : found->second;
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::optional<std::string> best;
  std::size_t best_distance = 0;
  for (const std::string& candidate : candidates) {
    std::size_t distance = edit_distance(word, candidate);
    if (word.size() >= 2 && candidate.substr(0, word.size()) == word) distance = 1;
    if (!best || distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  if (!best || best_distance > std::max<std::size_t>(1, std::min(word.size(), best->size()) / 2)) return std::nullopt;
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const auto found = nearest(word, candidates);
  return found ? " Did you mean " + *found + "?" : "";
}

}  // namespace ingot::cli
