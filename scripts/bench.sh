#!/usr/bin/env bash
# Measures Ingot and its peers (RocksDB, LevelDB, LMDB, SQLite) on this machine. docs/benchmarks.md explains the rows.
#
#   scripts/bench.sh                                  everything, once: about six minutes after the first build
#   scripts/bench.sh --quick                          about a minute, rougher
#   scripts/bench.sh --rounds 5 --json bench.json     medians of five, everything also into a file
#   scripts/bench.sh --workloads 'get*,scan*' --engines ingot,lmdb
#   scripts/bench.sh --list                           engines and rows
#   scripts/bench.sh --build-only                     builds, runs nothing
#
# Debian compiles RocksDB and LevelDB with assertions, so release builds of both are made from Debian's source packages,
# once, in ${XDG_CACHE_HOME:-~/.cache}/ingot-bench (RocksDB: some minutes on two cores). Remove a directory there
# to have it made again. Where that can't be done the system's libraries are used, and the report says so.
#   JOBS      how many compilers at once (default: all cores)
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ingot-bench
build=${INGOT_BENCH_BUILD:-$here/build-bench}
jobs=${JOBS:-$(nproc)}

say() { echo "bench.sh: $*" >&2; }

case "${1:-}" in
  -h | --help) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac

"$here/scripts/install-dependencies.sh" bench

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
apt_options=()

# apt with this machine's own archives, as sources of source packages, and nothing of its state changed.
prepare_apt() {
  [ "${#apt_options[@]}" -eq 0 ] || return 0
  command -v apt-get >/dev/null && command -v dpkg-source >/dev/null || return 1
  mkdir -p "$scratch"/{parts,lists/partial,cache/archives/partial}
  local file
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -e "$file" ] || continue
    grep -qi 'debian\|ubuntu' "$file" && sed 's/^Types:.*/Types: deb-src/' "$file" >"$scratch/parts/${file##*/}"
  done
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -e "$file" ] || continue
    sed -n 's/^deb /deb-src /p' "$file" | { grep -i 'debian\|ubuntu' || true; } >>"$scratch/parts/machine.list"
  done
  apt_options=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$scratch/parts"
    -o "Dir::State::lists=$scratch/lists" -o "Dir::Cache=$scratch/cache")
  [ "$(id -u)" != 0 ] || apt_options+=(-o APT::Sandbox::User=root)
  apt-get -qq "${apt_options[@]}" update >"$scratch/update.log" 2>&1 || { tail -n 3 "$scratch/update.log" >&2; return 1; }
}

# release_build NAME LIBRARIES CMAKE-OPTION…: lib<NAME>.a, include/ and build.txt in $cache/NAME.
release_build() {
  local name=$1 libraries=$2 work version
  shift 2
  [ -e "$cache/$name/build.txt" ] && return 0
  say "building $name for release, once (log: $cache/$name.log)"
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/$name.XXXXXX")
  if prepare_apt && make_release "$name" "$work" "$@" >"$cache/$name.log" 2>&1; then
    version=$(basename "$work"/*.dsc .dsc)
    mkdir "$work/done"
    cp -r "$work/source/include" "$work/build/lib$name.a" "$work/done/"
    printf 'release build of the source package %s, -O2 -DNDEBUG\nlibraries: %s\n' "$version" "$libraries" \
      >"$work/done/build.txt"
    rm -rf "${cache:?}/$name" && mv "$work/done" "$cache/$name"
    rm -rf "$work"
  else
    rm -rf "$work"
    say "WARNING: no release build of $name. The system's library, if there is one, is used instead: on Debian it has"
    say "WARNING: assertions compiled in and is slower than it could be. Needed: deb packages dpkg-dev, cmake, g++."
    return 1
  fi
}

make_release() {
  local name=$1 work=$2
  shift 2
  (cd "$work" && apt-get "${apt_options[@]}" source --download-only "$name" && dpkg-source -x ./*.dsc source) || return 1
  cmake -G Ninja -S "$work/source" -B "$work/build" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" -DCMAKE_C_FLAGS_RELEASE="-O2 -DNDEBUG" "$@" || return 1
  nice ninja -j "$jobs" -C "$work/build" "lib$name.a"
}

peers=()
# Unity: RocksDB is fit for it (its Makefile has a target), and it takes a third of the time.
if release_build rocksdb "-llz4 -lzstd" -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=12 -DUSE_RTTI=ON \
  -DROCKSDB_BUILD_SHARED=OFF -DWITH_TESTS=OFF -DWITH_ALL_TESTS=OFF -DWITH_TOOLS=OFF -DWITH_BENCHMARK_TOOLS=OFF \
  -DWITH_CORE_TOOLS=OFF -DWITH_TRACE_TOOLS=OFF -DWITH_GFLAGS=OFF -DWITH_LIBURING=OFF -DWITH_SNAPPY=OFF \
  -DWITH_LZ4=ON -DWITH_ZSTD=ON -DPORTABLE=ON -DFORCE_SSE42="$([ "$(uname -m)" = x86_64 ] && echo ON || echo OFF)" \
  -DFAIL_ON_WARNINGS=OFF; then
  peers+=("-DINGOT_BENCH_ROCKSDB_DIR=$cache/rocksdb")
fi
leveldb_libraries=
[ ! -e /usr/include/snappy.h ] || leveldb_libraries="-lsnappy"
if release_build leveldb "$leveldb_libraries" -DBUILD_SHARED_LIBS=OFF -DLEVELDB_BUILD_TESTS=OFF \
  -DLEVELDB_BUILD_BENCHMARKS=OFF; then
  peers+=("-DINGOT_BENCH_LEVELDB_DIR=$cache/leveldb")
fi

cmake -G Ninja -S "$here" -B "$build" -DCMAKE_BUILD_TYPE=Release -DINGOT_BENCH=ON -DINGOT_TESTS=OFF -DINGOT_DEMO=OFF \
  "${peers[@]}" >"$scratch/cmake.log" 2>&1 || { cat "$scratch/cmake.log" >&2; exit 2; }
grep -A2 'ingot-bench:' "$scratch/cmake.log" >&2 || true
ninja -j "$jobs" -C "$build" ingot-bench >"$scratch/ninja.log" 2>&1 || { tail -n 40 "$scratch/ninja.log" >&2; exit 2; }

[ "${1:-}" != --build-only ] || exit 0
rm -rf "$scratch"
exec "$build/bench/ingot-bench" "$@"
