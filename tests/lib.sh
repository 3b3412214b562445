# SPDX-License-Identifier: ISC
# shellcheck shell=bash
#
# What test scripts in bash stand on; source it first:
#
#     #!/bin/bash
#     # shellcheck disable=SC2317 # test_case calls the functions
#     set -euo pipefail
#     # shellcheck source=tests/lib.sh
#     . "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
#
#     boots() { host_start a 28.5; }
#     greets() { check_eq "$(host_docker a run --rm bb echo hello)" hello; }
#
#     world_start
#     test_case "a host boots" boots
#     test_case "a container says hello" greets
#     finish
#
# CASES (TAP on standard output, read by tests/run)
#   test_case NAME FUNCTION [ARGUMENT...]   run it in a subshell with errexit; "ok N - NAME" or "not ok N - NAME", then the end of what it
#                                   printed and of the logs that grew meanwhile. A case that fails does not stop those after it, one that
#                                   takes longer than $CASE_DEADLINE (120) seconds fails. Variables set in it are lost, worlds and hosts are not.
#   skip_case NAME REASON           "ok N - NAME # SKIP REASON"
#   skip_all REASON                 "1..0 # SKIP REASON", and the script is over
#   finish                          end the world, print the plan, exit 1 if a case failed; it is a case of its own that nothing is left behind
# CHECKS (the case fails where one does; what it saw is printed)
#   check COMMAND...                it succeeds            check_not COMMAND...   it fails
#   check_eq GOT WANTED [WHAT]      equal strings          check_match GOT REGEX [WHAT]   bash's regular expressions
#   wait_until SECONDS COMMAND...   poll until it succeeds, at most that long; for what no event tells of
#   note WORD...                    a comment line; a measured time, for instance
#   Any other command that fails ends its case, too, with file and line (but mind bash: not in a function called after if, !, && or ||).
#
# THE WORLD: one per script, in namespaces of its own, with no way to the machine's network; ends with the script, however that ends
#   world_start [--bare]            LAN 192.168.77.0/24; web server 198.51.100.1:80 answering "internet" and "client ADDRESS"; name server
#                                   192.168.77.1 (public.test is 198.51.100.1; what else world_name adds); headscale "control" unless --bare
#   world_stop                      end it now; fails, saying what it is, if anything is left
#   world_run COMMAND...            run as the internet: 192.168.77.1, the hosts' default gateway
#   world_spawn LOG COMMAND...      start a daemon there, output to $WORLD/log/LOG; its process ID there is printed
#   world_name NAME ADDRESS         another public name
#   lan_run COMMAND...              run on a client of the LAN, 192.168.77.50
#   $WORLD                          its directory: log/, and room for a test's files; seen under the same name on every host
# HOSTS: Docker hosts on that LAN. Each has two sides in the same net, PID, UTS and IPC namespaces and cgroup, with /run and /var/lib/docker in
# common: the host's own (the machine's root file system under an overlay: programs, checkout and cache are there, nothing written reaches
# the machine), and the engine's (Debian's root file system for it).
#   host_start NAME [ENGINE [DOCKERD-ARGUMENT...]]   boot it and wait for its Engine API; ENGINE is 20.10, 26.1, 28.5 (the default; later the last
#                                   one) or none. The image bb (busybox) is there. Stopped before: the same disk, the same address
#   host_kill NAME                  power cut: all its processes die at once; disk and address stay
#   host_reboot NAME                power cut and start        host_stop NAME   engine stopped, then power off
#   host_run NAME COMMAND...        on the host's own side, in directory /; environment, standard input and output are the caller's
#   host_spawn NAME LOG COMMAND...  a daemon there, output to host_log NAME LOG; its process ID there is printed (host_run NAME kill ...)
#   host_docker NAME ARGUMENT...    the engine's docker command        host_engine_run NAME COMMAND...   any command on its side
#   host_engine_start NAME [DOCKERD-ARGUMENT...]    host_engine_stop NAME    host_engine_kill NAME (dockerd alone: SIGKILL)
#   host_engine_pid NAME            dockerd, as the host sees it
#   host_api NAME SECONDS PATH      GET from the Engine API
#   host_address NAME, host_pid NAME (its first process as the machine sees it), host_log NAME LOG (path of a log: boot, engine, dockerd, ...)
#   Before world_start: TSLINK_TEST_BIND="DIR..." shows hosts more of the machine's directories as they are (writable); TSLINK_TEST_DISK=DIR puts
#   /var/lib/docker and /var/lib/tslink on that file system instead of in memory; TSLINK_TEST_KEEP=1 keeps the logs.
# CONTROL SERVERS: headscales of the world, plain http on an address of their own, DERP and STUN built in (clients: TS_DEBUG_USE_DERP_HTTP=1)
#   control_start [NAME]            start it (or start it again: same keys, nodes, address) and wait until it answers
#   control_stop [NAME]             kill it; connections to it are refused
#   control_url [NAME], control_address [NAME]
#   control_key NAME [OPTION...]    make an auth key and print it: --reusable, --ephemeral, --tags tag:x, --expiration 1h
#   control_nodes [NAME]            its nodes, a JSON array; control_node NAME NODE the one of that name
#   control_delete NAME NODE, control_expire NAME NODE
#   control_cli NAME ARGUMENT...    headscale's command line

