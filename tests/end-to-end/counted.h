// What a child in the role "count_up" has said, and what must be in the store then.
#pragma once

#include <cstdint>
#include <string>

#include "child.h"
#include "ingot/ingot.h"

namespace ingot::testing {

// Where the roles of roles.cc write.
inline const Space kThings("things");

// Of "17 120": "17".
std::string number_of(const std::string& line);

// The last number that `child` said, of the lines that it said before it died; if it said none: `before`.
std::uint64_t last_said(Child& child, std::uint64_t before);

// Everything up to `acknowledged` is there; at most one more; and the row "last", of the same transactions, agrees.
void expect_counted(Reader store, const std::string& name, std::uint64_t acknowledged);

}  // namespace ingot::testing
