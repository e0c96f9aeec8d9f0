#!/usr/bin/env bash
# A throw-away S3 server on 127.0.0.1 to test against: Ceph's RADOS Gateway with one monitor and one OSD, no cephx. Needs
# neither root nor systemd. Everything lies in DIR; only processes that were started here are ever stopped.
#
#   scripts/ceph.sh install                       what it needs, from Debian (as root)
#   scripts/ceph.sh start DIR [PORT] [options]    returns when it answers signed requests; does nothing if it does already
#       --bluestore      objects are in a file and survive a stop; else in memory, and starting takes a second, not nine
#       --while PID      stops by itself when that process ends, however it ends
#       --for SECONDS    stops by itself after that long
#   scripts/ceph.sh stop DIR
#   scripts/ceph.sh status DIR                    exit status 0: all of it runs, and answers
#   scripts/ceph.sh env DIR                       for eval: how the tests, and S3 tools, find it
set -euo pipefail
self=$(readlink -f "${BASH_SOURCE[0]}")
access_key=ingottest secret_key=ingottestsecret region=us-east-1
store_gib=8
# A lone OSD that stands still for longer than its leases (a machine that is suspended, or has too much to do) never
# renews them, and all requests wait for ever. One that is begun again waits for the old ones to end, so only where it
# forgets.
long_leases='osd heartbeat grace = 86400'

die() { echo "ceph.sh: $*" >&2; exit 1; }

# --- processes: run/NAME.pid has the pid and when that process began, so that a pid that came round is nobody's -------

began() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
# alive NAME: whether it runs; its pid is then in $pid
alive() {
  local then state
  read -r pid then 2>/dev/null <"$dir/run/$1.pid" || return 1
  [ "$(began "$pid")" = "$then" ] || return 1
  state=$(sed -n 's/^State:\s*\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null)
  [ -n "$state" ] && [ "$state" != Z ]
}
launch() { # NAME COMMAND…
  local name=$1
  shift
  setsid "$@" </dev/null >>"$dir/log/$name.out" 2>&1 9>&- &
  echo "$! $(began $!)" >"$dir/run/$name.pid"
}
finish() { # NAME SIGNAL
  local i
  alive "$1" || { rm -f "$dir/run/$1.pid"; return 0; }
  kill "-$2" "$pid" 2>/dev/null || true
  for ((i = 0; i < 200; i++)); do
    alive "$1" || break
    sleep 0.05
  done
  if alive "$1"; then kill -KILL "$pid" 2>/dev/null || true; fi
  rm -f "$dir/run/$1.pid"
}

# --- the cluster ---------------------------------------------------------------------------------------------------

port() { cat "$dir/port"; }
answers() { # a signed request, which reads from the OSD
  curl -sf -o /dev/null --max-time 10 --aws-sigv4 "aws:amz:$region:s3" -u "$access_key:$secret_key" \
    -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "http://127.0.0.1:$(port)/"
}
in_use() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() {
  local candidate
  while :; do
    candidate=$((20000 + RANDOM % 12000))
    in_use "$candidate" || { echo "$candidate"; return; }
  done
}
fail() { # WHY: with what the processes said
  echo "ceph.sh: $1" >&2
  tail -n 15 "$dir"/log/*.out >&2 2>/dev/null || true
  take_down
  exit 1
}

# configure MONITOR_PORT STORE
configure() {
  cat <<END
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v2:127.0.0.1:$1]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
ms bind msgr1 = false
auth cluster required = none
auth service required = none
auth client required = none
# The gateway's default is secure, which there is only with cephx: it would ask for ever.
ms mon client mode = crc
admin socket =
pid file =
keyring = $dir/keyring
crash dir = $dir/log
log file = $dir/log/\$name.log
$(printf 'debug %s = 0/0\n' ms rgw mon osd paxos rocksdb bluestore bluefs bdev memstore objecter auth)
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
[mon]
mon data = $dir/mon
mon data avail crit = 1
mon data avail warn = 2
# The defaults wait a second before they agree with themselves.
paxos propose interval = 0.05
paxos min wait = 0.01
[osd]
osd data = $dir/osd
osd objectstore = $2
osd memory target = 939524096
osd op num shards = 2
osd op num threads per shard = 1
osd class load list = *
osd class default list = *
memstore device bytes = $((store_gib << 30))
bluestore block size = $((store_gib << 30))
bluestore block preallocate file = false
$(if [ "$2" = memstore ]; then echo "$long_leases"; fi)
[client]
rgw data = $dir/rgw
rgw frontends = beast endpoint=127.0.0.1:$(port) tcp_nodelay=1
rgw enable apis = s3, admin
rgw thread pool size = 32
rgw override bucket index max shards = 1
rgw dynamic resharding = false
rgw run sync thread = false
END
}

# A new, empty cluster. The first map already has the OSD, so nobody must ask the monitor for one.
make() { # STORE
  rm -rf "${dir:?}"/{mon,osd,rgw,made}
  mkdir -p "$dir"/{mon,osd,rgw}
  local monitor_port
  monitor_port=$(free_port)
  configure "$monitor_port" "$1" >"$dir/ceph.conf"
  monmaptool --create --clobber --fsid "$(sed -n 's/^fsid = //p' "$dir/ceph.conf")" --addv a "[v2:127.0.0.1:$monitor_port]" "$dir/monmap"
  osdmaptool -c "$dir/ceph.conf" --createsimple 1 --clobber "$dir/osdmap"
  ceph-mon -c "$dir/ceph.conf" --mkfs -i a --monmap "$dir/monmap" --osdmap "$dir/osdmap"
  ceph-osd -c "$dir/ceph.conf" --no-mon-config --mkfs -i 0 --osd-uuid "$(cat /proc/sys/kernel/random/uuid)"
}

take_down() {
  local name signal=TERM
  # What is in memory is lost either way.
  if grep -q '^osd objectstore = memstore' "$dir/ceph.conf" 2>/dev/null; then signal=KILL; fi
  finish rgw KILL  # it has nothing to save, and asked to end it takes five seconds, or without an OSD for ever
  for name in osd mon; do finish "$name" "$signal"; done
  if [ "$signal" = KILL ]; then rm -rf "${dir:?}"/{mon,osd,rgw,made}; fi
}

lock() { # nobody else starts or stops it
  exec 9>"$dir/lock"
  flock -w 120 9 || die "somebody else is starting or stopping $dir"
}

start() {
  local store=memstore wanted_port='' watched='' seconds=''
  while [ $# -gt 0 ]; do
    case "$1" in
      --bluestore) store=bluestore; shift ;;
      --while) watched=${2:?--while needs a pid}; shift 2 ;;
      --for) seconds=${2:?--for needs seconds}; shift 2 ;;
      [0-9]*) wanted_port=$1; shift ;;
      *) die "start: unknown option $1" ;;
    esac
  done
  command -v radosgw >/dev/null && command -v ceph-osd >/dev/null && command -v ceph-mon >/dev/null && command -v curl >/dev/null ||
    die "Ceph is not installed: scripts/install-dependencies.sh ceph"
  [ -z "$watched" ] || [ -n "$(began "$watched")" ] || die "--while: there is no process $watched"
  umask 077
  mkdir -p "$dir"/{run,log}
  lock
  if ! { alive mon && alive osd && alive rgw && answers; }; then
    take_down
    [ -n "$wanted_port" ] || wanted_port=$(port 2>/dev/null || free_port)
    if in_use "$wanted_port"; then die "port $wanted_port is taken"; fi
    echo "$wanted_port" >"$dir/port"
    if [ ! -e "$dir/made" ]; then make "$store" >>"$dir/log/make.out" 2>&1 || fail "no cluster could be made"; fi
    launch mon ceph-mon -c "$dir/ceph.conf" -f -i a
    until in_use "$(sed -n 's/^mon host = .*:\([0-9]*\)]/\1/p' "$dir/ceph.conf")"; do  # else the others wait for seconds
      alive mon || fail "ceph-mon has ended"
      sleep 0.02
    done
    launch osd ceph-osd -c "$dir/ceph.conf" -f -i 0
    if [ ! -e "$dir/made" ]; then
      timeout 90 radosgw-admin -c "$dir/ceph.conf" user create --uid test --display-name test \
        --access-key "$access_key" --secret-key "$secret_key" >>"$dir/log/make.out" 2>&1 || fail "no user could be made"
      : >"$dir/made"
    fi
    launch rgw radosgw -c "$dir/ceph.conf" -f -n client.admin
    local i
    for ((i = 0; ; i++)); do
      answers && break
      alive rgw || fail "radosgw has ended"
      [ $i -lt 1200 ] || fail "radosgw does not answer"
      sleep 0.05
    done
  fi
  finish watchdog KILL
  if [ -n "$watched$seconds" ]; then launch watchdog "$self" watch "$dir" "${watched:--}" "$(began "${watched:-1}")" "${seconds:--}"; fi
  echo "S3 at http://127.0.0.1:$(port)"
}

# watch PID BEGAN SECONDS: a process of its own; - is for ever. It stops the rest, and is not stopped by that itself.
watch() {
  local until=$((SECONDS + ${3/#-/1000000000}))
  while [ "$SECONDS" -lt "$until" ] && { [ "$1" = - ] || [ "$(began "$1")" = "$2" ]; }; do
    alive mon || exit 0
    sleep 0.5
  done
  lock
  take_down
}

status() {
  local name bad=0
  for name in mon osd rgw; do
    if alive "$name"; then
      echo "$name: pid $pid, $(sed -n 's/^VmRSS:\s*\([0-9]*\) kB/\1/p' "/proc/$pid/status") KiB"
    else
      echo "$name: not running"
      bad=1
    fi
  done
  if [ -e "$dir/port" ] && answers; then echo "S3: answers at http://127.0.0.1:$(port)"; else echo "S3: no answer"; bad=1; fi
  return $bad
}

environment() {
  cat <<END
export INGOT_TEST_S3_ENDPOINT=http://127.0.0.1:$(port)
export INGOT_TEST_S3_ACCESS_KEY=$access_key
export INGOT_TEST_S3_SECRET_KEY=$secret_key
export INGOT_TEST_S3_REGION=$region
export AWS_ENDPOINT_URL_S3=http://127.0.0.1:$(port)
export AWS_ACCESS_KEY_ID=$access_key
export AWS_SECRET_ACCESS_KEY=$secret_key
export AWS_REGION=$region
END
}

verb=${1:-}
case "$verb" in
  install) exec "$(dirname "$self")/install-dependencies.sh" ceph ;;
  start|stop|status|env|watch) dir=$(readlink -m "${2:?DIR}"); shift 2 ;;
  *) sed -n '2,14s/^# \{0,1\}//p' "$self" >&2; exit 2 ;;
esac
case "$verb" in
  start) start "$@" ;;
  stop) [ ! -d "$dir" ] || { lock; finish watchdog KILL; take_down; } ;;
  status) status ;;
  env) environment ;;
  watch) watch "$@"; exit ;;  # the file may be another one by now
esac
