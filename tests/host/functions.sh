# SPDX-License-Identifier: ISC
# shellcheck shell=bash
#
# Worlds, hosts and control servers for tests; sourced by tests/lib.sh, which documents them all. Everything a function must remember is
# a file below $WORLD, so that all of them work in subshells.

TSLINK_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TSLINK_CACHE=${TSLINK_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tslink}
export TSLINK_TOP TSLINK_CACHE
WORLD=
WORLD_KEEPER=

# --- small tools ---------------------------------------------------------------------------------------------------------------

harness_die() {
	printf '%s\n' "harness: $*" >&2
	return 1
}

# pause SECONDS: without a process. For polling with a deadline only.
pause() { read -r -t "$1" _ <> <(:) || :; }

now_ms() { printf '%s\n' "$((${EPOCHREALTIME/./} / 1000))"; }

# wait_until SECONDS COMMAND...: try the command every 20 ms until it succeeds
wait_until() {
	local deadline=$(($(now_ms) + $1 * 1000))
	shift
	until "$@"; do
		if [ "$(now_ms)" -ge "$deadline" ]; then
			printf 'never came true: %s\n' "$*" >&2
			return 1
		fi
		pause 0.02
	done
}

# read_fifo FIFO SECONDS: one line from it
read_fifo() {
	local line
	read -r -t "$2" line <>"$1" && printf '%s\n' "$line"
}

# in_namespaces PID COMMAND...: in all namespaces of that process
in_namespaces() {
	local pid=$1
	shift
	nsenter --target "$pid" --mount --net --pid --uts --ipc --cgroup -- "$@"
}

# spawn_in FIFO LOG COMMAND...: let the first process behind the FIFO start a daemon; its process ID there is printed
spawn_in() {
	local fifo=$1 log=$2 reply
	shift 2
	reply=$WORLD/reply.$BASHPID.$RANDOM
	mkfifo "$reply"
	printf '%s\n' "spawn ${log@Q} $reply ${*@Q}" >"$fifo"
	read_fifo "$reply" 10 || harness_die "no answer from $fifo to: $*"
	rm -f "$reply"
}

# inner_pid PID: what the process is in its own PID namespace (NSpid lists all that see it, the innermost last)
inner_pid() { sed -n 's/^NSpid:.*[[:space:]]//p' "/proc/$1/status" 2>/dev/null || :; }

# gone PID: no such process (any more), as the machine sees it
gone() { [ ! -e "/proc/$1/ns/pid" ]; }

# --- the world -----------------------------------------------------------------------------------------------------------------

world_start() {
	local control=control
	[ "${1-}" != --bare ] || control=
	[ -z "$WORLD" ] || harness_die "there is a world already: $WORLD" || return
	[ "$(id -u)" = 0 ] || harness_die "test hosts need root" || return
	WORLD=$(mktemp -d "${TMPDIR:-/tmp}/tslink-world.XXXXXX")
	export WORLD
	chmod 755 "$WORLD"
	mkdir "$WORLD/log" "$WORLD/host" "$WORLD/control"
	mkfifo "$WORLD/up" "$WORLD/world.up" "$WORLD/spawn"
	printf 'public.test 198.51.100.1\n' >"$WORLD/names"
	setsid setpriv --pdeathsig TERM "$TSLINK_TOP/tests/host/keeper" "$WORLD" </dev/null >"$WORLD/log/keeper" 2>&1 &
	WORLD_KEEPER=$!
	disown
	if ! read_fifo "$WORLD/up" 10 >/dev/null; then
		cat "$WORLD/log/keeper" "$WORLD/log/world" >&2
		harness_die "the world did not come up"
		return
	fi
	[ -z "$control" ] || control_start "$control"
}

world_pid() { cat "$WORLD/pid"; }

world_run() { in_namespaces "$(world_pid)" "$@"; }

# world_spawn LOG COMMAND...: LOG is a name in $WORLD/log
world_spawn() {
	local log=$1
	shift
	spawn_in "$WORLD/spawn" "$WORLD/log/$log" "$@"
}

lan_run() { world_run nsenter --net="/proc/$(<"$WORLD/lan.pid")/ns/net" -- "$@"; }

# world_name NAME ADDRESS: the world's name server answers for it from now on
world_name() { printf '%s %s\n' "$1" "$2" >>"$WORLD/names"; }

