/// The whole public API.
#pragma once

#include "ingot/error.h"    // IWYU pragma: export
#include "ingot/key.h"      // IWYU pragma: export
#include "ingot/limits.h"   // IWYU pragma: export
#include "ingot/options.h"  // IWYU pragma: export
#include "ingot/space.h"    // IWYU pragma: export
#include "ingot/status.h"   // IWYU pragma: export
#include "ingot/store.h"    // IWYU pragma: export
#include "ingot/value.h"    // IWYU pragma: export
#include "ingot/version.h"  // IWYU pragma: export
