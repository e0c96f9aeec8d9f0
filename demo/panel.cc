#include "panel.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace demo {

namespace {

constexpr int kKilled = -1;
constexpr std::size_t kHistory = 48;
constexpr int kTicksPerSample = 2;

bool terminal_knows_unicode() {
  for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(variable);
    if (value == nullptr || *value == '\0') continue;
    const std::string_view text(value);
    return text.find("UTF-8") != std::string_view::npos || text.find("utf8") != std::string_view::npos;
  }
  return false;
}

std::string padded(const std::string& text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

std::string one_decimal(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

}  // namespace

std::string grouped(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) text.push_back(',');
    text.push_back(digits[i]);
  }
  return text;
}

std::string shown_micros(double micros) {
  if (micros < 1) return std::to_string(static_cast<int>(micros * 1000)) + " ns";
  if (micros < 10) return one_decimal(micros) + " us";
  if (micros < 1000) return std::to_string(static_cast<int>(micros)) + " us";
  return one_decimal(micros / 1000) + " ms";
}

Panel::Panel(Crowd& crowd, std::chrono::seconds duration)
    : crowd_(crowd),
      duration_(duration),
      begun_(Clock::now()),
      terminal_(isatty(STDOUT_FILENO) == 1),
      unicode_(terminal_knows_unicode()),
      history_(crowd.slots().size()) {}

void Panel::sample(double seconds) {
  for (std::size_t i = 0; i < history_.size(); ++i) {
    Slot& slot = crowd_.slots()[i];
    history_[i].push_back(slot.killed ? kKilled : static_cast<int>(slot.recent));
    if (!slot.inspector) most_ = std::max(most_, slot.recent);
    slot.recent = 0;
    slot.killed = false;
    if (history_[i].size() > kHistory) history_[i].pop_front();
  }
  if (seconds - seconds_before_ < 1) return;
  const Account& account = crowd_.account();
  commits_rate_ = static_cast<double>(account.commits - commits_before_) / (seconds - seconds_before_);
  reads_rate_ = static_cast<double>(account.reads - reads_before_) / (seconds - seconds_before_);
  commits_before_ = account.commits;
  reads_before_ = account.reads;
  seconds_before_ = seconds;
}

void Panel::tick() {
  ++ticks_;
  const double seconds = std::chrono::duration<double>(Clock::now() - begun_).count();
  if (ticks_ % kTicksPerSample == 0) sample(seconds);
  if (terminal_) {
    draw(seconds);
  } else if (ticks_ % 10 == 0) {
    print_line(seconds);
  }
}

void Panel::draw(double seconds) {
  static constexpr const char* kLevels[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static constexpr const char* kPlainLevels[] = {".", ".", ":", ":", "+", "+", "#", "#"};
  const Account& account = crowd_.account();
  std::string out;
  if (drawn_) out += "\x1b[" + std::to_string(history_.size() + 4) + "A";
  drawn_ = true;
  for (std::size_t i = 0; i < history_.size(); ++i) {
    const Slot& slot = crowd_.slots()[i];
    const double age = std::chrono::duration<double>(Clock::now() - slot.started).count();
    out += std::string("\x1b[K  ") + (slot.inspector ? "inspector" : "seller   ") + "  pid " +
           padded(std::to_string(slot.pid), 7) + "  " + std::string(kHistory - history_[i].size(), ' ');
    for (const int value : history_[i]) {
      if (value == kKilled) {
        out += unicode_ ? "\x1b[31m✗\x1b[0m" : "\x1b[31mX\x1b[0m";
      } else if (value == 0) {
        out += " ";
      } else if (slot.inspector) {
        out += unicode_ ? "\x1b[32m✓\x1b[0m" : "\x1b[32mv\x1b[0m";
      } else {
        const auto level = std::min<std::uint64_t>(7, static_cast<std::uint64_t>(value) * 8 / (most_ + 1));
        out += (unicode_ ? kLevels : kPlainLevels)[level];
      }
    }
    out += "  alive " + padded(one_decimal(age), 4) + " s";
    if (!slot.inspector) out += padded(grouped(slot.commits), 8) + " commits";
    out += "\n";
  }
  out += "\x1b[K\n\x1b[K  \x1b[1m" + grouped(static_cast<std::uint64_t>(commits_rate_)) +
         "\x1b[0m durable commits/s   " + grouped(static_cast<std::uint64_t>(reads_rate_)) + " reads/s   commit p50 " +
         shown_micros(static_cast<double>(account.commit_micros.at(0.5))) + ", p99 " +
         shown_micros(static_cast<double>(account.commit_micros.at(0.99))) + "\n";
  out += "\x1b[K  kill -9: \x1b[31m" + std::to_string(account.kills) +
         "\x1b[0m   acknowledged: " + grouped(account.commits) +
         "   whole-store inspections: " + std::to_string(account.inspections) +
         "   wrong: " + std::to_string(account.wrong.size()) + "\n";
  out += "\x1b[K  " + one_decimal(seconds) + " of " + std::to_string(duration_.count()) + " s\n";
  std::fputs(out.c_str(), stdout);
  std::fflush(stdout);
}

void Panel::print_line(double seconds) {
  const Account& account = crowd_.account();
  std::printf(
      "  %3d s  %7s durable commits/s  %8s reads/s  commit p50 %s, p99 %s  kill -9: %llu  inspections: %llu  "
      "wrong: %zu\n",
      static_cast<int>(seconds + 0.5), grouped(static_cast<std::uint64_t>(commits_rate_)).c_str(),
      grouped(static_cast<std::uint64_t>(reads_rate_)).c_str(),
      shown_micros(static_cast<double>(account.commit_micros.at(0.5))).c_str(),
      shown_micros(static_cast<double>(account.commit_micros.at(0.99))).c_str(),
      static_cast<unsigned long long>(account.kills), static_cast<unsigned long long>(account.inspections),
      account.wrong.size());
  std::fflush(stdout);
}

void Panel::finish() {
  std::fflush(stdout);
}

}  // namespace demo
