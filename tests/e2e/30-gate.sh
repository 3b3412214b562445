#!/bin/bash
# SPDX-License-Identifier: ISC
#
# The gate: on Docker 28 and later the tailnet is there at a container's first instruction, and nobody waits longer than was asked for.
# shellcheck disable=SC2317 # test_case calls the functions
set -euo pipefail
# shellcheck source=tests/tslink.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tslink.sh"

# What a start may take beside its wait, on a busy machine: less than any wait that is to be told from none.
AT_ONCE=3500

# took COMMAND...: run it, and leave in $WORLD/took how long it took
took() {
	local began status=0
	began=$(now_ms)
	"$@" || status=$?
	echo "$(($(now_ms) - began))" >"$WORLD/took"
	return "$status"
}

# check_took MIN MAX WHAT: of the command that ran last
check_took() {
	local ms
	ms=$(<"$WORLD/took")
	note "$3: $ms ms"
	if [ "$ms" -lt "$1" ] || [ "$ms" -gt "$2" ]; then
		check_failed "$3 took $ms ms, not $1 to $2"
	fi
}

# run_on NETWORK NAME [OPTION...]: a container of that name on host a, the time in $WORLD/took
run_on() {
	local network=$1 name=$2
	shift 2
	took host_docker a run -d --name "$name" --network "$network" "$@" bb sleep 1000
}

remove() { host_docker a rm -f "$@" >/dev/null; }

serves() { host_run "$1" test -e /run/tslink/docker/serving; }

starts() {
	host_start "$1" "$2"
	tslink_start "$1"
	wait_until 10 serves "$1"
}

# networks OF HOST: those that the cases need, while there is a control server to make keys
networks() {
	tailnet a tailnet control
	tailnet a short control --opt tslink.wait=4
	tailnet a free control --opt tslink.wait=0
	tailnet a must control --opt tslink.wait=4 --opt tslink.require=true
	tailnet a long control --opt tslink.wait=25
	host_docker a run -d --name peer --network tailnet bb sleep 1000
	node_ip a peer >"$WORLD/peer"
}

first_instruction() {
	local i lost=0
	for i in 1 2 3 4 5 6; do
		if ! took host_docker a run --rm --name "first$i" --network tailnet bb ping -c 1 -W 1 "$(<"$WORLD/peer")"; then
			lost=$((lost + 1))
			# Had the peer heard of it?
			host_run a tail -n 25 "/var/lib/tslink/by-hostname/first$i/debug.log" /var/lib/tslink/by-hostname/peer/debug.log
		fi
		note "docker run ping, a fresh node: $(<"$WORLD/took") ms"
	done
	check_eq "$lost" 0 "containers whose first packet was lost"
}

first_instruction_again() {
	local n
	host_docker a create --name again --network tailnet bb ping -c 1 -W 1 "$(<"$WORLD/peer")"
	for n in 1 2 3 4; do
		check_match "$(host_docker a start -a again)" " 0% packet loss" "start $n"
	done
	remove again
}

# Who was in the middle of a talk by a direct path is understood at once, too.
talks_on() {
	local n
	run_on tailnet talker
	for n in 1 2 3; do
		wait_direct a talker "$(<"$WORLD/peer")"
		host_docker a restart -t 0 talker
		check_match "$(host_docker a exec talker ping -c 1 -W 1 "$(<"$WORLD/peer")")" " 0% packet loss" "restart $n"
	done
	remove talker
}

# The first bytes are those of a connection, by the peer's name, from a container with published ports.
first_connection() {
	host_docker a run -d --name page --network tailnet bb sh -c 'echo page >/var/www/index.html; exec httpd -f -h /var/www'
	check_eq "$(host_docker a run --rm --name reader -p 8001:80 --network tailnet bb wget -qO - "http://$(node_ip a page)/")" page
	remove page
}

# refused REGEX NETWORK [OPTION...]: the start is refused, Docker shows the reason
refused() {
	local reason=$1 network=$2 status=0
	shift 2
	traces a >"$WORLD/before"
	took host_docker a run --name refused --network "$network" "$@" bb touch /ran 2>"$WORLD/refusal" || status=$?
	host_docker a inspect -f '{{.State.Status}} {{.State.Pid}}' refused >"$WORLD/never"
	remove refused
	check_eq "$status" 125
	check_match "$(<"$WORLD/refusal")" "$reason"
	check_eq "$(<"$WORLD/never")" "created 0"
	check_eq "$(traces a)" "$(<"$WORLD/before")" "traces after the refusal"
}

NOT_IN_TIME='tslink.require is set, and refused(-[0-9])? is not on its tailnet in time: .*control server http://192.168.77.11:8080'

