// What the tests of copies share: records with all that is known of them, and copies that can be interrupted.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "engine/copy.h"
#include "engine/damaged_store.h"

namespace ingot::engine {

struct Full {
  std::string value;
  Version version;
  std::int64_t expires;
  friend bool operator==(const Full&, const Full&) = default;
};
using AllOf = std::map<std::string, Full>;

inline AllOf all_of(const Opened& engine) {
  engine->refresh(true);
  const HeldView held = engine->hold();
  AllOf all;
  MergedView view(held.state, held.version, held.time_micros, {}, {}, ScanUse::lookup);
  for (bool more = view.first(); more; more = view.next())
    all[std::string(view.key())] = {std::string(view.seen().value), view.seen().version, view.seen().expires_micros};
  EXPECT_FALSE(view.failed()) << view.why();
  return all;
}

struct Interrupted {};

// Copies, until `interrupts` says so.
inline CopyFigures copy_into(const Opened& engine, CopyTarget& target,
                             const std::function<bool(const CopyFigures&)>& interrupts = {}) {
  CopyFigures last;
  copy_store(*engine, target, [&](const CopyFigures& figures) {
    last = figures;
    if (interrupts && interrupts(figures)) throw Interrupted();
  });
  return last;
}

}  // namespace ingot::engine
