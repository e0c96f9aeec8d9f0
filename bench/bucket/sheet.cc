// See sheet.h.
#include "sheet.h"

#include <algorithm>
#include <cstdio>

namespace bench {
namespace {

constexpr int kTextColumn = 58;
constexpr int kColumn = 14;
constexpr int kTargetColumn = 10;

std::string format(const char* pattern, double number) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, number);
  return text;
}

std::string value_text(Unit unit, double value) {
  switch (unit) {
    case Unit::milliseconds:
      return format(value < 10 ? "%.2f ms" : value < 100 ? "%.1f ms" : "%.0f ms", value);
    case Unit::microseconds:
      return format(value < 10 ? "%.2f us" : "%.1f us", value);
    case Unit::per_second:
      return format(value < 100 ? "%.1f /s" : "%.0f /s", value);
    case Unit::count:
      return format(value < 100 && value != static_cast<double>(static_cast<long>(value)) ? "%.2f" : "%.0f", value);
    case Unit::ratio:
      return format("%.2f x", value);
    case Unit::percent:
      return format("%.0f %%", value);
  }
  return {};
}

std::string target_text(const Figure& figure) {
  if (figure.target.at_most) return "<= " + value_text(figure.unit, *figure.target.at_most);
  if (figure.target.at_least) return ">= " + value_text(figure.unit, *figure.target.at_least);
  return {};
}

const Figure* find_figure(const Sheet& sheet, const std::string& name) {
  const auto found = std::find_if(sheet.figures().begin(), sheet.figures().end(),
                                  [&](const Figure& figure) { return figure.name == name; });
  return found == sheet.figures().end() ? nullptr : &*found;
}

}  // namespace

std::optional<double> Sheet::find(const std::string& name) const {
  const Figure* figure = find_figure(*this, name);
  if (figure == nullptr) return std::nullopt;
  return figure->value;
}

nlohmann::json Sheet::to_json() const {
  nlohmann::json figures = nlohmann::json::array();
  const char* const units[] = {"ms", "us", "1/s", "count", "ratio", "%"};
  for (const Figure& figure : figures_) {
    nlohmann::json one = {{"name", figure.name},
                          {"text", figure.text},
                          {"unit", units[static_cast<int>(figure.unit)]},
                          {"value", figure.value}};
    if (figure.target.at_most) one["at_most"] = *figure.target.at_most;
    if (figure.target.at_least) one["at_least"] = *figure.target.at_least;
    if (figure.is_missed()) one["missed"] = true;
    figures.push_back(one);
  }
  return {{"figures", figures}, {"notes", notes_}};
}

void print_table(const std::vector<std::string>& servers, const std::vector<Sheet>& sheets) {
  std::printf("%-*s", kTextColumn, "");
  for (const std::string& server : servers) std::printf(" %*s", kColumn, server.c_str());
  std::printf("  %*s\n", kTargetColumn, "target");
  // A figure that only a fake server has (round trips) is in the longest sheet.
  const Sheet& longest = *std::max_element(sheets.begin(), sheets.end(), [](const Sheet& a, const Sheet& b) {
    return a.figures().size() < b.figures().size();
  });
  std::size_t heading = 0;
  for (std::size_t i = 0; i < longest.figures().size(); ++i) {
    for (; heading < longest.headings().size() && longest.headings()[heading].before == i; ++heading) {
      std::printf("\n%s\n", longest.headings()[heading].text.c_str());
    }
    const Figure& figure = longest.figures()[i];
    std::printf("  %-*s", kTextColumn - 2, figure.text.c_str());
    for (const Sheet& sheet : sheets) {
      const Figure* its = find_figure(sheet, figure.name);
      const std::string text =
          its == nullptr ? "-" : value_text(its->unit, its->value) + (its->is_missed() ? " !" : "");
      std::printf(" %*s", kColumn, text.c_str());
    }
    std::printf("  %*s\n", kTargetColumn, target_text(figure).c_str());
  }
  for (std::size_t i = 0; i < sheets.size(); ++i) {
    for (const std::string& note : sheets[i].notes()) std::printf("\n%s: %s\n", servers[i].c_str(), note.c_str());
  }
}

}  // namespace bench