# world_stop: end the world with all hosts; fails if anything of it were left
world_stop() {
	[ -n "$WORLD" ] || return 0
	local keeper=$WORLD_KEEPER world=$WORLD namespace
	namespace=$(readlink "/proc/$(world_pid 2>/dev/null)/ns/pid" 2>/dev/null || :)
	WORLD='' WORLD_KEEPER=''
	kill -TERM "$keeper" 2>/dev/null || :
	wait_until 20 gone "$keeper" || harness_die "the keeper of $world, process $keeper, does not end" || return
	world_left "$world" "$namespace"
}

# world_left DIR PIDNS: fails, and says what it is, if something of an ended world is still there
world_left() {
	local left
	left=$({
		[ -z "$2" ] || find /proc -maxdepth 3 -path '/proc/[0-9]*/ns/pid' -lname "$2" 2>/dev/null || :
		grep -F "$1" /proc/self/mountinfo || :
		find /sys/fs/cgroup -type d -name "${1##*/}" || :
		[ -n "${TSLINK_TEST_KEEP-}" ] || [ ! -e "$1" ] || echo "$1"
		[ -z "${TSLINK_TEST_DISK-}" ] || find "$TSLINK_TEST_DISK" -maxdepth 1 -name "${1##*/}"
	})
	[ -z "$left" ] || harness_die "left behind: $left"
}

# --- hosts ---------------------------------------------------------------------------------------------------------------------

# host_file NAME FILE: what the harness remembers of a host
host_file() {
	cat "$WORLD/host/$1/$2" 2>/dev/null || harness_die "host $1 has no $2: was it started?"
}

host_pid() { host_file "$1" pid; }
host_address() { host_file "$1" address; }

# host_create NAME: give it a number, an address and its files
host_create() {
	local host=$WORLD/host/$1 number
	[[ $1 =~ ^[a-z][a-z0-9-]{0,30}$ ]] || harness_die "not a host name: $1" || return
	mkdir -p "$host/log"
	for ((number = 101; ; number++)); do
		# A claim that two hosts started at once cannot both make.
		mkdir "$WORLD/host/.$number" 2>/dev/null && break
	done
	echo "192.168.77.$number" >"$host/address"
	mkfifo "$host/up" "$host/spawn" "$host/engine.up"
}

# host_boot NAME: namespaces, disk and network, no engine
host_boot() {
	local host=$WORLD/host/$1 outer child
	[ -d "$host" ] || host_create "$1" || return
	[ ! -e "$host/pid" ] || harness_die "host $1 is up already" || return
	in_namespaces "$(world_pid)" env --default-signal setsid "$TSLINK_TOP/tests/host/boot" "$WORLD" "$1" "$(host_address "$1")" \
		</dev/null >>"$host/log/boot" 2>&1 &
	outer=$!
	disown
	if ! read_fifo "$host/up" 10 >/dev/null; then
		tail -n 20 "$host/log/boot" >&2
		harness_die "host $1 does not boot"
		return
	fi
	# The host's first process is the end of a chain of only children: shell, nsenter, unshare.
	child=$outer
	until [ "$(inner_pid "$child")" = 1 ]; do
		# (The line has no end, which read calls a failure.)
		read -r child _ <"/proc/$child/task/$child/children" || [ -n "$child" ] || return
	done
	echo "$child" >"$host/pid"
}

