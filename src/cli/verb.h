// What a verb of the command is, and what it works with.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/arguments.h"
#include "cli/output.h"
#include "ingot/ingot.h"

namespace ingot::cli {

/// What the process answers with.
enum class Exit : int {
  done = 0,
  not_found = 1,      ///< not found; a check found something; lines that are bad; a condition that does not hold
  error = 2,          ///< a usage or store error
  interrupted = 130,  ///< stopped by a signal, with work left that can go on
};

/// One run of a verb.
struct Context {
  explicit Context(Arguments sorted) : arguments(std::move(sorted)) {}

  Arguments arguments;
  bool json = false;
  Output output;
  bool stdin_taken = false;  ///< one argument only can be `-`

  [[nodiscard]] const std::string& argument(std::size_t index) const { return arguments.positional().at(index); }
  [[nodiscard]] std::size_t argument_count() const { return arguments.positional().size(); }
  /// The words after the first `count`.
  [[nodiscard]] std::vector<std::string> arguments_after(std::size_t count) const;
  /// The number given for an option, within bounds.   throws UsageError
  [[nodiscard]] std::optional<std::uint64_t> number(std::string_view option, std::uint64_t least,
                                                    std::uint64_t most) const;

  /// Where the store is: -s, else $INGOT_STORE.   throws UsageError: neither
  [[nodiscard]] std::string where() const;
};

/// One word of the command, with all that help, completion and manual say of it.
struct Verb {
  const char* name;
  const char* arguments;  ///< "SPACE KEY…"
  const char* summary;    ///< one line
  const char* text;       ///< what else there is to know; lines of at most 80 characters
  const char* examples;   ///< one a line
  std::vector<Option> options;
  std::size_t arguments_min;
  std::size_t arguments_max;
  Exit (*run)(Context&);
};

inline constexpr std::size_t kAnyNumber = static_cast<std::size_t>(-1);

/// All verbs, in the order in which help lists them.
const std::vector<Verb>& verbs();
const Verb* find_verb(std::string_view name);
/// The options that go with every verb, before or after it.
const std::vector<Option>& common_options();

/// How a verb opens its store.
enum class Access {
  read,     ///< next to writers, on media that can't be written
  write,    ///< the store must be there
  make,     ///< made if it is not there
  salvage,  ///< as read; what is damaged beyond healing is left out
};
Store open_store(const std::string& where, Access access);
/// For a verb with --salvage: `done`, or `not_found` if something of the store could not be read, which is said.
Exit salvaged(const Context& context, const Store& store, Exit status);
inline const Option kSalvageOption{"salvage", 0, "", "Of a damaged store: all that can be read"};

/// What `signal_received` may be asked after this: SIGINT and SIGTERM are noted, once; a second one ends the process.
void note_signals();
bool signal_received();
/// A descriptor that becomes readable with the first signal, or with end_waiting(): whoever waits for input waits for
/// it.
int signal_descriptor();
void end_waiting();

// One function a verb; each group in a file of its own.
Exit run_get(Context& context);
Exit run_put(Context& context);
Exit run_erase(Context& context);
Exit run_scan(Context& context);
Exit run_apply(Context& context);
Exit run_spaces(Context& context);
Exit run_drop(Context& context);
Exit run_import(Context& context);
Exit run_export(Context& context);
Exit run_copy(Context& context);
Exit run_check(Context& context);
Exit run_stats(Context& context);
Exit run_info(Context& context);
Exit run_bench(Context& context);
Exit run_completion(Context& context);
Exit run_manual(Context& context);
Exit run_help(Context& context);

}  // namespace ingot::cli
