#!/bin/bash
# SPDX-License-Identifier: ISC
#
# Many containers, two hosts, and processes that die: what must survive survives, and what must come back comes back.
# shellcheck disable=SC2317 # test_case calls the functions
set -euo pipefail
# shellcheck source=tests/tslink.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tslink.sh"

many="n1 n2 n3 n4 n5 n6 n7 n8 n9 n10 n11 n12"

# Containers survive the death of dockerd only under live-restore.
starts() {
	host_start a 28.5 --live-restore
	host_start b 28.5
	for host in a b; do
		tslink_start "$host"
		tailnet "$host" tailnet control
	done
	host_docker b run -d --name far --network tailnet bb sleep 1000
}

# A dozen at once, none of which waits for another.
dozen() {
	local name began pids=()
	began=$(now_ms)
	for name in $many; do
		host_docker a run -d --name "$name" --network tailnet bb sleep 1000 >/dev/null &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	note "a dozen containers at once: $(($(now_ms) - began)) ms"
	for name in $many; do
		check_eq "$(note_of a "$name" state)" running "$name"
	done
	check_eq "$(host_run a sh -c 'cat /run/tslink/endpoint/*/env/UPLINK | sort -u | wc -l')" 12 "uplinks"
	check_eq "$(host_run a sh -c 'cat /run/tslink/endpoint/*/env/PORT | sort -u | wc -l')" 12 "ports"
	check_eq "$(host_run a sh -c 'cat /run/tslink/endpoint/*/env/UID | sort -u | wc -l')" 12 "users"
	check_eq "$(host_run a sh -c 'cat /run/tslink/endpoint/*/data/ip | sort -u | wc -l')" 12 "addresses"
	check host_docker a exec n1 ping -c 1 -W 5 "$(node_ip a n12)"
}

other_host() {
	check_match "$(host_docker b exec far ping -c 1 -W 5 "$(node_ip a n1)")" " 0% packet loss"
	check wait_direct b far "$(node_ip a n1)"
	check wait_direct a n1 "$(node_ip b far)"
	# It comes back as the same, and its peer on the other host finds it at once.
	host_docker a rm -f n1
	host_docker a run -d --name n1 --network tailnet bb sleep 1000
	check host_docker a exec n1 ping -c 1 -W 3 "$(node_ip b far)"
}

# pids PATTERN: of processes on host a that have this command line
pids() { host_run a pgrep -x -f "$1"; }

# node_pid CONTAINER: its tailscaled's
node_pid() { host_run a s6-svstat -o pid "/run/tslink/endpoint/$(endpoint_of a "$1")"; }

# all_nodes: the nodes' processes, none of which may change
# shellcheck disable=SC2016 # the host expands it
all_nodes() { host_run a sh -c 'for e in /run/tslink/endpoint/*; do echo "${e##*/} $(s6-svstat -o pid "$e")"; done'; }

# new_container: the driver serves. That no first packet is lost is asked in 10-node.sh and 30-gate.sh; here the peer has just started, among a
# dozen, and its tailscaled binds anew, for about a second, when Docker adds eth0 behind the gate: one of five packets is to arrive.
new_container() {
	host_docker a run --rm --name fresh --network tailnet bb ping -c 5 -W 3 "$(node_ip a n2)"
}

kill_ipcserverd() {
	local before old
	before=$(all_nodes)
	old=$(host_run a s6-svstat -o pid /run/tslink/service/driver)
	host_run a kill -KILL "$old"
	check plugin_answers a tslink
	check new_container
	check_not test "$(host_run a s6-svstat -o pid /run/tslink/service/driver)" = "$old"
	check_eq "$(all_nodes)" "$before"
}

# It keeps the socket: with it goes the socket, and the driver's own copy serves on.
kill_fdholder() {
	local before
	before=$(all_nodes)
	host_run a kill -KILL "$(host_run a s6-svstat -o pid /run/tslink/service/socket)"
	check plugin_answers a tslink
	check new_container
	host_run a kill -KILL "$(host_run a s6-svstat -o pid /run/tslink/service/driver)"
	check wait_until 10 plugin_answers a tslink
	check new_container
	check_eq "$(all_nodes)" "$before"
}

