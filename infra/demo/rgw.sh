#!/usr/bin/env bash
# A one-node Ceph RGW on 127.0.0.1: an S3 server that, unlike the demo's, checks signatures.
#
#   rgw.sh with STATE COMMAND...   start it, run a command against it, stop it
#   rgw.sh up|down STATE           start it and leave it running; stop it
#
# Objects are in memory; everything else is below STATE and can be deleted. The Debian
# packages it needs are installed if absent, which takes root.
set -euo pipefail

readonly PORT=${RGW_PORT:-7480}
readonly MONITOR_PORT=$((PORT + 1000))
readonly KEY=taglinekey SECRET=taglinesecret
readonly PACKAGES=(radosgw ceph-mon ceph-osd)

fail() {
  echo "rgw.sh: $*" >&2
  exit 1
}

install_packages() {
  if command -v radosgw ceph-mon ceph-osd ceph radosgw-admin > /dev/null; then return; fi
  command -v apt-get > /dev/null ||
    fail "needs ${PACKAGES[*]}, and this system has no apt-get to install them with"
  [ "$(id -u)" = 0 ] ||
    fail "needs root to install ${PACKAGES[*]}; run: sudo apt-get install ${PACKAGES[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${PACKAGES[@]}"
}

write_configuration() {
  cat > "$conf" << EOF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = v1:127.0.0.1:$MONITOR_PORT
public addr = 127.0.0.1
cluster addr = 127.0.0.1
run dir = $state/run
log file = $state/log/\$name.log
admin socket =
pid file = $state/run/\$name.pid
keyring = $state/keyring
mon data = $state/mon
osd data = $state/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
paxos propose interval = 0.05
paxos min wait = 0.01
auth allow insecure global id reclaim = false
rgw frontends = beast endpoint=127.0.0.1:$PORT tcp_nodelay=1
EOF
}

make_keys() {
  ceph-authtool "$state/keyring" --create-keyring --gen-key -n mon. --cap mon 'allow *'
  ceph-authtool "$state/keyring" --gen-key -n client.admin \
    --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
  ceph-authtool "$state/keyring" --gen-key -n osd.0 \
    --cap mon 'allow profile osd' --cap osd 'allow *' --cap mgr 'allow profile osd'
}

start_monitor() {
  local fsid
  fsid=$(sed -n 's/^fsid = //p' "$conf")
  monmaptool --create --clobber --fsid "$fsid" --addv a "[v1:127.0.0.1:$MONITOR_PORT]" \
    "$state/monmap"
  ceph-mon -c "$conf" -i a --mkfs --monmap "$state/monmap" --keyring "$state/keyring"
  ceph-mon -c "$conf" -i a
}

start_storage() {
  # The daemon must carry the id under which the monitor knows it.
  local id
  id=$(cat /proc/sys/kernel/random/uuid)
  ceph -c "$conf" osd new "$id"
  ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$id"
  ceph -c "$conf" osd crush add-bucket here host
  ceph -c "$conf" osd crush move here root=default
  ceph -c "$conf" osd crush add osd.0 1.0 host=here
  ceph-osd -c "$conf" -i 0
}

start_gateway() {
  radosgw -c "$conf" -n client.admin
  radosgw-admin -c "$conf" user create --uid=tagline --display-name=tagline \
    --access-key="$KEY" --secret-key="$SECRET"
  for _ in $(seq 300); do
    if (exec 3<> "/dev/tcp/127.0.0.1/$PORT") 2> /dev/null; then return; fi
    sleep 0.1
  done
  return 1
}

up() {
  install_packages
  if (exec 3<> "/dev/tcp/127.0.0.1/$PORT") 2> /dev/null; then
    fail "port $PORT is taken; name another: RGW_PORT=7490"
  fi
  rm -rf "$state"
  mkdir -p "$state"/{mon,osd,run,log}
  write_configuration
  for part in make_keys start_monitor start_storage start_gateway; do
    # A subshell keeps -e in force, which it is not in a condition.
    set +e
    (set -e; "$part") >> "$state/log/start.log" 2>&1
    local ended=$?
    set -e
    if [ "$ended" != 0 ]; then
      tail -n 20 "$state/log/start.log" >&2
      down
      fail "Ceph did not start ($part); see $state/log"
    fi
  done
}

down() {
  local name pid
  for name in client.admin osd.0 mon.a; do
    pid=$(cat "$state/run/$name.pid" 2> /dev/null) || continue
    kill "$pid" 2> /dev/null || continue
    for _ in $(seq 50); do
      kill -0 "$pid" 2> /dev/null || continue 2
      sleep 0.1
    done
    kill -9 "$pid" 2> /dev/null || true
  done
}

[ $# -ge 2 ] || fail "usage: rgw.sh up|down STATE, or rgw.sh with STATE COMMAND..."
readonly action=$1
state=$(realpath -m "$2")
readonly state conf=$state/ceph.conf
shift 2
case $action in
  up)
    up
    echo "http://127.0.0.1:$PORT $KEY $SECRET"
    ;;
  down) down ;;
  with)
    trap down EXIT
    up
    # Ceph knows none of the newer upload checksums.
    TAGLINE_TEST_S3_ENDPOINT=http://127.0.0.1:$PORT \
      AWS_ACCESS_KEY_ID=$KEY AWS_SECRET_ACCESS_KEY=$SECRET \
      AWS_REQUEST_CHECKSUM_CALCULATION=when_required "$@"
    ;;
  *) fail "unknown action '$action'; use with, up or down" ;;
esac
