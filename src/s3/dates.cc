#include "s3/dates.h"

#include <array>
#include <cstdio>

namespace ingot::s3 {

namespace {

// `digits` decimal digits at `at`; -1 if there is anything else.
int number_at(std::string_view text, std::size_t at, std::size_t digits) {
  if (at + digits > text.size()) return -1;
  int value = 0;
  for (const char c : text.substr(at, digits)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

// A leap second (60) counts as the second before it.
std::optional<storage::BucketDate> date_of(int year, int month, int day, int hour, int minute, int second) {
  if (year < 1970 || month < 1 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 60) {
    return std::nullopt;
  }
  const std::chrono::year_month_day civil{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                          std::chrono::day(static_cast<unsigned>(day))};
  if (!civil.ok()) return std::nullopt;
  return std::chrono::sys_days(civil) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second == 60 ? 59 : second);
}

int month_of(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  for (std::size_t month = 0; month < kMonths.size(); ++month) {
    if (kMonths[month] == name) return static_cast<int>(month) + 1;
  }
  return -1;
}

}  // namespace

std::optional<storage::BucketDate> parse_http_date(std::string_view text) {
  // "Fri, 24 May 2013 00:00:00 GMT"
  if (text.size() != 29 || text.substr(3, 2) != ", " || text[7] != ' ' || text[11] != ' ' || text[16] != ' ' ||
      text[19] != ':' || text[22] != ':' || text.substr(25) != " GMT") {
    return std::nullopt;
  }
  return date_of(number_at(text, 12, 4), month_of(text.substr(8, 3)), number_at(text, 5, 2), number_at(text, 17, 2),
                 number_at(text, 20, 2), number_at(text, 23, 2));
}

std::optional<storage::BucketDate> parse_iso_date(std::string_view text) {
  // "2013-05-24T00:00:00"
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  std::size_t at = 19;
  if (text[at] == '.') {
    const std::size_t first = ++at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    if (at == first) return std::nullopt;
  }
  if (text.substr(at) != "Z" && text.substr(at) != "+00:00") return std::nullopt;
  return date_of(number_at(text, 0, 4), number_at(text, 5, 2), number_at(text, 8, 2), number_at(text, 11, 2),
                 number_at(text, 14, 2), number_at(text, 17, 2));
}

std::string signing_date(storage::BucketDate date) {
  const auto day = std::chrono::floor<std::chrono::days>(date);
  const std::chrono::year_month_day civil(day);
  const std::chrono::hh_mm_ss time(date - day);
  std::array<char, 64> text{};
  (void)std::snprintf(text.data(), text.size(), "%04d%02u%02uT%02d%02d%02dZ", static_cast<int>(civil.year()),
                      static_cast<unsigned>(civil.month()), static_cast<unsigned>(civil.day()),
                      static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                      static_cast<int>(time.seconds().count()));
  return text.data();
}

}  // namespace ingot::s3
