// Shell completion, from the table of verbs. Spaces are completed with what `ingot spaces` says of the store.
#include <string_view>

#include "cli/help.h"

namespace ingot::cli {
namespace {

// Whether the verb's first argument is a space's name.
bool takes_space(const Verb& verb) {
  const std::string_view arguments(verb.arguments);
  return arguments.substr(0, 5) == "SPACE" || arguments.substr(0, 6) == "[SPACE";
}

std::string option_list(const std::vector<Option>& options) {
  std::string text;
  for (const Option& option : options) text += (text.empty() ? "--" : " --") + std::string(option.name);
  return text;
}

std::string verb_list() {
  std::string text;
  for (const Verb& verb : verbs()) text += (text.empty() ? "" : " ") + std::string(verb.name);
  return text;
}

std::string bash_script() {
  std::string text =
      "# Completion of ingot's command line for bash.\n"
      "_ingot() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  local verb= store= arguments=0 i\n"
      "  COMPREPLY=()\n"
      "  if [[ $before == -s || $before == --store ]]; then\n"
      "    compopt -o filenames 2>/dev/null\n"
      "    COMPREPLY=($(compgen -d -- \"$word\"))\n"
      "    return\n"
      "  fi\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case ${COMP_WORDS[i]} in\n"
      "      -s|--store) ((i++)); store=${COMP_WORDS[i]} ;;\n"
      "      -*) ;;\n"
      "      *) if [[ -z $verb ]]; then verb=${COMP_WORDS[i]}; else ((arguments++)); fi ;;\n"
      "    esac\n"
      "  done\n"
      "  local options=\"" +
      option_list(common_options()) +
      "\" space=\n"
      "  case $verb in\n"
      "    '') COMPREPLY=($(compgen -W \"" +
      verb_list() + " $options\" -- \"$word\")); return ;;\n";
  for (const Verb& verb : verbs()) {
    text += "    " + std::string(verb.name) + ") options+=\" " + option_list(verb.options) + '"';
    if (takes_space(verb)) text += "; space=yes";
    text += " ;;\n";
  }
  text +=
      "  esac\n"
      "  if [[ $before == --format ]]; then\n"
      "    COMPREPLY=($(compgen -W \"jsonl tsv csv control export\" -- \"$word\"))\n"
      "  elif [[ $verb == help ]]; then\n"
      "    COMPREPLY=($(compgen -W \"" +
      verb_list() +
      "\" -- \"$word\"))\n"
      "  elif [[ $verb == completion ]]; then\n"
      "    COMPREPLY=($(compgen -W \"bash zsh fish\" -- \"$word\"))\n"
      "  elif [[ $word == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
      "  elif [[ -n $space && $arguments -eq 0 ]]; then\n"
      "    local IFS=$'\\n'\n"
      "    COMPREPLY=($(compgen -W \"$(INGOT_STORE=${store:-$INGOT_STORE} \"${COMP_WORDS[0]}\" spaces 2>/dev/null)\" "
      "-- \"$word\"))\n"
      "  else\n"
      "    compopt -o filenames 2>/dev/null\n"
      "    COMPREPLY=($(compgen -f -- \"$word\"))\n"
      "  fi\n"
      "}\n"
      "complete -F _ingot ingot\n";
  return text;
}

// zsh runs bash's completions itself.
std::string zsh_script() {
  return "#compdef ingot\nautoload -U +X bashcompinit && bashcompinit\n" + bash_script();
}

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + '\'';
}

std::string fish_script() {
  std::string text = "# Completion of ingot's command line for fish.\n";
  for (const Option& option : common_options()) {
    text += "complete -c ingot -l " + std::string(option.name);
    if (option.letter != 0) text += std::string(" -s ") + option.letter;
    if (option.value_count() > 0) text += " -r";
    text += " -d " + quoted(option.help) + '\n';
  }
  for (const Verb& verb : verbs()) {
    text += "complete -c ingot -f -n __fish_use_subcommand -a " + std::string(verb.name) + " -d " +
            quoted(verb.summary) + '\n';
    const std::string seen = " -n '__fish_seen_subcommand_from " + std::string(verb.name) + "'";
    for (const Option& option : verb.options) {
      text += "complete -c ingot" + seen + " -l " + option.name + (option.value_count() > 0 ? " -r" : "") + " -d " +
              quoted(option.help) + '\n';
    }
    if (takes_space(verb)) text += "complete -c ingot" + seen + " -a '(ingot spaces 2>/dev/null)'\n";
  }
  return text;
}

}  // namespace

std::string completion_script(const std::string& shell) {
  if (shell == "bash") return bash_script();
  if (shell == "zsh") return zsh_script();
  if (shell == "fish") return fish_script();
  throw UsageError("Completion is made for bash, zsh and fish, not for " + shell + '.');
}

Exit run_completion(Context& context) {
  context.output.write(completion_script(context.argument(0)));
  return Exit::done;
}

}  // namespace ingot::cli
