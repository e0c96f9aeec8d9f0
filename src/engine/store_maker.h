// Makes the public Store of an engine, for open() and for tests that open one on a directory of their own.
#pragma once

#include <memory>
#include <utility>

#include "engine/engine.h"
#include "ingot/store.h"

namespace ingot::engine {

struct StoreMaker {
  static Store make(std::shared_ptr<Engine> engine) { return Store(std::move(engine)); }
};

}  // namespace ingot::engine
