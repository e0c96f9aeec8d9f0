#!/usr/bin/env bash
# Builds everything and runs all tests; installs what is missing. The last line says `N passed, M failed`.
#
#   scripts/test.sh             all of it: release, sanitizers, clang with fuzzing, style, simulator (about ten minutes on two cores)
#   scripts/test.sh --quick     the release build's tests only
#   scripts/test.sh --hours H   and after it H hours of simulator seeds, the large worlds of the bucket's model (nine minutes, 5 GiB), and
#                               H hours of kills (500 at least)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

quick=no hours=0
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) quick=yes; shift ;;
    --hours) hours=${2:?--hours needs a number}; shift 2 ;;
    -h|--help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "test.sh: unknown option $1 (see --help)" >&2; exit 2 ;;
  esac
done

scripts/install-dependencies.sh test
jobs=$(nproc)
logs=build/logs
mkdir -p "$logs"
passed=0 failed=0 summary=()

# note NAME PASSED FAILED SECONDS
note() {
  passed=$((passed + $2)) failed=$((failed + $3))
  summary+=("$(printf '%-28s %5d passed %3d failed %6d s' "$1" "$2" "$3" "$4")")
  printf '%s\n' "${summary[-1]}"
}

# check NAME COMMAND…: one check, passed or failed; its output is shown only if it failed
check() {
  local name=$1 begun=$SECONDS
  shift
  if "$@" >"$logs/$name.log" 2>&1; then
    note "$name" 1 0 $((SECONDS - begun))
  else
    tail -n 60 "$logs/$name.log"
    note "$name" 0 1 $((SECONDS - begun))
  fi
}

build() { cmake --preset "$1" && cmake --build "build/$1" -j "$jobs"; }

# suite PRESET [ctest arguments…]: builds it and runs its tests
suite() {
  local preset=$1 begun=$SECONDS log="$logs/$1-tests.log"
  shift
  if ! build "$preset" >"$logs/$preset-build.log" 2>&1; then
    grep -E 'error|FAILED' "$logs/$preset-build.log" | head -n 40 || true
    note "$preset build" 0 1 $((SECONDS - begun))
    return 0
  fi
  ctest --test-dir "build/$preset" -j "$jobs" --output-on-failure --no-tests=error "$@" >"$log" 2>&1 || true
  local line total bad
  line=$(grep -E '[0-9]+% tests passed, [0-9]+ tests failed out of [0-9]+' "$log" || true)
  total=$(sed -E 's/.*out of ([0-9]+).*/\1/' <<<"$line")
  bad=$(sed -E 's/.*passed, ([0-9]+) tests.*/\1/' <<<"$line")
  if [ -z "$total" ]; then total=1 bad=1; fi
  if [ "$bad" != 0 ]; then
    grep -nE '\*\*\*Failed|\*\*\*Timeout|Failure|FAILED|ERROR: |WARNING: ThreadSanitizer|runtime error|SUMMARY' "$log" | head -n 80 || true
    sed -n '/The following tests FAILED/,$p' "$log" | head -n 40
  fi
  note "$preset tests" $((total - bad)) "$bad" $((SECONDS - begun))
}

