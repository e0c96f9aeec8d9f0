// Bytes, numbers, durations and times as people write and read them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ingot::cli {

/// How many bytes the UTF-8 character at `bytes[at]` has; 0 if there is none that is well formed (surrogates, overlong
/// forms and what lies beyond U+10FFFF are not).
std::size_t utf8_character_bytes(std::string_view bytes, std::size_t at);
bool is_utf8(std::string_view bytes);

/// One line of printable text that says exactly which bytes it stands for: \\ \t \n \r, and \xNN for all else that is
/// a control character or no UTF-8.
std::string escaped(std::string_view bytes);
/// Escaped and shortened, for messages.
std::string shown(std::string_view bytes, std::size_t characters_max = 48);

/// 0 to 15; -1 if it is no hexadecimal digit.
int hex_digit(char c);
std::optional<std::string> from_hex(std::string_view text);
/// RFC 4648, padding required, nothing else inside.
std::optional<std::string> from_base64(std::string_view text);
void append_base64(std::string& out, std::string_view bytes);
constexpr std::size_t base64_bytes(std::size_t count) {
  return (count + 2) / 3 * 4;
}

/// The whole of `text` as a number; nothing if it is none or out of range.
std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<std::uint64_t> parse_unsigned(std::string_view text);
std::optional<double> parse_floating(std::string_view text);

/// "90s", "5m", "1.5h", "2d", "1w", "250ms": more than zero, at most kDurationMax.
inline constexpr std::chrono::microseconds kDurationMax = std::chrono::hours(24 * 365 * 100);
std::optional<std::chrono::microseconds> parse_duration(std::string_view text);

/// Microseconds since 1970 as RFC 3339 in UTC, to the microsecond, and back.
std::string time_text(std::int64_t micros);
std::optional<std::int64_t> parse_time(std::string_view text);

/// "17.2 MiB"; "1,234,567"; "3.4 s".
std::string bytes_text(std::uint64_t bytes);
std::string count_text(std::uint64_t count);
std::string seconds_text(double seconds);
/// "1 record", "2 records".
std::string counted(std::uint64_t count, std::string_view noun);

std::string lower_case(std::string_view text);
/// How many letters must change to make one word of the other.
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace ingot::cli
