#!/bin/bash
# SPDX-License-Identifier: ISC
#
# A real engine, and a stand-in for tailscaled that fails in ways the real one cannot be made to: what Docker's user sees then, and that
# every deadline of ours holds against a daemon that never answers and one that ignores SIGTERM.
# shellcheck disable=SC2317 # test_case calls the functions
set -euo pipefail
# shellcheck source=tests/tslink.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tslink.sh"

# standin NODE ORDER...: what the stand-in of this node is to do wrong, from its first start on (an identity that nobody owns yet is taken as it is)
standin() {
	local dir=/var/lib/tslink/by-hostname/$1/node
	shift
	host_run a mkdir -p -m 700 "$dir"
	printf '%s\n' "$@" | host_run a sh -c "cat >'$dir/standin.conf.new' && chmod 644 '$dir/standin.conf.new' && mv '$dir/standin.conf.new' '$dir/standin.conf'"
}

stopwatch() { # stopwatch COMMAND...: prints the milliseconds that it took
	local begin
	begin=$(now_ms)
	"$@" >/dev/null
	echo $(($(now_ms) - begin))
}

between() {
	if [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]; then return; fi
	echo "$4: $1, not from $2 to $3"
	return 1
}

run_node() { # run_node NAME [DOCKER-OPTION...]
	local name=$1
	shift
	host_docker a run -d --name "$name" --network net "$@" bb sleep 1000
}

state_is() { [ "$(note_of a "$1" state)" = "$2" ]; }

network() {
	host_start a
	mkdir "$WORLD/standin"
	cp "$TSLINK_BUILD/tests/integration/standin-tailscaled" "$WORLD/standin/tailscaled"
	tslink_start a TS_PATH="$WORLD/standin" TS_AUTHKEY=tskey-of-a-test
	tslink_run a tslink-init -w -c "$WORLD/host/a.tslink.env"
	host_docker a network create --driver tslink --opt tslink.login-server=http://192.168.77.250:8080 net
}

comes_up() {
	run_node one
	check state_is one running
	check_match "$(node_ip a one)" '^100\.'
	check_eq "$(host_docker a inspect -f '{{.State.Running}}' one)" true
}

# The order of what is asked is Docker's; the answer to the last is the truth of the files.
is_shown() {
	local endpoint network
	endpoint=$(host_docker a inspect -f '{{.NetworkSettings.Networks.net.EndpointID}}' one)
	network=$(host_docker a network inspect -f '{{.Id}}' net)
	check_match "$(plugin_call EndpointOperInfo "{\"NetworkID\":\"$network\",\"EndpointID\":\"$endpoint\"}" a)" \
		'"state": ?"running".*"tailscale_ip": ?"100\.'
}

refused_key() {
	local took
	standin refused 'refuse invalid key: API key does not exist'
	took=$(stopwatch run_node refused)
	between "$took" 0 6000 "ms for a start with a refused key, while the gate would wait for 10 s"
	wait_until 10 state_is refused failed
	check_match "$(note_of a refused error)" 'API key does not exist'
	host_docker a rm -f refused
}

refused_start() {
	local said
	standin required 'refuse invalid key: API key does not exist'
	said=$(run_node required --label tslink.require=true 2>&1) && { echo "it started: $said"; return 1; }
	check_match "$said" 'tslink\.require.*required.*API key does not exist'
	host_docker a rm -f required
	check_eq "$(host_run a ls /run/tslink/endpoint | wc -l)" 1 "endpoints that are left"
}

gate_times_out() {
	local took
	standin silent 'hang status'
	took=$(stopwatch run_node silent --label tslink.wait=2)
	between "$took" 2000 6000 "ms for a start whose node never answers, with tslink.wait=2"
	check_eq "$(host_docker a inspect -f '{{.State.Running}}' silent)" true
	check_not state_is silent running
}

# One wait on this network ran out: the next does not wait, until a node came up again.
gate_remembers() {
	local took
	standin offline offline
	took=$(stopwatch run_node offline --label tslink.wait=20)
	between "$took" 0 3000 "ms for a start after one that waited in vain"
	standin offline ''
	wait_until 40 state_is offline running
	host_docker a rm -f offline
}

stops_in_time() {
	local took
	standin stubborn ignore-term
	run_node stubborn
	took=$(stopwatch host_docker a rm -f stubborn)
	between "$took" 0 8000 "ms for the removal of a container whose tailscaled ignores SIGTERM"
	note "removed after $took ms"
	took=$(stopwatch host_docker a rm -f silent)
	between "$took" 0 8000 "ms for the removal of a container whose tailscaled hangs"
}