# host_start NAME [ENGINE [DOCKERD-ARGUMENT...]]
host_start() {
	local name=$1 engine=${2:-$(cat "$WORLD/host/$1/engine" 2>/dev/null || echo 28.5)}
	shift $(($# < 2 ? $# : 2))
	host_boot "$name" || return
	echo "$engine" >"$WORLD/host/$name/engine"
	[ "$engine" = none ] || host_engine_start "$name" "$@"
}

host_run() {
	local name=$1
	shift
	in_namespaces "$(host_pid "$name")" "$@"
}

# host_spawn NAME LOG COMMAND...: LOG is a name in the host's log directory
host_spawn() {
	local host=$WORLD/host/$1 log=$2
	shift 2
	spawn_in "$host/spawn" "$host/log/$log" "$@"
}

# host_outer_pid NAME PID: a process started by host_spawn, as the machine sees it
host_outer_pid() {
	local init child children
	init=$(host_pid "$1") || return
	read -r -a children <"/proc/$init/task/$init/children" || :
	for child in "${children[@]}"; do
		if [ "$(inner_pid "$child")" = "$2" ]; then
			printf '%s\n' "$child"
			return
		fi
	done
	harness_die "host $1 has no daemon with process ID $2"
}

host_kill() {
	local host=$WORLD/host/$1 pid
	pid=$(host_pid "$1") || return
	kill -KILL "$pid" 2>/dev/null || :
	wait_until 20 gone "$pid" || return
	rm -f "$host"/{pid,engine.pid,dockerd.pid,engine.inner}
	# Pulled out at once: else the kernel does so some time later, and a host that boots again would meet it.
	world_run ip link delete "h$(host_address "$1" | cut -d . -f 4)" 2>/dev/null || :
	cgroup_remove_host "$1"
}

cgroup_remove_host() (
	# shellcheck source=tests/host/cgroup.sh
	. "$TSLINK_TOP/tests/host/cgroup.sh"
	wait_until 10 cgroup_remove "${WORLD##*/}/$1"
)

host_stop() {
	[ ! -e "$WORLD/host/$1/dockerd.pid" ] || host_engine_stop "$1" || return
	host_kill "$1"
}

host_reboot() {
	host_kill "$1" && host_start "$1"
}

host_log() { printf '%s\n' "$WORLD/host/$1/log/$2"; }

# --- the engine of a host ------------------------------------------------------------------------------------------------------

# host_engine_hold NAME: make the engine's mount namespace, once per boot
host_engine_hold() {
	local name=$1 host=$WORLD/host/$1 root
	[ ! -e "$host/engine.pid" ] || return 0
	root=$TSLINK_CACHE/engine/$(host_file "$name" engine) || return
	[ -d "$root" ] || harness_die "no engine $root: run tests/setup" || return
	host_spawn "$name" engine unshare --mount --propagation unchanged \
		"$TSLINK_TOP/tests/host/engine" "$root" "$WORLD" "$name" >"$host/engine.inner"
	if ! read_fifo "$host/engine.up" 10 >/dev/null; then
		tail -n 20 "$host/log/engine" >&2
		harness_die "host $name: no mount namespace for the engine"
		return
	fi
	host_outer_pid "$name" "$(<"$host/engine.inner")" >"$host/engine.pid"
}

# host_engine_start NAME [DOCKERD-ARGUMENT...]
host_engine_start() {
	local name=$1 host=$WORLD/host/$1
	shift
	host_engine_hold "$name" || return
	host_spawn "$name" dockerd env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		nsenter --target "$(<"$host/engine.inner")" --mount -- dockerd "$@" >"$host/dockerd.pid"
	if ! host_engine_wait "$name" 60; then
		tail -n 30 "$host/log/dockerd" >&2
		harness_die "host $name: dockerd does not answer"
		return
	fi
	[ -e "$host/image" ] || host_load_image "$name"
}

host_load_image() {
	host_docker "$1" import - bb <"$TSLINK_CACHE/image/bb.tar" >/dev/null && : >"$WORLD/host/$1/image"
}

# host_engine_wait NAME SECONDS: until the Engine API answers; at once no if dockerd has died
host_engine_wait() {
	local deadline=$(($(now_ms) + $2 * 1000))
	until host_api "$1" "$2" /_ping >/dev/null 2>&1; do
		host_engine_alive "$1" || return
		[ "$(now_ms)" -lt "$deadline" ] || return
		pause 0.01
	done
}

# host_api NAME SECONDS PATH: the Engine API's answer
host_api() {
	curl --silent --fail --max-time "$2" --unix-socket "/proc/$(host_pid "$1")/root/run/docker.sock" "http://docker$3"
}

host_engine_pid() { host_file "$1" dockerd.pid; }

host_engine_alive() { [ -e "/proc/$(host_pid "$1")/root/proc/$(host_engine_pid "$1")/ns/pid" ]; }

host_engine_dead() { ! host_engine_alive "$1"; }

# host_engine_signal NAME SIGNAL: and wait until it is dead
host_engine_signal() {
	host_run "$1" kill "-$2" "$(host_engine_pid "$1")" || return
	wait_until 60 host_engine_dead "$1" || return
	rm -f "$WORLD/host/$1/dockerd.pid"
}

host_engine_stop() { host_engine_signal "$1" TERM; }
host_engine_kill() { host_engine_signal "$1" KILL; }

# host_engine_run NAME COMMAND...: on the engine's side of the host, with its root file system
host_engine_run() {
	local name=$1
	shift
	in_namespaces "$(host_file "$name" engine.pid)" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM="${TERM-dumb}" "$@"
}

host_docker() {
	local name=$1
	shift
	host_engine_run "$name" docker "$@"
}

# --- control servers -----------------------------------------------------------------------------------------------------------

# control_start [NAME]: a headscale of that name; started again, it is the same one
control_start() {
	local name=${1:-control} dir
	dir=$WORLD/control/$name
	[ -d "$dir" ] || control_create "$name" || return
	[ ! -e "$dir/pid" ] || harness_die "control server $name is up already" || return
	world_spawn "control-$name" "$TSLINK_CACHE/bin/headscale" --config "$dir/config.yaml" serve >"$dir/pid"
	if ! wait_until 10 control_answers "$name"; then
		tail -n 20 "$WORLD/log/control-$name" >&2
		harness_die "control server $name does not answer"
	fi
}

control_create() {
	local dir=$WORLD/control/$1 number address disk
	[[ $1 =~ ^[a-z][a-z0-9-]{0,30}$ ]] || harness_die "not a name: $1" || return
	[ -x "$TSLINK_CACHE/bin/headscale" ] || harness_die "no $TSLINK_CACHE/bin/headscale: run tests/setup" || return
	mkdir "$dir"
	for ((number = 11; ; number++)); do
		mkdir "$WORLD/control/.$number" 2>/dev/null && break
	done
	address=192.168.77.$number
	disk=$WORLD/disk/control-$1
	world_run sh -c "mkdir $disk && ip address add $address/32 dev br0"
	echo "$address" >"$dir/address"
	cat >"$dir/config.yaml" <<-END
		server_url: http://$address:8080
		listen_addr: $address:8080
		metrics_listen_addr: $address:9090
		grpc_listen_addr: $address:50443
		disable_check_updates: true
		noise: {private_key_path: $disk/noise.key}
		prefixes: {v4: 100.64.0.0/10, v6: fd7a:115c:a1e0::/48, allocation: sequential}
		database: {type: sqlite, sqlite: {path: $disk/db.sqlite, write_ahead_log: true}}
		derp:
		  server: {enabled: true, region_id: 999, region_code: t, region_name: t, stun_listen_addr: "$address:3478",
		    private_key_path: $disk/derp.key, ipv4: $address, automatically_add_embedded_derp_region: true}
		  urls: []
		  paths: []
		dns: {magic_dns: true, base_domain: $1.internal, override_local_dns: false, nameservers: {global: []}}
		node: {expiry: 0, ephemeral: {inactivity_timeout: 70s}}
		tuning: {batch_change_delay: 10ms, node_store_batch_timeout: 1ms}
		policy: {mode: database, path: ""}
		unix_socket: $disk/sock
		unix_socket_permission: "0770"
		log: {level: info}
	END
}

control_address() { cat "$WORLD/control/${1:-control}/address"; }
control_url() { printf 'http://%s:8080\n' "$(control_address "$@")"; }

control_answers() {
	world_run curl --silent --fail --max-time 1 --output /dev/null "$(control_url "$1")/health"
}

# control_cli NAME ARGUMENT...: headscale's own command line
control_cli() {
	local name=$1
	shift
	world_run "$TSLINK_CACHE/bin/headscale" --config "$WORLD/control/$name/config.yaml" "$@"
}

control_stop() {
	local dir=$WORLD/control/${1:-control} pid
	pid=$(<"$dir/pid")
	world_run kill -KILL "$pid" || return
	wait_until 10 world_run test ! -e "/proc/$pid/ns/pid" || return
	rm "$dir/pid"
}

# control_key NAME [OPTION...]: an auth key; options are those of headscale preauthkeys create
control_key() {
	local name=$1 dir=$WORLD/control/$1
	shift
	[ -e "$dir/user" ] || {
		control_cli "$name" users create test -o json | jq -r .id >"$dir/user"
	}
	control_cli "$name" preauthkeys create --user "$(<"$dir/user")" "$@" -o json | jq -r .key
}

control_nodes() { control_cli "${1:-control}" nodes list -o json; }

# control_node NAME NODE: that node's record, as JSON
control_node() { control_nodes "$1" | jq -e --arg name "$2" '.[] | select(.given_name == $name)'; }

control_delete() {
	control_cli "$1" nodes delete --force --identifier "$(control_node "$1" "$2" | jq -r .id)" >/dev/null
}

control_expire() {
	control_cli "$1" nodes expire --identifier "$(control_node "$1" "$2" | jq -r .id)" >/dev/null
}
