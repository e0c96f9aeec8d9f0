#!/usr/bin/env bash
# Installs what is missing of what Ingot needs, on Debian or Ubuntu.
#
#   scripts/install-dependencies.sh build    to build the library and the command
#   scripts/install-dependencies.sh test     also to run all tests
#   scripts/install-dependencies.sh bench    to build the library, and what it is compared with
#   scripts/install-dependencies.sh ceph     an S3 server to test against: see scripts/ceph.sh
set -euo pipefail

build=(g++ cmake ninja-build pkg-config git ca-certificates libxxhash-dev liblz4-dev libzstd-dev
       libcurl4-openssl-dev libssl-dev libcli11-dev nlohmann-json3-dev)
test=(libgtest-dev libgmock-dev clang clang-format clang-tidy libclang-rt-14-dev python3 procps)
bench=(liblmdb-dev libsqlite3-dev libsnappy-dev dpkg-dev)
ceph=(radosgw ceph-mon ceph-osd curl)

case "${1:-}" in
  build) packages=("${build[@]}") ;;
  test) packages=("${build[@]}" "${test[@]}") ;;
  bench) packages=("${build[@]}" "${bench[@]}") ;;
  ceph) packages=("${ceph[@]}") ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
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
policy=/usr/sbin/policy-rc.d made_policy=no
cleanup() {
  rm -f "$log"
  if [ "$made_policy" = yes ]; then "${as_root[@]}" rm -f "$policy"; fi
}
trap cleanup EXIT
# Debian starts the services that a package brings, unless this program says 101. Ours are started by scripts/ceph.sh.
if [ "$1" = ceph ] && [ ! -e "$policy" ]; then
  made_policy=yes
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
fi
{ "${as_root[@]}" apt-get -qq update && "${as_root[@]}" apt-get -qq install --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 ||
  { tail -n 20 "$log" >&2; echo "install-dependencies.sh: apt-get failed" >&2; exit 2; }