require_of_the_network() {
	refused "$NOT_IN_TIME" must
	check_took 3900 "$((4000 + AT_ONCE))" "the refusal"
}

require_of_a_label() {
	refused "$NOT_IN_TIME" long --label tslink.require=true --label tslink.wait=4
	check_took 3900 "$((4000 + AT_ONCE))" "the refusal"
}

require_of_a_driver_opt() {
	refused "$NOT_IN_TIME" name=long,driver-opt=tslink.require=true,driver-opt=tslink.wait=4
	check_took 3900 "$((4000 + AT_ONCE))" "the refusal"
}

# A label cannot waive what the network requires.
require_stays() {
	refused "$NOT_IN_TIME" must --label tslink.require=false
}

starts_at_once() {
	run_on free free1
	check_took 0 "$AT_ONCE" "network with wait=0"
	run_on long free2 --label tslink.wait=0
	check_took 0 "$AT_ONCE" "label wait=0"
	run_on name=long,driver-opt=tslink.wait=0 free3
	check_took 0 "$AT_ONCE" "driver-opt wait=0"
	remove free1 free2 free3
}

bound_of_the_network() {
	run_on free bound1 --label tslink.wait=20
	check_took 0 "$AT_ONCE" "wait=0, label wait=20"
	run_on short bound2 --label tslink.wait=1
	check_took 900 "$((1000 + AT_ONCE))" "wait=4, label wait=1"
	remove bound1 bound2
}

# forget_waits NETWORK: as if none had been in vain
forget_waits() { host_run a rm -f "/run/tslink/gate/$(host_docker a network inspect -f '{{.Id}}' "$1")"; }

# After one wait in vain the next containers of this network need not try.
waits_once() {
	forget_waits short
	run_on short once1 --label tslink.wait=20
	check_took 3900 "$((4000 + AT_ONCE))" "wait=4, label wait=20"
	run_on short once2
	check_took 0 "$AT_ONCE" "the next one"
	check host_docker a exec once2 true
	run_on long once3 --label tslink.wait=1
	check_took 900 "$((1000 + AT_ONCE))" "one on another network"
	remove once3
}

# Who requires its node gets its own wait nevertheless.
require_after_a_wait() {
	refused "tslink.require is set, and refused(-[0-9])? is not on its tailnet in time: " short --label tslink.require=true
	check_took 3900 "$((4000 + AT_ONCE))" "the refusal"
}

waits_again() {
	control_start
	node_ip a once1
	node_ip a once2
	control_stop
	run_on short once4
	check_took 3900 "$((4000 + AT_ONCE))" "after a node came up"
	remove once1 once2 once4
}

default_wait() {
	run_on tailnet default
	check_took 9900 "$((10000 + AT_ONCE))" "the default wait"
	check_match "$(note_of a default error)" "control server http://192.168.77.11:8080"
	check_eq "$(note_of a default state)" waiting
	remove default
}

labels_of_the_image() {
	host_docker a import --change 'LABEL tslink.wait=0 tslink.require=true tslink.hostname=evil' - labelled <"$TSLINK_CACHE/image/bb.tar"
	forget_waits short
	took host_docker a run -d --name labels --network short labelled sleep 1000
	check_took 3900 "$((4000 + AT_ONCE))" "an image that wants no wait"
	check_eq "$(note_of a labels hostname)" labels
	for label in wait require hostname; do
		check_match "$(note_of a labels warning)" "label tslink.$label does not count: it is the image's own"
	done
	remove labels
	# Said again by the container, with another value, it counts.
	forget_waits long
	took host_docker a run -d --name labels --network long --label tslink.wait=1 --label tslink.require=false --label tslink.hostname=good \
		labelled sleep 1000
	check_took 900 "$((1000 + AT_ONCE))" "an image's labels overruled"
	check_eq "$(note_of a labels hostname)" good
	check_not note_of a labels warning 2>/dev/null
	remove labels
}

# check_opens NETWORK REGEX: a node that fails for good opens the gate at once
check_opens() {
	run_on "$1" hopeless
	check_took 0 5000 "with a wait of 25 s and a hopeless key"
	check_eq "$(note_of a hopeless state)" failed
	check_match "$(note_of a hopeless error)" "$2"
	note "$(note_of a hopeless error)"
	remove hopeless
}

wrong_key() {
	local key reason='refuses the auth key.*valid one into /var/lib/tslink/network/[0-9a-f]*/authkey'
	key=$(control_key control)
	host_docker a network create --driver tslink --opt tslink.wait=25 --opt "tslink.authkey=${key%????}0000" \
		--opt "tslink.login-server=$(control_url)" wrong
	check_opens wrong "$reason"
	refused "tslink.require is set, and refused(-[0-9])? cannot come up: .*$reason" wrong --label tslink.require=true
	check_took 0 5000 "the refusal"
	host_docker a network rm wrong
}