# A connection that says nothing has a tslink-driver of its own.
kill_driver() {
	local before client driver
	before=$(all_nodes)
	client=$(host_spawn a client /usr/bin/python3 -c '
import socket
s = socket.socket(socket.AF_UNIX)
s.connect("/run/docker/plugins/tslink.sock")
s.recv(1)')
	wait_until 5 pids "tslink-driver -r \.\./\.\." >"$WORLD/driver"
	driver=$(<"$WORLD/driver")
	host_run a kill -KILL "$driver"
	wait_until 5 not host_run a test -e "/proc/$client"
	check new_container
	check_eq "$(all_nodes)" "$before"
}

killed_watch() {
	local before
	before=$(all_nodes)
	host_run a kill -KILL "$(host_run a s6-svstat -o pid /run/tslink/service/watch)"
	check wait_until 10 host_run a test -e /run/tslink/docker/serving
	check new_container
	check_eq "$(all_nodes)" "$before"
}

# changed CONTAINER OLD-PID: another tailscaled, and on the tailnet
changed() { [ "$(node_pid "$1")" != "$2" ] && [ "$(note_of a "$1" state)" = running ] && host_run a s6-svstat "/run/tslink/endpoint/$(endpoint_of a "$1")" | grep -q ' ready '; }

kill_tailscaled() {
	local before old ip key
	old=$(node_pid n3)
	ip=$(node_ip a n3)
	key=$(control_node control n3 | jq -r .node_key)
	before=$(all_nodes | grep -v "^$(endpoint_of a n3) ")
	host_run a kill -KILL "$old"
	check wait_until 15 changed n3 "$old"
	check_eq "$(node_ip a n3)" "$ip"
	check_eq "$(control_node control n3 | jq -r .node_key)" "$key"
	check host_docker a exec n3 ping -c 1 -W 5 "$(node_ip a n4)"
	check wait_until 15 host_docker a exec n4 ping -c 1 -W 1 "$ip"
	check_eq "$(all_nodes | grep -v "^$(endpoint_of a n3) ")" "$before" "the other nodes"
}

kill_supervise() {
	local before old endpoint supervisor
	endpoint=$(endpoint_of a n5)
	old=$(node_pid n5)
	before=$(all_nodes | grep -v "^$endpoint ")
	supervisor=$(pids "s6-supervise $endpoint")
	host_run a kill -KILL "$supervisor"
	# It takes its tailscaled along, so that there are never two.
	check wait_until 5 not host_run a test -e "/proc/$old"
	check wait_until 15 changed n5 "$old"
	check host_docker a exec n5 ping -c 1 -W 5 "$(node_ip a n4)"
	check_eq "$(pids "s6-supervise $endpoint" | wc -l)" 1
	check_eq "$(all_nodes | grep -v "^$endpoint ")" "$before" "the other nodes"
}

kill_logger() {
	local before endpoint
	endpoint=$(endpoint_of a n6)
	before=$(all_nodes)
	host_run a kill -KILL "$(host_run a s6-svstat -o pid "/run/tslink/endpoint/$endpoint/log")"
	check wait_until 5 host_run a s6-svwait -t 4000 -u "/run/tslink/endpoint/$endpoint/log"
	check_eq "$(all_nodes)" "$before"
}

kill_dockerd() {
	local before
	before=$(all_nodes)
	host_engine_kill a
	check host_run a nsenter --net="$(host_run a cat "/run/tslink/endpoint/${before%% *}/env/NETNS")" ping -c 1 -W 5 "$(node_ip b far)"
	check wait_until 10 not host_run a test -e /run/tslink/docker/serving
	host_engine_start a --live-restore
	check wait_until 15 host_run a test -e /run/tslink/docker/serving
	check_eq "$(all_nodes)" "$before"
	check new_container
	check_eq "$(host_docker a ps -q | wc -l)" 12
	check host_docker a exec n7 ping -c 1 -W 5 "$(node_ip b far)"
	check host_docker a exec n7 ping -c 1 -W 2 n8
	# And a plain restart of the engine.
	host_engine_stop a
	host_engine_start a --live-restore
	check wait_until 15 host_run a test -e /run/tslink/docker/serving
	check_eq "$(all_nodes)" "$before"
	check new_container
}

kill_containers() {
	local old
	old=$(endpoint_of a n9)
	host_docker a kill n9
	check wait_until 10 not host_run a test -e "/run/tslink/endpoint/$old"
	host_docker a start n9
	check_eq "$(note_of a n9 state)" running
	check host_docker a exec n9 ping -c 1 -W 5 "$(node_ip b far)"
}

control_restart() {
	local before
	before=$(all_nodes)
	check wait_direct a n7 "$(node_ip a n8)"
	check host_docker a exec n7 ping -c 1 -W 5 "$(node_ip a n8)"
	control_stop control
	# Who is on the tailnet stays there.
	check host_docker a exec n7 ping -c 1 -W 5 "$(node_ip a n8)"
	control_start control
	check new_container
	check_eq "$(all_nodes)" "$before"
}

removed() {
	local began
	began=$(now_ms)
	# shellcheck disable=SC2086 # words
	host_docker a rm -f $many >/dev/null
	note "docker rm -f of a dozen: $(($(now_ms) - began)) ms"
	host_docker b rm -f far
	for host in a b; do
		host_docker "$host" network rm tailnet
		check_eq "$(traces "$host")" "" "$host"
		check_eq "$(complaints "$host" | sed '/GET \/events: /d; /tailscaled was killed by signal 9/d')" "" "$host"
		tslink_stop "$host"
		check_not host_run "$host" pgrep -l '^(s6-|tslink-|tailscaled)'
	done
}

world_start
test_case "two hosts" starts
test_case "a dozen containers at once" dozen
test_case "nodes on two hosts meet on a direct path" other_host
test_case "s6-ipcserverd is killed" kill_ipcserverd
test_case "the keeper of the socket is killed" kill_fdholder
test_case "a tslink-driver is killed" kill_driver
test_case "tslink-watch is killed" killed_watch
test_case "a tailscaled is killed" kill_tailscaled
test_case "an s6-supervise is killed" kill_supervise
test_case "a logger is killed" kill_logger
test_case "dockerd is killed, and restarted" kill_dockerd
test_case "a container dies, and is started again" kill_containers
test_case "the control server restarts" control_restart
test_case "nothing is left, and nothing was wrong" removed
finish
