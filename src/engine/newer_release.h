// What a newer release wrote is refused with its own code, whichever layer met it: the reader of the log, a run, an
// edit. They say so in a sentence; this is the part of it that all of them have.
#pragma once

#include <string>
#include <string_view>

#include "ingot/error.h"

namespace ingot::engine {

inline constexpr std::string_view kNewerRelease = "written by a newer release";

inline bool is_of_newer_release(const std::string& why) {
  return why.find(kNewerRelease) != std::string::npos;
}

inline Error newer_release(const std::string& where, const std::string& why) {
  return {ErrorCode::newer_format, where + ": " + why + ". Use that release or a later one; nothing was changed."};
}

}  // namespace ingot::engine