# A key for one node that one has used.
used_key() {
	host_docker a network create --driver tslink --opt tslink.wait=25 --opt "tslink.authkey=$(control_key control)" \
		--opt "tslink.login-server=$(control_url)" single
	run_on single user
	check_eq "$(note_of a user state)" running
	check_opens single "refuses the auth key"
	remove user
	host_docker a network rm single
}

# --- many ---

REAL=30
FAKE=70

fake_join() {
	local network
	network=$(host_docker a network inspect -f '{{.Id}}' long)
	# Endpoints that no container has, in network namespaces of their own, by the plugin's socket.
	# shellcheck disable=SC2016 # for the inner shell
	host_spawn a fakes bash -c '
		for n in $(seq "$1"); do
			id=$(printf "fa4e%08x%052x" "$n" 0)
			ip netns add "fake$n"
			call() { curl -s -m 60 --unix-socket /run/docker/plugins/tslink.sock -d "$2" "http://plugin/NetworkDriver.$1"; }
			call CreateEndpoint "{\"NetworkID\":\"$2\",\"EndpointID\":\"$id\",\"Interface\":{\"Address\":\"172.31.9.$n/16\"},\"Options\":{}}"
			call Join "{\"NetworkID\":\"$2\",\"EndpointID\":\"$id\",\"SandboxKey\":\"/run/netns/fake$n\",\"Options\":{}}" &
		done
		wait' - "$FAKE" "$network" >"$WORLD/fakes.pid"
}

fakes_leave() {
	local network
	network=$(host_docker a network inspect -f '{{.Id}}' long)
	# shellcheck disable=SC2016 # for the inner shell
	host_run a bash -c '
		for n in $(seq "$1"); do
			id=$(printf "fa4e%08x%052x" "$n" 0)
			for method in Leave DeleteEndpoint; do
				curl -s -f -m 60 --unix-socket /run/docker/plugins/tslink.sock -d "{\"NetworkID\":\"$2\",\"EndpointID\":\"$id\"}" \
					"http://plugin/NetworkDriver.$method" >/dev/null || exit
			done &
			[ "$(jobs -r | wc -l)" -lt 16 ] || wait -n
		done
		wait
		for n in $(seq "$1"); do ip netns delete "fake$n"; done' - "$FAKE" "$network"
}

# joins_waiting COUNT: so many requests are under way, in as many processes
joins_waiting() { [ "$(host_run a pgrep -cx tslink-driver)" -ge "$1" ]; }

# all_created COUNT: so many containers wait for their Join
all_created() { [ "$(host_docker a ps -aq --filter name=many --filter status=created | wc -l)" -ge "$1" ]; }

others_start() {
	local n
	for n in 1 2 3; do
		took host_docker a run --rm bb true
		check_took 0 "$AT_ONCE" "docker run on the bridge, $1"
	done
}

# The watch would remove endpoints that Docker does not know.
watch_pid() { host_run a s6-svstat -o pid /run/tslink/service/watch; }

many_wait() {
	local n began
	host_run a kill -STOP "$(watch_pid)"
	forget_waits long
	host_docker a run -d --name bystander bb sleep 1000
	others_start "alone"
	for n in $(seq "$REAL"); do
		host_docker a create --name "many$n" --network long bb sleep 1000 >/dev/null
	done
	began=$(now_ms)
	for n in $(seq "$REAL"); do
		start_by_api "many$n" &
	done
	wait_until 20 joins_waiting "$REAL"
	# The others have nobody behind them who could become a node, and need no s6-supervise that would try.
	host_run a kill -STOP "$(<"$WORLD/host/a.tslink.pid")"
	fake_join
	wait_until 20 joins_waiting "$((REAL + FAKE))"
	note "$((REAL + FAKE)) Joins are waiting after $(($(now_ms) - began)) ms"
	check all_created "$REAL"
	others_start "while $((REAL + FAKE)) wait"
	took host_docker a stop -t 0 bystander
	check_took 0 "$AT_ONCE" "docker stop while $((REAL + FAKE)) wait"
	took host_docker a ps -q >/dev/null
	check_took 0 "$AT_ONCE" "docker ps while $((REAL + FAKE)) wait"
	check joins_waiting "$((REAL + FAKE))"
	host_run a kill -CONT "$(<"$WORLD/host/a.tslink.pid")"
	wait
	check_eq "$(host_docker a ps -q --filter name=many | wc -l)" "$REAL" "containers that run in the end"
	wait_until 30 not host_run a test -e "/proc/$(<"$WORLD/fakes.pid")"
}

# start_by_api CONTAINER: as docker start does, without a docker for each
start_by_api() {
	host_run a curl -s -f -m 60 --unix-socket /run/docker.sock -X POST "http://docker/containers/$1/start" >/dev/null
}

