// Help and the manual page, from the table of verbs.
#include "cli/help.h"

#include <algorithm>

namespace ingot::cli {
namespace {

std::string padded(std::string text, std::size_t width) {
  std::size_t columns = 0;  // characters, not bytes: some arguments end in …
  for (const char c : text) columns += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  text.append(columns < width ? width - columns : 1, ' ');
  return text;
}

std::string option_words(const Option& option) {
  std::string text = option.letter != 0 ? std::string("-") + option.letter + ", " : "    ";
  text += "--" + std::string(option.name);
  if (option.value_count() > 0) text += ' ' + std::string(option.placeholders);
  return text;
}

std::string option_lines(const std::vector<Option>& options) {
  std::string text;
  for (const Option& option : options) text += "  " + padded(option_words(option), 26) + ' ' + option.help + '\n';
  return text;
}

std::string indented(std::string_view lines) {
  std::string text;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    text += "  " + std::string(lines.substr(0, end)) + '\n';
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return text;
}

// For roff: a backslash is \e, and no line may begin with a dot or a quote by chance.
std::string roff(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    line_begins = c == '\n';
  }
  return out;
}

constexpr char kStatus[] =
    "0: done. 1: not found, a check that found something, lines that are bad, or a\n"
    "condition that does not hold. 2: a usage or store error, with what to do.\n"
    "130: stopped by a signal, with work left that can go on.\n";

constexpr char kBytes[] =
    "A KEY or VALUE is its own bytes; @FILE: a file's; -: stdin's; @@x: the text @x.\n"
    "With --hex or --base64 it is written so. Bytes that are no text are shown as\n"
    "\\xNN; with --json as key_base64 and value_base64.\n";

}  // namespace

std::string overview() {
  std::string text =
      "Ingot keeps an application's data in a directory, or a bucket: no server, nothing to run.\n\n"
      "  ingot [-s STORE] VERB [ARGUMENTS] [--json]\n\n"
      "The store is a directory, or s3://bucket/prefix: -s STORE, or INGOT_STORE. A first write makes it.\n"
      "In it are spaces, and in a space keys with values, in the order of their bytes.\n\n"
      "  export INGOT_STORE=./data\n"
      "  ingot put users 42 '{\"name\": \"Ada\"}'\n"
      "  ingot get users 42\n"
      "  ingot scan users --prefix 4 --limit 10\n"
      "  ingot import packages available.txt --format control --key Package\n\n"
      "Verbs (ingot VERB --help says more):\n";
  for (const Verb& verb : verbs()) text += "  " + padded(verb.name, 12) + verb.summary + '\n';
  text += "\nOptions of every verb, before or after it:\n" + option_lines(common_options());
  text += "\nKeys and values:\n" + indented(kBytes);
  text += "\nExit status:\n" + indented(kStatus);
  return text;
}

std::string verb_help(const Verb& verb) {
  std::string text = std::string("ingot ") + verb.name + ' ' + verb.arguments + "\n\n" + verb.summary + ".\n";
  if (*verb.text != '\0') text += std::string("\n") + verb.text;
  if (!verb.options.empty()) text += "\nOptions:\n" + option_lines(verb.options);
  text += "\nOptions of every verb:\n" + option_lines(common_options());
  if (*verb.examples != '\0') text += "\nExamples:\n" + indented(verb.examples);
  return text;
}

std::string manual_page() {
  std::string text = ".TH INGOT 1 \"\" \"Ingot " + std::string(release()) +
                     "\"\n.SH NAME\ningot \\- an application's data in a directory or a bucket\n";
  text += ".SH SYNOPSIS\n.B ingot\n[\\-s\\ STORE] VERB [ARGUMENTS] [\\-\\-json]\n";
  text +=
      ".SH DESCRIPTION\nThe store is a directory or s3://bucket/prefix, given with \\-s or in INGOT_STORE. In it are "
      "spaces, and in a space\n"
      "keys with values, in the order of their bytes. Everything written to stdout is data.\n.PP\n";
  text += roff(kBytes) + ".SH VERBS\n";
  for (const Verb& verb : verbs()) {
    text += ".SS \"" + roff(std::string(verb.name) + ' ' + verb.arguments) + "\"\n" + roff(verb.summary) + ".\n";
    if (*verb.text != '\0') text += ".PP\n.nf\n" + roff(verb.text) + ".fi\n";
    for (const Option& option : verb.options) {
      text += ".TP\n.B " + roff("--" + std::string(option.name) + ' ' + option.placeholders) + '\n' +
              roff(option.help) + ".\n";
    }
    if (*verb.examples != '\0') text += ".PP\n.nf\n" + roff(indented(verb.examples)) + ".fi\n";
  }
  text += ".SH OPTIONS\n";
  for (const Option& option : common_options()) {
    text += ".TP\n.B " + roff("--" + std::string(option.name) + ' ' + option.placeholders) + '\n' + roff(option.help) +
            ".\n";
  }
  return text + ".SH EXIT STATUS\n" + roff(kStatus) +
         ".SH ENVIRONMENT\n.TP\n.B INGOT_STORE\nThe store, where \\-s gives none.\n";
}

Exit run_manual(Context& context) {
  context.output.write(manual_page());
  return Exit::done;
}

Exit run_help(Context& context) {
  if (context.argument_count() == 0) {
    context.output.write(overview());
    return Exit::done;
  }
  const Verb* verb = find_verb(context.argument(0));
  if (verb == nullptr) {
    std::vector<std::string> names;
    for (const Verb& each : verbs()) names.emplace_back(each.name);
    throw UsageError("There is no verb " + context.argument(0) + "." + did_you_mean(context.argument(0), names));
  }
  context.output.write(verb_help(*verb));
  return Exit::done;
}

}  // namespace ingot::cli
