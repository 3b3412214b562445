# SPDX-License-Identifier: ISC
# shellcheck shell=bash
#
# tslink on test hosts: what the end-to-end tests stand on, above tests/lib.sh. The programs are those of $TSLINK_PREFIX, where `make install`
# put them (tests/run sets it).
#
#   tslink_start HOST [SETTING=VALUE...]   start a tree with these settings (TS_PATH and TS_DEBUG_USE_DERP_HTTP are given; TSLINK_NAME names
#                                   another one than tslink) and wait until its plugin socket answers
#   tslink_stop HOST [NAME]         end it as systemd would, and wait for its end
#   tslink_run HOST COMMAND...      run with the programs of tslink in PATH
#   tailnet HOST NETWORK CONTROL [OPTION...]   make a network of tslink with a key of that control server; OPTIONs are docker's
#   node_ip HOST CONTAINER          its tailnet address, once it is on the tailnet (within 30 s)
#   endpoint_of HOST CONTAINER      the name of its endpoint
#   note_of HOST CONTAINER FILE     what data/FILE of its endpoint says
#   plugin_call METHOD BODY HOST    POST to the plugin's socket; prints the answer
#   node_cli HOST CONTAINER ARGUMENT...   tailscale's own command line for that node
#   is_direct HOST CONTAINER ADDRESS      its path to the peer of that tailnet address is direct; wait_direct waits for it, at most 15 s
#   in_netns HOST CONTAINER COMMAND...    the host's programs in the network namespace of a container
#   traces HOST [NAME]              prints what a tree still has of networks and endpoints: nothing when there are none
#   complaints HOST [NAME]          prints the warnings and errors in the logs of a tree and of its nodes

TSLINK_PREFIX=${TSLINK_PREFIX:?TSLINK_PREFIX must name the prefix of an installed tslink: use tests/run}

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tslink_run() {
	local host=$1
	shift
	host_run "$host" env PATH="$TSLINK_PREFIX/sbin:$PATH" "$@"
}

tslink_start() {
	local host=$1 name=tslink setting env
	shift
	for setting; do
		case $setting in TSLINK_NAME=*) name=${setting#*=} ;; esac
	done
	env=$WORLD/host/$host.$name.env
	rm -rf "$env"
	mkdir -p "$env"
	for setting in "TS_PATH=$TSLINK_CACHE/bin" TS_DEBUG_USE_DERP_HTTP=1 "$@"; do
		printf '%s\n' "${setting#*=}" >"$env/${setting%%=*}"
	done
	host_spawn "$host" "$name" env -i PATH="$PATH" "$TSLINK_PREFIX/sbin/tslink-init" -c "$env" >"$WORLD/host/$host.$name.pid"
	wait_until 15 plugin_answers "$host" "$name"
}

plugin_answers() {
	host_run "$1" curl -s -f -m 5 --unix-socket "/run/docker/plugins/$2.sock" -X POST http://plugin/Plugin.Activate >/dev/null
}

tslink_stop() {
	local host=$1 name=${2:-tslink} pid
	pid=$(<"$WORLD/host/$host.$name.pid")
	host_run "$host" kill -TERM "$pid"
	wait_until 20 not host_run "$host" test -e "/proc/$pid"
}

not() { ! "$@"; }

tailnet() {
	local host=$1 network=$2 control=$3
	shift 3
	host_docker "$host" network create --driver tslink --opt "tslink.authkey=$(control_key "$control" --reusable)" \
		--opt "tslink.login-server=$(control_url "$control")" "$@" "$network"
}

endpoint_of() {
	local id
	id=$(host_docker "$1" inspect -f '{{.Id}}' "$2") || return
	host_run "$1" grep -lx "$id" -r /run/tslink/endpoint --include CONTAINER | sed -n '1s,^/run/tslink/endpoint/\([0-9a-f]*\)/.*,\1,p'
}

note_of() { host_run "$1" cat "/run/tslink/endpoint/$(endpoint_of "$1" "$2")/data/$3"; }

is_running() { [ "$(note_of "$1" "$2" state 2>/dev/null)" = running ]; }

node_ip() {
	wait_until 30 is_running "$1" "$2" || {
		note_of "$1" "$2" error >&2
		return 1
	}
	note_of "$1" "$2" ip | cut -d ' ' -f 1
}

plugin_call() {
	host_run "$3" curl -s -m 40 --unix-socket "/run/docker/plugins/${4:-tslink}.sock" -d "$2" "http://plugin/NetworkDriver.$1"
}

node_cli() {
	local host=$1 endpoint
	endpoint=$(endpoint_of "$1" "$2") || return
	shift 2
	host_run "$host" "$TSLINK_CACHE/bin/tailscale" "--socket=/run/tslink/endpoint/$endpoint/state/node/tailscaled.sock" "$@"
}

is_direct() {
	# The ping wakes the path up; status says what the path is, whichever of the two hears of it first.
	node_cli "$1" "$2" ping --c 1 --timeout 2s --until-direct=false "$3" >/dev/null || :
	node_cli "$1" "$2" status --json |
		jq -e --arg ip "$3" '.Peer[] | select(.TailscaleIPs | index($ip)) | .CurAddr != ""' >/dev/null
}

wait_direct() { wait_until 15 is_direct "$@"; }

in_netns() {
	local host=$1 key
	key=$(host_docker "$1" inspect -f '{{.NetworkSettings.SandboxKey}}' "$2") || return
	shift 2
	host_run "$host" nsenter --net="$key" -- "$@"
}

# shellcheck disable=SC2016 # the host's shell expands it
traces() {
	host_run "$1" sh -c '
		cd "/run/$1" || exit
		ls -d endpoint/* sandbox/* subnet/* gate/* 2>/dev/null
		ls lock | grep -vx "names\|ruleset"
		ls service | grep -vx "driver\|fetch\|socket\|watch"
		data=$(cat env/TS_DATA_DIR)
		ls -dA "$data"/network/* "$data"/network/.[!.]* 2>/dev/null
		ip -o link | grep -o ": $(cat env/TSLINK_IFPREFIX)-[^:@]*"
		:' - "${2:-tslink}"
}

# shellcheck disable=SC2016 # the host's shell expands it
complaints() {
	host_run "$1" sh -c '
		cd "/run/$1" || exit
		grep -E "^[^ ]+ +[^ ]+ +[a-z][a-z0-9-]*: (fatal|warning): " \
			svc/*/log/main/current "$(cat env/TS_DATA_DIR)"/by-hostname/*/log/current
		:' - "${2:-tslink}"
}