dies_again_and_again() {
	standin mortal 'die-after 200'
	run_node mortal --label tslink.wait=0
	wait_until 30 state_is mortal failed
	check_match "$(note_of a mortal error)" 'killed by signal 9.*five times in 30 s'
	host_run a cat "/run/tslink/endpoint/$(endpoint_of a mortal)/data/tally" | while read -r line; do note "$line"; done
	standin mortal ''
	tslink_run a tslink-start "$(endpoint_of a mortal)"
	wait_until 20 state_is mortal running
	check_eq "$(host_run a ls "/run/tslink/endpoint/$(endpoint_of a mortal)/data" | grep -c '^error$' || :)" 0 "error files"
	host_docker a rm -f mortal
}

dies_once() {
	local endpoint pid
	endpoint=$(endpoint_of a one)
	pid=$(host_run a s6-svstat -o pid "/run/tslink/service/$endpoint")
	host_run a kill -KILL "$pid"
	wait_until 10 another_pid "$endpoint" "$pid"
	wait_until 20 state_is one running
}

another_pid() { [ "$(host_run a s6-svstat -o pid "/run/tslink/service/$1")" != "$2" ] && state_is one running; }

# Bodies that no engine would send, and calls for what nobody knows.
odd_calls() {
	local id
	id=$(printf '%064d' 7)
	for method in Leave DeleteEndpoint EndpointOperInfo ProgramExternalConnectivity RevokeExternalConnectivity; do
		check_not grep -q Err <<<"$(plugin_call "$method" "{\"NetworkID\":\"$id\",\"EndpointID\":\"$id\"}" a)"
	done
	check_not grep -q Err <<<"$(plugin_call DeleteNetwork "{\"NetworkID\":\"$id\"}" a)"
	check_match "$(plugin_call CreateEndpoint "{\"NetworkID\":\"$id\",\"EndpointID\":\"$id\",\"Interface\":{}}" a)" 'Err.*not known here'
	check_match "$(plugin_call Join "{\"NetworkID\":\"$id\",\"EndpointID\":\"$id\",\"SandboxKey\":\"/run/docker/netns/0123456789ab\"}" a)" 'Err.*not known'
	check_match "$(plugin_call Join '{' a)" 'Err'
	check_match "$(plugin_call Join '' a)" 'Err.*without a body'
	check_match "$(plugin_call NoSuchMethod '{}' a)" 'Err.*no method'
	check_eq "$(host_run a ls /run/tslink/endpoint | wc -l)" 1 "endpoints that are left"
}

# All are open before the first one asks.
thousand_connections() {
	host_run a python3 - <<-'END'
		import resource, socket
		resource.setrlimit(resource.RLIMIT_NOFILE, (2048, 2048))
		peers = []
		for _ in range(1000):
		    s = socket.socket(socket.AF_UNIX)
		    s.settimeout(60)
		    s.connect("/run/docker/plugins/tslink.sock")
		    peers.append(s)
		for s in peers:
		    s.sendall(b"POST /NetworkDriver.GetCapabilities HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
		answers = 0
		for s in peers:
		    text = b""
		    while piece := s.recv(4096):
		        text += piece
		    answers += text.startswith(b"HTTP/1.1 200") and b'"Scope"' in text
		assert answers == 1000, f"{answers} of 1000 connections were answered"
	END
}

all_gone() {
	host_docker a rm -f one
	host_docker a network rm net
	check_eq "$(host_run a sh -c 'ls /run/tslink/endpoint /run/tslink/subnet /run/tslink/sandbox /run/tslink/gate | grep -v -e : -e "^$" | wc -l')" 0 "leftovers"
	check_eq "$(host_run a ip -o link | grep -c tsl- || :)" 0 "interfaces"
	check_eq "$(host_run a ls /run/tslink/service | tr '\n' ' ')" 'driver fetch socket watch '
	tslink_stop a
	check_not host_run a test -e /run/docker/plugins/tslink.sock
}

world_start --bare
test_case "a network is made" network
test_case "a node comes up" comes_up
test_case "EndpointOperInfo tells state and address" is_shown
test_case "a refused key opens the gate, and is told" refused_key
test_case "with tslink.require a refused key refuses the start" refused_start
test_case "the gate opens when the wait is over" gate_times_out
test_case "after a wait in vain nobody waits until a node is up" gate_remembers
test_case "a stop is bounded, whatever tailscaled does" stops_in_time
test_case "five deaths are the end, until somebody starts it again" dies_again_and_again
test_case "one death is not" dies_once
test_case "odd calls" odd_calls
test_case "a thousand connections at once" thousand_connections
test_case "all is gone at the end" all_gone
finish
