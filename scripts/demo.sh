#!/usr/bin/env bash
# The demo: imports this machine's catalogue of Debian packages, then lets several processes read and update it while
# one of them is killed with kill -9 again and again, and shows that nothing is lost. Under two minutes after the build.
#
#   scripts/demo.sh [--seconds N] [--sellers N] [--keep] [DIRECTORY]
#
#   --seconds N   how long the crowd works (25)
#   --sellers N   how many processes sell (4); one more inspects
#   --keep        leave the store behind, and say where
#   DIRECTORY     where the store is made; it must not exist yet. Without it: a temporary one, removed at the end
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*"; }
fail() { printf 'demo.sh: %s\n' "$*" >&2; exit 2; }

seconds=25 sellers=4 keep=no directory=
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) seconds=${2:?--seconds needs a number}; shift 2 ;;
    --sellers) sellers=${2:?--sellers needs a number}; shift 2 ;;
    --keep) keep=yes; shift ;;
    -h|--help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) fail "unknown option $1 (see --help)" ;;
    *) [ -z "$directory" ] || fail "one directory is enough (see --help)"; directory=$1; shift ;;
  esac
done

command -v apt-cache >/dev/null ||
  fail "this needs the package catalogue of a Debian or Ubuntu machine (apt-cache), and there is none here."

# A directory of its own, which goes when this script does, however it ends.
work=$(mktemp -d "${TMPDIR:-/tmp}/ingot-demo.XXXXXX")
child=
tidy() {
  status=$?
  trap - EXIT INT TERM HUP
  if [ -n "$child" ] && kill -0 "$child" 2>/dev/null; then
    kill -TERM "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  fi
  rm -rf "$work"
  exit "$status"
}
trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

store=${directory:-$work/store}
if [ -n "$directory" ]; then
  [ ! -e "$directory" ] || fail "$directory is there already. Name a directory that does not exist yet."
  keep=yes
elif [ "$keep" = yes ]; then
  store=$(mktemp -d "${TMPDIR:-/tmp}/ingot-demo-store.XXXXXX")/store
fi

# Runs a command in the background and waits, so that a signal ends both at once.
run() {
  "$@" &
  child=$!
  local result=0
  wait "$child" || result=$?
  child=
  return "$result"
}
now() { date +%s%N; }
spent() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", (b - a) / 1e9 }'; }

say "== Building"
scripts/install-dependencies.sh build
build=build/demo
log=$work/build.log
begun=$(now)
# In the foreground, so that Ctrl-C reaches the compilers too.
{ cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DINGOT_TESTS=OFF && cmake --build "$build"; } >"$log" 2>&1 ||
  { tail -n 40 "$log" >&2; fail "the build failed"; }
say "built in $(spent "$begun") s"

say ""
say "== Importing the catalogue"
begun_all=$(now)
catalogue=$work/available.txt
apt-cache dumpavail >"$catalogue"
if [ "$(grep -c '^Package:' "$catalogue" || true)" -lt 1000 ]; then
  [ "$(id -u)" = 0 ] || fail "apt has no package lists here. As root: apt-get update"
  say "apt has no package lists yet: apt-get update"
  run apt-get -qq update || fail "apt-get update failed"
  apt-cache dumpavail >"$catalogue"
fi
count=$(grep -c '^Package:' "$catalogue" || true)
[ "$count" -ge 2 ] || fail "apt-cache dumpavail gives no packages"
size=$(( $(stat -c %s "$catalogue") / 1048576 ))
say "\$ ingot import packages available.txt --format control --key Package"
begun=$(now)
run "$build/src/cli/ingot" -s "$store" import packages "$catalogue" --format control --key Package
took=$(spent "$begun")
say "$count records, $size MiB, in $took s: $(awk -v n="$count" -v s="$took" 'BEGIN { printf "%d", n / (s > 0 ? s : 0.1) }') records a second, on the disk"

say ""
say "== Killing"
result=0
run "$build/demo/ingot-demo" "$store" "$catalogue" "$seconds" "$sellers" || result=$?
[ "$result" -lt 2 ] && say "All of it took $(spent "$begun_all") s after the build."
if [ "$keep" = yes ]; then
  say "The store is in $store; for instance: $build/src/cli/ingot -s $store scan audit --limit 3 --json"
fi
exit "$result"
