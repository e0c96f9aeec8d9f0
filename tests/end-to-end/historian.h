// A process that reads and writes a store at random, and records what it saw and was told for the checker; and what the
// checker needs of the store at the end.
//
// The role "historian": STORE NUMBER FILE SEED [DEADLINE in ms]. Two threads, each with a file of its own (FILE.0,
// FILE.1). It says "open MICROS REQUESTS" when the store is open; if anything is thrown it says so and ends. When its
// input ends it closes the store, and ends. Its threads are called "opening" and "historian".
//
// In a bucket some snapshots are fresh, and others not; while the bucket is away it goes on trying. It says "undecided,
// kept" or "undecided, not kept" of a commit that it had to ask about.
#pragma once

#include <string>
#include <vector>

#include "ingot/ingot.h"
#include "support/history.h"

namespace ingot::testing {

inline constexpr const char* kHistorianThread = "historian";
inline constexpr const char* kOpeningThread = "opening";
inline constexpr int kHistorianThreads = 2;

// On the clock that all histories use.
std::int64_t history_nanos();
std::string history_file(const std::string& file, int thread);
// All that historians wrote, of one version.
history::FinalState final_state(const Store& store);
// A whole reading of it, as a transaction of the history: of a copy that was begun and ended then.
history::Transaction as_reading(const history::FinalState& state, std::uint64_t id, std::int64_t invoked,
                                std::int64_t returned);
// What is wrong with the large values, which are not in the history; empty: nothing.
std::string ballast_trouble(const Store& store);

}  // namespace ingot::testing
