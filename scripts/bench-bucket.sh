#!/usr/bin/env bash
# Measures a store in a bucket on this machine: against Ceph's RADOS Gateway, and against the tests' own server, which
# takes 60 ms for each request as S3 does. What is measured: docs/s3.md. Everything that is read is checked.
#
#   scripts/bench-bucket.sh                            everything: about 15 minutes after the first build
#   scripts/bench-bucket.sh --quick                    about four minutes, rougher
#   scripts/bench-bucket.sh --only commit,recovery     put, commit, throughput, open, read, recovery
#   scripts/bench-bucket.sh --processes 1,4            of the figure `commit` (default: 1,2,8)
#   scripts/bench-bucket.sh --json bucket.json         everything also into a file
#   scripts/bench-bucket.sh --servers fake             only one of: ceph, fake
#   scripts/bench-bucket.sh --latency 20               of the tests' server, in milliseconds, for each request
#   scripts/bench-bucket.sh --endpoint URL --bucket B  another server ("aws": Amazon's), credentials and region from the
#                                                      environment as for any S3 tool. The bucket must exist; what is
#                                                      made there lies below bench-…/, and stays
#   scripts/bench-bucket.sh --build-only               builds, runs nothing
#
# Servers listen on 127.0.0.1 only, keep everything in memory, and end with this script, however it ends. Ceph is
# installed from Debian if it is missing (as root); without it, it is left out, and that is said.
#   JOBS      how many compilers at once (default: all cores)
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
build=${INGOT_BENCH_BUILD:-$here/build-bench}
jobs=${JOBS:-$(nproc)}
servers=ceph,fake latency=60 endpoint='' bucket='' build_only=no
arguments=()

say() { echo "bench-bucket.sh: $*" >&2; }

while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) sed -n '2,22s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --servers) servers=${2:?--servers needs names}; shift 2 ;;
    --latency) latency=${2:?--latency needs milliseconds}; shift 2 ;;
    --endpoint) endpoint=${2:?--endpoint needs a URL, or aws}; shift 2 ;;
    --bucket) bucket=${2:?--bucket needs a name}; shift 2 ;;
    --build-only) build_only=yes; shift ;;
    --only | --processes | --json) arguments+=("$1" "${2:?$1 needs a value}"); shift 2 ;;
    --quick) arguments+=("$1"); shift ;;
    *) say "there is no option $1; see --help"; exit 2 ;;
  esac
done
case ",$servers," in *[!a-z,]* | ,,) say "--servers: ceph, fake, or both with a comma"; exit 2 ;; esac
[ -z "$endpoint" ] || [ -n "$bucket" ] || { say "--endpoint needs --bucket"; exit 2; }

"$here/scripts/install-dependencies.sh" bench
scratch=$(mktemp -d)
fake=''
cleanup() {
  if [ -n "$fake" ]; then kill "$fake" 2>/dev/null || true; fi
  if [ -d "$scratch/ceph" ]; then "$here/scripts/ceph.sh" stop "$scratch/ceph" || true; fi
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

cmake -G Ninja -S "$here" -B "$build" -DCMAKE_BUILD_TYPE=Release -DINGOT_BENCH=ON -DINGOT_TESTS=OFF -DINGOT_DEMO=OFF \
  >"$scratch/cmake.log" 2>&1 || { cat "$scratch/cmake.log" >&2; exit 2; }
ninja -j "$jobs" -C "$build" ingot-bench-bucket ingot-fake-s3 >"$scratch/ninja.log" 2>&1 ||
  { tail -n 40 "$scratch/ninja.log" >&2; exit 2; }
[ "$build_only" = no ] || exit 0

options=()
start_ceph() {
  command -v radosgw >/dev/null || "$here/scripts/install-dependencies.sh" ceph || return 1
  "$here/scripts/ceph.sh" start "$scratch/ceph" --while $$ >/dev/null || return 1
  eval "$("$here/scripts/ceph.sh" env "$scratch/ceph")"
  # The variable is for the programs that are told nothing else.
  local where=$AWS_ENDPOINT_URL_S3
  unset AWS_ENDPOINT_URL_S3
  curl -sS -f -o /dev/null -X PUT --aws-sigv4 "aws:amz:$AWS_REGION:s3" -u "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
    -H "x-amz-content-sha256: UNSIGNED-PAYLOAD" \
    "$where/bucket" || return 1
  options+=(--server "ceph=$where")
}
start_fake() {
  "$build/tests/support/fake_s3/ingot-fake-s3" --profile aws --latency "$latency" --access-key "$AWS_ACCESS_KEY_ID" \
    --secret-key "$AWS_SECRET_ACCESS_KEY" --region "$AWS_REGION" --port-file "$scratch/port" </dev/null >/dev/null &
  fake=$!
  local i
  for ((i = 0; i < 200; i++)); do
    [ ! -e "$scratch/port" ] || break
    sleep 0.05
  done
  [ -e "$scratch/port" ] || { say "the tests' server did not start"; return 1; }
  options+=(--server "$latency-ms=http://127.0.0.1:$(cat "$scratch/port")")
}

if [ -n "$endpoint" ]; then
  options+=(--server "s3=$endpoint,$bucket")
else
  # Both servers have the same credentials, so one process measures both.
  export AWS_ACCESS_KEY_ID=ingottest AWS_SECRET_ACCESS_KEY=ingottestsecret AWS_REGION=us-east-1
  unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3
  case ",$servers," in *,ceph,*) start_ceph || say "WARNING: no Ceph here, so its column is missing" ;; esac
  case ",$servers," in *,fake,*) start_fake ;; esac
  [ "${#options[@]}" -gt 0 ] || { say "there is nothing to measure"; exit 2; }
fi
"$build/bench/bucket/ingot-bench-bucket" "${options[@]}" "${arguments[@]}"
