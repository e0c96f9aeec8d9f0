// A store of more than a hundred small run files, for tests of the command that copies it.
#pragma once

#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <map>
#include <random>
#include <string>

#include "bucket_place.h"
#include "child.h"
#include "ingot/ingot.h"

namespace ingot::testing {

inline constexpr int kCopiedRecords = 1500;

inline void make_copied_store(const std::string& where) {
  Child maker("obey", {where, "process", "run_bytes=6000"});
  EXPECT_EQ(maker.line(), "open");
  std::mt19937_64 random(7);
  for (int i = 0; i < kCopiedRecords; ++i) {
    std::string value = "put k" + std::to_string(i) + " ";
    while (value.size() < 600) value += std::to_string(random());
    EXPECT_EQ(maker.ask(value), "done");
  }
  EXPECT_EQ(maker.ask("settle"), "done");
  maker.close_input();
  EXPECT_EQ(maker.wait(), 0);
}

inline std::map<std::string, std::string> copied_records(const std::string& where) {
  const Store store = open(where, {.read_only = true});
  std::map<std::string, std::string> all;
  for (Scan scan = Space("things").scan(store); scan.next();) all[std::string(scan.key())] = scan.value();
  return all;
}

// What `ingot copy --json` came to.
struct CopySaid {
  int status = 0;
  std::string line;
  std::uint64_t found = 0;
};
inline CopySaid end_of_copy(Child& child) {
  CopySaid said;
  for (const std::string& line : child.last_lines()) said.line += line;
  said.status = child.wait();
  const std::size_t at = said.line.find("\"found\":");
  if (at != std::string::npos) said.found = std::stoull(said.line.substr(at + 8));
  return said;
}

// Copies by the command. Killed when `arrived` says that there is as much as wanted; or it ends before.
inline CopySaid copy_by_command(const std::string& from, const std::string& to,
                                const std::function<bool()>& arrived = {}) {
  Child child = Child::program({INGOT_COMMAND, "copy", from, to, "--json"});
  if (arrived) {
    EXPECT_TRUE(eventually(arrived));
    child.signal(SIGKILL);
  }
  return end_of_copy(child);
}

}  // namespace ingot::testing
