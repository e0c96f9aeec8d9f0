// The adapters, for engines.cc alone.
#pragma once

#include "engine.h"

namespace bench {

EngineKind ingot_kind();
EngineKind rocksdb_kind();
EngineKind leveldb_kind();
EngineKind lmdb_kind();
EngineKind sqlite_kind();

}  // namespace bench
