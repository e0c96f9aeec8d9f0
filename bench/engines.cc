// The engines that this program was built with.
#include "engines.h"

namespace bench {

const std::vector<EngineKind>& engine_kinds() {
  static const std::vector<EngineKind> kinds = [] {
    std::vector<EngineKind> built;
    built.push_back(ingot_kind());
#ifdef INGOT_BENCH_ROCKSDB
    built.push_back(rocksdb_kind());
#endif
#ifdef INGOT_BENCH_LEVELDB
    built.push_back(leveldb_kind());
#endif
#ifdef INGOT_BENCH_LMDB
    built.push_back(lmdb_kind());
#endif
#ifdef INGOT_BENCH_SQLITE
    built.push_back(sqlite_kind());
#endif
    return built;
  }();
  return kinds;
}

}  // namespace bench
