// The figures of one server, in the order in which they were made, and the table of several.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace bench {

enum class Unit { milliseconds, microseconds, per_second, count, ratio, percent };

// What a figure should be at most, or at least; nothing: it is only told.
struct Target {
  std::optional<double> at_most;
  std::optional<double> at_least;
};

struct Figure {
  std::string name;  // "commit-1/median"
  std::string text;  // "one process: median"
  Unit unit = Unit::count;
  double value = 0;
  Target target;

  [[nodiscard]] bool is_missed() const {
    return (target.at_most && value > *target.at_most) || (target.at_least && value < *target.at_least);
  }
};

class Sheet {
 public:
  // Figures that are added from now on belong together, under that heading.
  void begin(const std::string& heading) { headings_.push_back({figures_.size(), heading}); }
  void add(const std::string& name, const std::string& text, Unit unit, double value, Target target = {}) {
    figures_.push_back({name, text, unit, value, target});
  }
  void note(const std::string& text) { notes_.push_back(text); }
  [[nodiscard]] std::optional<double> find(const std::string& name) const;
  [[nodiscard]] nlohmann::json to_json() const;

  struct Heading {
    std::size_t before = 0;  // the figure of that index
    std::string text;
  };
  [[nodiscard]] const std::vector<Figure>& figures() const { return figures_; }
  [[nodiscard]] const std::vector<Heading>& headings() const { return headings_; }
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

 private:
  std::vector<Figure> figures_;
  std::vector<Heading> headings_;
  std::vector<std::string> notes_;
};

// Prints sheets side by side. Misses are marked with '!'.
void print_table(const std::vector<std::string>& servers, const std::vector<Sheet>& sheets);

}  // namespace bench