# shellcheck source-path=SCRIPTDIR source=host/functions.sh
. "$(dirname "${BASH_SOURCE[0]}")/host/functions.sh"

CASE_DEADLINE=${CASE_DEADLINE:-120}
case_count=0
case_failures=0
case_pid=
case_output=

note() { printf '# %s\n' "$*"; }

# --- checks --------------------------------------------------------------------------------------------------------------------

# check_failed TEXT: where the check stands, and the text. Ends the case also where errexit is off.
check_failed() {
	printf '%s:%s: %s\n' "${BASH_SOURCE[2]##*/}" "${BASH_LINENO[1]}" "$1" >&2
	exit 1
}

check() { "$@" || check_failed "failed ($?): $*"; }

check_not() { ! "$@" || check_failed "succeeded: $*"; }

check_eq() { [ "$1" = "$2" ] || check_failed "${3:+$3: }got '$1', wanted '$2'"; }

check_match() { [[ $1 =~ $2 ]] || check_failed "${3:+$3: }got '$1', wanted a match of '$2'"; }

# --- cases ---------------------------------------------------------------------------------------------------------------------

test_case() {
	local name=$1 status=0 dog began output
	shift
	case_output=${case_output:-$(mktemp "${TMPDIR:-/tmp}/tslink-case.XXXXXX")}
	output=$case_output
	: >"$output"
	# What is newer than this is of this case.
	touch "$output.began"
	case_count=$((case_count + 1))
	began=$(now_ms)
	# Job control gives the case a process group of its own, to be ended as a whole, and leaves its interrupt signal alone. It runs in the
	# background and not in a condition, since errexit would be off there.
	set -m
	(
		set -eE
		trap - EXIT
		trap 'case_where "$?"' ERR
		"$@"
	) </dev/null >"$output" 2>&1 &
	case_pid=$!
	set +m
	case_watch "$case_pid" "$output" &
	dog=$!
	wait "$case_pid" 2>/dev/null || status=$?
	case_pid=
	kill "$dog" 2>/dev/null || :
	wait "$dog" 2>/dev/null || :
	case_report "$name" "$status" "$(($(now_ms) - began))" "$output"
}

# case_where STATUS: which line of the test script failed, be it in a function of the harness or not
case_where() {
	local frame
	for ((frame = 1; frame < ${#BASH_SOURCE[@]}; frame++)); do
		case ${BASH_SOURCE[frame]} in
		*/tests/lib.sh | */tests/host/functions.sh | */../lib.sh) ;;
		*)
			printf '%s:%s: status %s of:%s\n' "${BASH_SOURCE[frame]##*/}" "${BASH_LINENO[frame - 1]}" "$1" \
				"$(sed -n "${BASH_LINENO[frame - 1]}s/[[:space:]]*/ /p" "${BASH_SOURCE[frame]}")" >&2
			return
			;;
		esac
	done
}

# case_watch PID OUTPUT: end the case when its time is over
case_watch() {
	trap - EXIT
	pause "$CASE_DEADLINE"
	printf 'took longer than %s s\n' "$CASE_DEADLINE" >>"$2"
	kill -KILL -- "-$1"
}

case_report() {
	if [ "$2" = 0 ]; then
		printf 'ok %d - %s # %d ms\n' "$case_count" "$1" "$3"
		# Measured times and the like.
		grep '^# ' "$4" || :
		return
	fi
	case_failures=$((case_failures + 1))
	printf 'not ok %d - %s\n' "$case_count" "$1"
	tail -n 60 "$4" | sed 's/^/# /'
	case_logs "$4.began"
}

# case_logs FILE: the ends of the logs that grew since the file was touched
case_logs() {
	local log
	[ -n "$WORLD" ] || return 0
	find "$WORLD" -path '*/log/*' -type f -size +0 -newer "$1" | sort | while read -r log; do
		printf '# --- %s\n' "${log#"$WORLD/"}"
		tail -n 12 "$log" | cut -c 1-300 | sed 's/^/# /'
	done
}

skip_case() {
	case_count=$((case_count + 1))
	printf 'ok %d - %s # SKIP %s\n' "$case_count" "$1" "$2"
}

skip_all() {
	printf '1..0 # SKIP %s\n' "$1"
	exit 0
}

finish() {
	[ -z "$WORLD" ] || finish_world
	printf '1..%d\n' "$case_count"
	[ "$case_failures" = 0 ] || exit 1
	exit 0
}

# Not a test_case, since a subshell could not forget the world.
finish_world() {
	local left
	case_count=$((case_count + 1))
	left=$WORLD.left
	if world_stop >"$left" 2>&1; then
		printf 'ok %d - nothing is left behind\n' "$case_count"
	else
		case_failures=$((case_failures + 1))
		printf 'not ok %d - nothing is left behind\n' "$case_count"
		sed 's/^/# /' "$left"
	fi
	rm -f "$left"
}

test_exit() {
	local status=$?
	trap - EXIT INT TERM HUP
	# A subshell that gets a signal in its first moment still has these traps.
	[ "$BASHPID" = "$$" ] || exit "$status"
	# Else bash would tell of their deaths.
	disown -a
	[ -z "$case_pid" ] || kill -KILL -- "-$case_pid" 2>/dev/null || :
	[ -z "$case_output" ] || rm -f "$case_output" "$case_output.began"
	world_stop || status=1
	exit "$status"
}
trap test_exit EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
