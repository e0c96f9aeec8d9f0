// What every verb needs: its arguments in bounds, its store, and signals that are noted.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <system_error>

#include "cli/text.h"
#include "cli/verb.h"

namespace ingot::cli {
namespace {

std::atomic<bool> g_signal{false};
std::atomic<int> g_signal_writer{-1};
int g_signal_reader = -1;

static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "a signal handler may touch nothing else");

void on_signal(int) {
  const int saved = errno;
  g_signal = true;
  end_waiting();
  errno = saved;
}

}  // namespace

std::vector<std::string> Context::arguments_after(std::size_t count) const {
  const auto& all = arguments.positional();
  return {all.begin() + static_cast<std::ptrdiff_t>(std::min(count, all.size())), all.end()};
}

std::optional<std::uint64_t> Context::number(std::string_view option, std::uint64_t least, std::uint64_t most) const {
  const auto text = arguments.value(option);
  if (!text) return std::nullopt;
  const auto number = parse_unsigned(*text);
  if (!number || *number < least || *number > most) {
    throw UsageError("--" + std::string(option) + " must be a whole number from " + std::to_string(least) + " to " +
                     std::to_string(most) + ", not " + shown(*text) + '.');
  }
  return number;
}

std::string Context::where() const {
  if (const auto given = arguments.value("store")) {
    if (given->empty()) throw UsageError("--store is empty: give the store's directory, or s3://bucket/prefix.");
    return *given;
  }
  const char* variable = std::getenv("INGOT_STORE");
  if (variable != nullptr && *variable != '\0') return variable;
  throw UsageError("Which store? Give its directory (or s3://bucket/prefix) with -s STORE, or set INGOT_STORE.");
}

Store open_store(const std::string& where, Access access) {
  Options options;
  options.read_only = access == Access::read;
  options.salvage = access == Access::salvage;
  options.create = access == Access::make;
  options.on_message = [](const Message& message) {
    if (message.severity == Message::Severity::warning) say(message.text);
  };
  return open(where, std::move(options));
}

Exit salvaged(const Context& context, const Store& store, Exit status) {
  if (!context.arguments.has("salvage")) return status;
  const Health health = store.health();
  if (health.good) return status;
  say("Not all of it: something is damaged beyond healing, and left out. See above.");
  return Exit::not_found;
}

void note_signals() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::generic_category(), "No pipe can be made");
  }
  g_signal_reader = ends[0];
  g_signal_writer = ends[1];
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second signal ends the process: nothing needs our leave
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool signal_received() {
  return g_signal;
}

int signal_descriptor() {
  return g_signal_reader;
}

// Also called by the signal handler.
void end_waiting() {
  const char byte = 0;
  [[maybe_unused]] const ssize_t count = ::write(g_signal_writer, &byte, 1);
}

}  // namespace ingot::cli
