#!/bin/bash
# SPDX-License-Identifier: ISC
#
# etc/demo, as the README says, on a host with a running engine: what it shows, that a second run is quick, and that nothing is left of it.
# shellcheck disable=SC2317 # test_case calls the functions
set -euo pipefail
# shellcheck source=tests/tslink.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tslink.sh"

export CASE_DEADLINE=600

demo() { host_run a env -i PATH="$PATH" HOME="$HOME" TSLINK_TEST_CACHE="$TSLINK_CACHE" TSLINK_DEMO_DIR="$WORLD/demo" "$TSLINK_TOP/etc/demo" "$@"; }

# What a host has that the demo could leave behind.
traces_of() {
	local host=$1
	host_run "$host" sh -c 'ls /run /run/docker/plugins /run/netns /etc/tslink /var/lib/tslink 2>&1; nft list tables; ip -o link | cut -d " " -f 2
		iptables -S DOCKER-USER 2>&1' | sort
	host_docker "$host" ps -aq
	host_docker "$host" network ls --format '{{.Name}}'
	host_docker "$host" image ls --format '{{.Repository}}'
}

starts() {
	host_start a
	# iproute2's own directory, and the mount on it, stay after its first namespace on any host.
	host_run a sh -c 'ip netns add first && ip netns del first'
	traces_of a >"$WORLD/before"
}

shows() {
	local said
	said=$(demo)
	check_match "$said" 'demo-a is on the tailnet: 100\.'
	check_match "$said" 'demo-b is on the tailnet: 100\.'
	check_match "$said" '2 packets transmitted, 2 packets received, 0% packet loss'
	check_match "$said" 'state:running'
	check_match "$said" 'tslink-enter'
	check_match "$said" 'etc/demo stop'
}

# A person types what it says.
goes_on() {
	local said
	said=$(host_docker a run --rm --network tailnet tslink-demo sh -c "ip addr && ping -c 2 $(host_docker a exec demo-b ip -o -4 addr show tailscale0 |
		sed 's/.*inet \([0-9.]*\).*/\1/')")
	check_match "$said" 'eth0.*tailscale0|tailscale0.*eth0'
	check_match "$said" ' 0% packet loss'
}

again() {
	local began=$SECONDS
	check_match "$(demo)" '2 packets received, 0% packet loss'
	note "the second run took $((SECONDS - began)) s"
	[ $((SECONDS - began)) -lt 60 ]
}

wrong_use() {
	local said
	said=$(demo --help 2>&1) && return 1
	check_match "$said" 'usage: etc/demo \[stop\]'
}

stops() {
	demo stop
	check_eq "$(traces_of a)" "$(<"$WORLD/before")" "what is left"
	check_not test -e "$WORLD/demo"
	check_match "$(demo stop)" 'nothing is there'
}

world_start --bare
test_case "a host with an engine" starts
test_case "the first run" shows
test_case "another container, as it says" goes_on
test_case "the second run" again
test_case "wrong use" wrong_use
test_case "nothing is left after stop" stops
finish
