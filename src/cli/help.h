// Help, the manual page and shell completion: three views of the table of verbs.
#pragma once

#include <string>

#include "cli/verb.h"

namespace ingot::cli {

std::string overview();
std::string verb_help(const Verb& verb);
/// ingot(1), for man.
std::string manual_page();
/// throws UsageError: a shell that is not bash, zsh or fish
std::string completion_script(const std::string& shell);

}  // namespace ingot::cli
