// The command: finds the verb, runs it, and turns what went wrong into a sentence and a status.
#include <csignal>
#include <cstdlib>
#include <exception>
#include <new>
#include <system_error>

#include "cli/help.h"
#include "cli/verb.h"

namespace ingot::cli {
namespace {

bool is_word(const std::string& word) {
  return word.empty() || word[0] != '-';
}

// Splits the words at the verb: options before it are the common ones.
std::size_t verb_index(const std::vector<std::string>& words) {
  std::size_t index = 0;
  while (index < words.size() && !is_word(words[index])) {
    index += words[index] == "-s" || words[index] == "--store" ? 2 : 1;
  }
  return index;
}

void check_count(const Verb& verb, std::size_t count) {
  if (count >= verb.arguments_min && count <= verb.arguments_max) return;
  throw UsageError(std::string(count < verb.arguments_min ? "Something is missing" : "That is too much") + ": ingot " +
                   verb.name + ' ' + verb.arguments + "   (ingot " + verb.name + " --help says more.)");
}

Exit run(std::vector<std::string> words) {
  const std::size_t at = verb_index(words);
  if (at >= words.size()) {
    Context context(Arguments(words, common_options()));
    if (context.arguments.has("version")) {
      context.output.line("ingot " + std::string(release()));
    } else if (context.arguments.has("help")) {
      context.output.write(overview());
    } else {
      throw UsageError("What is to be done?\n\n" + overview());
    }
    context.output.flush();
    return Exit::done;
  }
  const Verb* verb = find_verb(words[at]);
  if (verb == nullptr) {
    std::vector<std::string> names;
    for (const Verb& each : verbs()) names.emplace_back(each.name);
    throw UsageError("There is no verb " + words[at] + "." + did_you_mean(words[at], names) +
                     " ingot --help lists them all.");
  }
  words.erase(words.begin() + static_cast<std::ptrdiff_t>(at));
  std::vector<Option> options = verb->options;
  options.insert(options.end(), common_options().begin(), common_options().end());
  Context context(Arguments(words, options));
  context.json = context.arguments.has("json");
  if (context.arguments.has("help")) {
    context.output.write(verb_help(*verb));
    context.output.flush();
    return Exit::done;
  }
  check_count(*verb, context.argument_count());
  const Exit status = verb->run(context);
  context.output.flush();
  return status;
}

Exit run_guarded(int count, char** words) {
  try {
    return run({words + 1, words + count});
  } catch (const ReaderGone&) {
    return Exit::done;
  } catch (const UsageError& error) {
    say(error.what());
  } catch (const Error& error) {
    say(error.what());
    return error.code() == ErrorCode::not_found ? Exit::not_found : Exit::error;
  } catch (const std::bad_alloc&) {
    say("There is not enough memory for this.");
  } catch (const std::exception& error) {
    say(error.what());
  }
  return Exit::error;
}

}  // namespace
}  // namespace ingot::cli

int main(int count, char** words) {
  // A reader that left is noticed by the write that fails: some parents ignore the signal, and then only that tells.
  std::signal(SIGPIPE, SIG_IGN);
  return static_cast<int>(ingot::cli::run_guarded(count, words));
}
