#include "counted.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace ingot::testing {

std::string number_of(const std::string& line) {
  return line.substr(0, line.find(' '));
}

std::uint64_t last_said(Child& child, std::uint64_t before) {
  for (const std::string& line : child.last_lines()) {
    EXPECT_NE(line.substr(0, 5), "error") << line;
    before = std::max<std::uint64_t>(before, std::strtoull(line.c_str(), nullptr, 10));
  }
  return before;
}

void expect_counted(Reader store, const std::string& name, std::uint64_t acknowledged) {
  std::uint64_t count = 0;
  while (const auto value = kThings.get(store, name + "/" + std::to_string(count + 1))) {
    EXPECT_EQ(value->view(), std::to_string(count + 1));
    ++count;
  }
  EXPECT_GE(count, acknowledged) << "acknowledged commits are lost";
  EXPECT_LE(count, acknowledged + 1) << "more than one commit was under way";
  const std::optional<Value> last = kThings.get(store, name + "/last");
  EXPECT_EQ(last ? last->str() : "0", std::to_string(count)) << "half a transaction is there";
}

}  // namespace ingot::testing