format_is_right() { git ls-files -z '*.h' '*.cc' | xargs -0 clang-format --dry-run -Werror; }
# Over the files that the clang build joins its sources in: each header is read a dozen times, not a hundred.
tidy_is_clean() {
  find build/debug -path '*/Unity/*' -name '*.cxx' -print0 | xargs -0 -P "$jobs" -n 1 clang-tidy --quiet -p build/debug 2>/dev/null
}
stands_alone() { ! git grep -nIE '\.\./shared|/work/' -- . ':!scripts/test.sh'; }
fuzz() {
  local target=$1 name=${1##*/}
  local corpus="fuzz/corpus/${name#fuzz_}" fresh
  fresh=$(mktemp -d)
  mkdir -p "$corpus"
  "$target" -max_total_time=5 -max_len=65536 -timeout=10 -print_final_stats=1 "$fresh" "$corpus"
  rm -rf "$fresh"
}

# Each probe of a rare branch in the code was reached by some test or seed.
probes_are_reached() {
  local missing
  git grep -hoE 'probe\("[^"]+"' -- src | sed 's/probe("//; s/"$//' | sort -u >"$logs/probes-all"
  sort -u "$INGOT_PROBES" >"$logs/probes-reached"
  missing=$(comm -23 "$logs/probes-all" "$logs/probes-reached")
  if [ -n "$missing" ]; then printf 'never reached: %s\n' "$missing"; fi
  [ -z "$missing" ]
}
# A seed does the same in every build: gcc for release, gcc with sanitizers, clang for debugging.
hashes() {
  local scenario
  for scenario in log bucket-log engine engine-bucket; do
    "build/$1/simulator/ingot-simulator" --scenario "$scenario" --first-seed 100 --seeds 20 --jobs "$jobs" --hashes 2>/dev/null |
      grep -E '^[0-9]+ [0-9a-f]{16}$' | sort -n | sed "s/^/$scenario /"
  done
}
traces_are_the_same() {
  hashes release >"$logs/hashes-release"
  [ "$(wc -l <"$logs/hashes-release")" = 80 ] || return 1
  for build in "$@"; do
    hashes "$build" >"$logs/hashes-$build"
    diff "$logs/hashes-release" "$logs/hashes-$build" || return 1
  done
}

# A real S3 server for the tests that want one; it is gone when this script is, however it ends.
stop_ceph() {
  scripts/ceph.sh stop "$ceph" >/dev/null 2>&1 || true
  rm -rf "$ceph"
}
ceph=$(mktemp -d)
trap stop_ceph EXIT
# A new one for each suite: it keeps all objects in memory.
start_ceph() {
  stop_ceph
  mkdir -p "$ceph"
  if { scripts/install-dependencies.sh ceph && scripts/ceph.sh start "$ceph" --while $$; } >"$logs/ceph.log" 2>&1; then
    eval "$(scripts/ceph.sh env "$ceph" | grep INGOT_TEST)"
  else
    tail -n 5 "$logs/ceph.log"
    summary+=("*** NOT TESTED against a real S3 server: Ceph could not be installed or started ($logs/ceph.log)")
    printf '%s\n' "${summary[-1]}"
  fi
}

export INGOT_PROBES="$PWD/$logs/probes"
rm -f "$INGOT_PROBES"
start_ceph
suite release
if [ -x build/release/simulator/ingot-simulator ]; then
  check simulator build/release/simulator/ingot-simulator --first-seed 1 --seeds 3000 --jobs "$jobs"
  grep -E '^(scenario|[0-9]+ passed)' "$logs/simulator.log" || true
fi
check probes probes_are_reached
unset INGOT_PROBES
if [ "$quick" = no ]; then
  export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
  start_ceph
  suite asan
  start_ceph
  TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1" suite tsan
  check clang build debug
  check traces traces_are_the_same asan debug
  for target in build/debug/fuzz/fuzz_*; do
    [ -f "$target" ] && [ -x "$target" ] && check "${target##*/}" fuzz "$target"
  done
  check format format_is_right
  check tidy tidy_is_clean
fi
check stands-alone stands_alone
if [ "$hours" != 0 ]; then
  check simulator-long build/release/simulator/ingot-simulator --first-seed 1000000 --hours "$hours" --jobs "$jobs"
  check model-long build/release/simulator/model/ingot-bucket-model --size large
  grep -E '^[a-z]+ +[0-9]+ states' "$logs/model-long.log" || true
  check kills-long env INGOT_TEST_HOURS="$hours" build/release/tests/test_end-to-end --gtest_filter='Kills.OfEveryKind*'
  sed -n '/^[0-9]* kills$/,/opens: /p' "$logs/kills-long.log"
fi

printf '\n%s\n' "${summary[@]}"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
