#!/usr/bin/env bash
# Installs what is missing of what Ingot needs, on Debian or Ubuntu.
#
#   scripts/install-dependencies.sh build    to build the library and the command
#   scripts/install-dependencies.sh test     also to run all tests
#   scripts/install-dependencies.sh bench    to build the library, and what it is compared with
set -euo pipefail

build=(g++ cmake ninja-build pkg-config git ca-certificates libxxhash-dev liblz4-dev libzstd-dev
       libcurl4-openssl-dev libssl-dev libcli11-dev nlohmann-json3-dev)
test=(libgtest-dev libgmock-dev clang clang-format clang-tidy libclang-rt-14-dev python3 procps)
bench=(liblmdb-dev libsqlite3-dev libsnappy-dev dpkg-dev)

case "${1:-}" in
  build) packages=("${build[@]}") ;;
  test) packages=("${build[@]}" "${test[@]}") ;;
  bench) packages=("${build[@]}" "${bench[@]}") ;;
  *) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

command -v dpkg-query >/dev/null || { echo "install-dependencies.sh: no dpkg here; install these yourself: ${packages[*]}" >&2; exit 0; }

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "install-dependencies.sh: as root: apt-get install ${missing[*]}" >&2; exit 2; }
  as_root=(sudo)
fi
echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ "${as_root[@]}" apt-get -qq update && "${as_root[@]}" apt-get -qq install --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 ||
  { tail -n 20 "$log" >&2; echo "install-dependencies.sh: apt-get failed" >&2; exit 2; }
