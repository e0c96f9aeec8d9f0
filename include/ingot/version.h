/// The release that a program is compiled with, and the one it runs with.
#pragma once

#define INGOT_VERSION_STRING "0.0.1"

namespace ingot {

/// The library's release, as "0.0.1".
const char* release();

}  // namespace ingot
