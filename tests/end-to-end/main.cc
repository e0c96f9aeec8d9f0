// The end-to-end tests; and, started with --child, one of their processes.
#include <gtest/gtest.h>

#include <csignal>
#include <optional>

#include "child.h"

int main(int count, char** arguments) {
  if (const std::optional<int> status = ingot::testing::run_as_child(count, arguments)) return *status;
  std::signal(SIGPIPE, SIG_IGN);
  ::testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