many_go() {
	local names
	# In case that many_wait failed.
	host_run a kill -CONT "$(<"$WORLD/host/a.tslink.pid")"
	names=$(seq -f 'many%g' "$REAL")
	# shellcheck disable=SC2086 # words
	took host_docker a rm -f $names bystander >/dev/null
	check_took 0 60000 "docker rm -f of $REAL"
	took fakes_leave
	check_took 0 60000 "Leave and DeleteEndpoint of $FAKE"
	host_run a kill -CONT "$(watch_pid)"
	check_eq "$(host_run a sh -c 'ls /run/tslink/endpoint')" "$(endpoint_of a peer)"
}

# --- while Docker boots ---

# boot HOST: a power cut, and the start as systemd orders it: tslink before Docker
boot() {
	host_kill "$1"
	host_boot "$1"
	tslink_start "$1"
	took host_engine_start "$1"
}

start_at_boot() {
	local n
	starts c 28.5
	tailnet c tailnet control
	tailnet c must control --opt tslink.require=true --opt tslink.wait=20
	for n in 1 2 3 4; do
		host_docker c run -d --name "boots$n" --restart always --network tailnet bb \
			sh -c "ping -c 1 -W 1 $(<"$WORLD/peer") >/dev/null && echo reached >>/lives || echo lost >>/lives; exec sleep 1000"
	done
	host_docker c run -d --name must --restart always --network must bb sleep 1000
	for n in boots1 boots2 boots3 boots4 must; do
		node_ip c "$n"
	done
}

pinged_twice() { [ "$(host_docker c exec "$1" wc -l /lives)" = "2 /lives" ]; }

boot_with_control() {
	local n
	boot c
	check_took 0 15000 "boot of five containers, control server up"
	for n in 1 2 3 4; do
		wait_until 5 pinged_twice "boots$n"
		check_eq "$(host_docker c exec "boots$n" cat /lives)" reached$'\n'reached "first instruction of boots$n, and at boot"
	done
	check_eq "$(node_ip c must)" "$(control_node control must | jq -r '.ip_addresses[0]')"
}

runs() { [ "$(host_docker "$1" inspect -f '{{.State.Running}}' "$2")" = true ]; }

boot_without_control() {
	local n
	boot c
	check_took 0 15000 "boot of five containers, control server down"
	for n in boots1 boots2 boots3 boots4 must; do
		wait_until 5 runs c "$n"
		check_eq "$(host_docker c inspect -f '{{.RestartCount}} {{.State.Error}}' "$n")" "0 "
	done
	control_start
	for n in boots1 boots2 boots3 boots4 must; do
		node_ip c "$n"
	done
	host_kill c
}

# --- engines that make the netns too late ---

older_engine() {
	starts "$1" "$2"
	tailnet "$1" old control --opt tslink.require=true --opt tslink.wait=25
	control_stop
	took host_docker "$1" run -d --name old --network old bb sleep 1000
	check_took 0 8000 "engine $2: docker run, control server down"
	check runs "$1" old
	control_start
	node_ip "$1" old
	host_kill "$1"
}

world_start
test_case "28.5: a host with tslink" starts a 28.5
test_case "networks with and without a wait" networks
test_case "the first instruction of a fresh container reaches a peer" first_instruction
test_case "and so it does after docker start" first_instruction_again
test_case "and after docker restart, in the middle of a talk" talks_on
test_case "the first connection, of a container with published ports" first_connection
test_case "a wrong key opens the gate at once, or refuses the start" wrong_key
test_case "a key that is used up" used_key
test_case "containers that start at boot" start_at_boot
test_case "boot: the first instruction reaches a peer" boot_with_control
control_stop
test_case "control server down: the network requires its nodes" require_of_the_network
test_case "control server down: a label requires it" require_of_a_label
test_case "control server down: a driver-opt requires it" require_of_a_driver_opt
test_case "a label does not waive what the network requires" require_stays
test_case "wait=0 starts at once" starts_at_once
test_case "a label narrows the network's wait and cannot widen it" bound_of_the_network
test_case "after one wait in vain nobody waits" waits_once
test_case "but who requires its node" require_after_a_wait
test_case "until a node came up again" waits_again
test_case "the default wait is 10 s" default_wait
test_case "labels of the image do not count" labels_of_the_image
test_case "$((REAL + FAKE)) waiting starts delay nobody else" many_wait
test_case "and go in peace" many_go
test_case "boot, control server down: short waits, and no refusal" boot_without_control
test_case "26.1 cannot wait: the node follows" older_engine d 26.1
test_case "20.10 cannot wait: the node follows" older_engine e 20.10
finish
