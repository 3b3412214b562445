#!/bin/bash
# SPDX-License-Identifier: ISC
#
# tslink-watch and tslink-lookup, against a stand-in for dockerd (fake-engine.py) and under a real s6-svscan. Needs root; runs in namespaces
# of its own and makes no test host.
# shellcheck disable=SC2016,SC2317 # scripts for another shell; test_case calls the functions
set -euo pipefail
if [ "${1-}" != inside ] && [ "$(id -u)" = 0 ]; then
	exec unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private "$0" inside
fi
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

build=${TSLINK_BUILD:-$TSLINK_TOP}
PATH=${TSLINK_PREFIX:+$TSLINK_PREFIX/sbin:}$build/bin:$build:$PATH

[ "$(id -u)" = 0 ] || skip_all "needs root"
ip link set lo up

# --- a tree, an engine --------------------------------------------------------------------------------------------------------------------

dir=$(mktemp -d "${TMPDIR:-/tmp}/tslink-watch.XXXXXX")
run=$dir/run
data=$dir/data
engine=$dir/engine
socket=$dir/docker/docker.sock
log=$dir/watch.log
printf -v padding '%052d' 0

# The namespaces end all processes and mounts.
clean_up() {
	local status=$?
	set +e
	umount -l "$run" "$dir"/netns/*[0-9]
	rm -rf "$dir"
	(exit "$status")
	test_exit
}
trap clean_up EXIT

# lay_out: as tslink-init does
lay_out() {
	mkdir -p "$run" "$data/network" "$dir/docker" "$dir/netns" "$engine"/{network,container,image} "$dir/docker-root/containers"
	mount -t tmpfs run "$run"
	mkdir "$run"/{env,service,endpoint,sandbox,subnet,lock,svc,docker,gate} "$run/svc/watch"
	setting TSLINK_NAME watchtest
	setting TSLINK_IFPREFIX tw
	setting TSLINK_SUBNET 10.200.0.0/16
	setting TSLINK_SOCKET /run/docker/plugins/watchtest.sock
	setting TS_DATA_DIR "$data"
	setting DOCKER_HOST "unix://$socket"
	cat >"$run/svc/watch/run" <<-END
		#!/bin/sh
		exec tslink-watch -s -t "\$(cat rounds)" -r ../.. >>$log 2>&1
	END
	chmod 755 "$run/svc/watch/run"
	echo 3 >"$run/svc/watch/notification-fd"
	echo 3600 >"$run/svc/watch/rounds"
	mkfifo "$engine/events"
	: >"$engine/requests"
	engine_is 28.5.2 "$dir/docker-root"
}

setting() { printf '%s\n' "$2" >"$run/env/$1"; }

engine_is() { jq -n --arg v "$1" --arg r "$2" '{ID: "x", ServerVersion: $v, DockerRootDir: $r}' >"$engine/info.json"; }

# endpoint_id KEY, network_id DIGIT
endpoint_id() { printf '%s%s\n' "$1" "$padding"; }
network_id() { printf "%.0s$1" {1..64}; }

# docker_network DIGIT [KEY...]: Docker has this network with these endpoints; the first one's container starts just now
docker_network() {
	local id containers='{}' key number=0
	id=$(network_id "$1")
	for key in "${@:2}"; do
		if [ "$number" = 0 ]; then
			containers=$(jq --arg e "$(endpoint_id "$key")" '.["ep-" + $e] = {Name: "starting", EndpointID: $e}' <<<"$containers")
		else
			containers=$(jq --arg e "$(endpoint_id "$key")" --arg c "$(endpoint_id "c$(printf '%011d' "$number")")" \
				'.[$c] = {Name: "c", EndpointID: $e}' <<<"$containers")
		fi
		number=$((number + 1))
	done
	jq -n --arg id "$id" --arg name "net$1" --argjson containers "$containers" '{Id: $id, Name: $name, Driver: "watchtest",
		Options: {"tslink.authkey": "tskey-secret"}, Containers: $containers}' >"$engine/network/.new"
	mv "$engine/network/.new" "$engine/network/$id.json"
}

no_docker_network() { rm -f "$engine/network/$(network_id "$1").json"; }

# a_network DIGIT: its record, made an hour ago, and the network in Docker
a_network() {
	local record
	record=$data/network/$(network_id "$1")
	mkdir -p "$record"
	echo "172.30.$1.1/24" >"$record/gateways"
	echo tskey-secret >"$record/authkey"
	echo 1 >"$record/format"
	touch -d '1 hour ago' "$record/format"
	docker_network "$@"
}

# an_endpoint KEY DIGIT [COMMAND]: its service directory, made a minute ago, not linked; what it runs
an_endpoint() {
	local e=$run/endpoint/$1
	mkdir -p "$e/env" "$e/data"
	endpoint_id "$1" >"$e/env/ENDPOINT"
	network_id "$2" >"$e/env/NETWORK"
	echo running >"$e/data/state"
	printf '#!/bin/sh\n%s\n' "${3:-exec sleep 100000}" >"$e/run"
	chmod 755 "$e/run"
	touch -d '1 minute ago' "$e/env/ENDPOINT"
}

# in_sandbox KEY: as after Join
in_sandbox() {
	: >"$dir/netns/$1"
	unshare --net="$dir/netns/$1" true
	echo "$dir/netns/$1" >"$run/endpoint/$1/env/NETNS"
}

linked() { [ -L "$run/service/$1" ]; }
link_it() { ln -s "../endpoint/$1" "$run/service/$1" && s6-svscanctl -a "$run/service" && wait_until 5 up "$1"; }
up() { [ "$(s6-svstat -o up "$run/endpoint/$1" 2>/dev/null)" = true ]; }
here() { [ -e "$run/endpoint/$1" ]; }
not_here() { ! here "$1"; }
serving() { [ -e "$run/docker/serving" ]; }
not_serving() { ! serving; }
main_pid() { s6-svstat -o pid "$run/endpoint/$1"; }

start_engine() {
	rm -f "$socket"
	"$TSLINK_TOP/tests/integration/fake-engine.py" "$socket" "$engine" >>"$dir/engine.log" 2>&1 &
	echo "$!" >"$dir/engine.pid"
}
stop_engine() {
	local pid
	pid=$(<"$dir/engine.pid")
	kill "$pid"
	wait_until 5 gone "$pid"
}

event() { printf '%s\n' "$1" >"$engine/events"; }
network_event() { event '{"Type":"network","Action":"'"$1"'","Actor":{"ID":"'"$(network_id "$2")"'","Attributes":{"type":"'"${3:-watchtest}"'"}},"timeNano":1}'; }

# lists: how often Docker was asked for its networks: the first question of each pass
lists() { grep -c '^/networks?' "$engine/requests" || :; }
more_lists() { [ "$(lists)" -gt "$1" ]; }
now() { s6-svc -h "$run/svc/watch"; }

# a_pass: a whole one, from beginning to end: the next one begins after its end
a_pass() {
	local before
	for _ in 1 2; do
		before=$(lists)
		now
		wait_until 10 more_lists "$before"
	done
}

# said N REGEX: the log says it so often
said() { [ "$(grep -cE -e "$2" "$log")" = "$1" ]; }

# asked N REGEX: of the engine, so often
asked() { [ "$(grep -cE -e "$2" "$engine/requests")" -ge "$1" ]; }

lay_out
s6-svscan -c 100 "$run/service" >>"$dir/svscan.log" 2>&1 &

# --- without Docker -----------------------------------------------------------------------------------------------------------------------

starts_without_docker() {
	: >"$run/docker/serving"
	an_endpoint a00000000001 1
	in_sandbox a00000000001
	an_endpoint a00000000002 1
	ln -s ../svc/watch "$run/service/watch"
	s6-svscanctl -a "$run/service"
	wait_until 5 s6-svok "$run/svc/watch"
	s6-svwait -U -t 10000 "$run/svc/watch"
	# What the disk alone tells is done: the table is there, and the one whose sandbox exists runs.
	check not_serving
	check nft list table inet watchtest
	wait_until 5 up a00000000001
	check_not linked a00000000002
	check here a00000000002
	wait_until 5 said 1 'nobody listens there'
}

repairs_the_table() {
	nft delete table inet watchtest
	now
	wait_until 10 nft list table inet watchtest
}

# --- the stream ---------------------------------------------------------------------------------------------------------------------------

waits_for_a_booting_docker() {
	local began
	a_network 1 a00000000001
	touch "$engine/silent"
	start_engine
	began=$(now_ms)
	# The socket's appearance is seen, so this takes no pause.
	wait_until 5 asked 1 '^/events'
	note "asked $(($(now_ms) - began)) ms after the start of the engine"
	check not_serving
	now
	pause 0.3
	check_not asked 1 '^/(info|networks)'
	rm "$engine/silent"
	wait_until 5 serving
	wait_until 5 asked 1 '^/networks\?'
	wait_until 10 not_here a00000000002
	check_eq "$(cat "$run/docker/root")" "$dir/docker-root"
	check said 1 'this is Docker 28.5.2'
	check_match "$(grep '^/events' "$engine/requests" | tail -n 1)" '"type":\["network","container"\]'
}

follows_after_a_drop() {
	local began streams
	for _ in 1 2 3; do
		streams=$(grep -c '^/events' "$engine/requests")
		event drop
		began=$(now_ms)
		wait_until 5 not_serving
		wait_until 10 asked "$((streams + 1))" '^/events'
		wait_until 10 serving
		note "followed again after $(($(now_ms) - began)) ms"
	done
	check said 3 'Docker has ended the stream'
}

follows_another_engine() {
	local lists began
	lists=$(lists)
	stop_engine
	wait_until 5 not_serving
	engine_is 20.10.24 "$dir/docker-root"
	start_engine
	began=$(now_ms)
	wait_until 10 serving
	note "followed $(($(now_ms) - began)) ms after the start of the engine"
	wait_until 5 more_lists "$lists"
	a_pass
	check said 1 'Docker 20.10.24 starts a container before its node can be up'
	engine_is 28.5.2 "$dir/docker-root"
}

passes_after_events() {
	local lists
	a_pass
	lists=$(lists)
	network_event connect 7 bridge
	event '{"Type":"container","Action":"die","Actor":{"ID":"'"$(network_id 8)"'","Attributes":{}},"timeNano":1}'
	network_event connect 7
	wait_until 5 more_lists "$lists"
	a_pass
	# A swarm of them is one pass, and those of others are none.
	lists=$(lists)
	for _ in {1..20}; do
		network_event connect 7 bridge
	done
	for _ in {1..20}; do
		network_event disconnect 1 something
	done
	wait_until 5 more_lists "$lists"
	note "$(($(lists) - lists)) passes after 40 events"
	check [ "$(($(lists) - lists))" -le 3 ]
	# One of a container that has an endpoint here.
	network_id 5 >"$run/endpoint/a00000000001/env/CONTAINER"
	a_pass
	lists=$(lists)
	event '{"Type":"container","Action":"start","Actor":{"ID":"'"$(network_id 5)"'","Attributes":{}},"timeNano":1}'
	wait_until 5 more_lists "$lists"
}

passes_by_time() {
	local lists
	echo 1 >"$run/svc/watch/rounds"
	s6-svc -r -wR -T 10000 "$run/svc/watch"
	s6-svwait -U -t 10000 "$run/svc/watch"
	lists=$(lists)
	wait_until 10 more_lists "$((lists + 2))"
	echo 3600 >"$run/svc/watch/rounds"
	s6-svc -r -wR -T 10000 "$run/svc/watch"
	wait_until 10 serving
}

# --- endpoints ----------------------------------------------------------------------------------------------------------------------------

removes_what_is_gone() {
	local pid
	a_network 1 a00000000001 b00000000002
	an_endpoint b00000000001 1
	an_endpoint b00000000002 1
	in_sandbox b00000000001
	in_sandbox b00000000002
	link_it b00000000001
	link_it b00000000002
	echo 5 >"$run/endpoint/b00000000001/env/SLOT"
	ln -s ../endpoint/b00000000001/env/UPLINK "$run/subnet/10.200.0.20"
	ln -s ../endpoint/b00000000001 "$run/sandbox/b00000000001"
	ip link add tw-e0005 type veth peer tw-c0005
	ip link add tw-u0005 type veth peer other
	pid=$(main_pid b00000000001)
	: >"$run/lock/b00000000001"
	a_pass
	check not_here b00000000001
	check_not linked b00000000001
	check gone "$pid"
	check_eq "$(find "$run"/{subnet,lock,sandbox} -name b00000000001 -o -name '10.200*')" ""
	check_not ip link show tw-e0005
	check_not ip link show tw-u0005
	check said 1 'endpoint b00000000001: removed'
	# Those that Docker has are as they were, also the one whose container has not been started yet.
	check up b00000000002
	check up a00000000001
	check linked a00000000001
}

removes_with_the_network() {
	an_endpoint b00000000003 9
	link_it b00000000003
	a_pass
	check not_here b00000000003
}

keeps_the_young() {
	an_endpoint b00000000004 1
	touch "$run/endpoint/b00000000004/env/ENDPOINT"
	a_pass
	check here b00000000004
	# It does not wait for the next round to become old.
	touch -d '8 seconds ago' "$run/endpoint/b00000000004/env/ENDPOINT"
	now
	wait_until 10 not_here b00000000004
}

removes_nothing_unanswered() {
	local questions
	an_endpoint b00000000005 1
	link_it b00000000005
	touch "$engine/mute"
	questions=$(wc -l <"$engine/requests")
	now
	wait_until 5 said 1 'GET /networks: no answer in time'
	check here b00000000005
	rm "$engine/mute"
	note "asked meanwhile: $(tail -n "+$((questions + 1))" "$engine/requests" | xargs -d '\n')"
	# An error is no answer, either, nor is a 404 of something that is no Docker.
	echo 500 >"$engine/status"
	now
	wait_until 5 said 1 'status 500'
	check here b00000000005
	: >"$engine/status"
	rm "$engine/status"
	check up b00000000005
	a_pass
	check not_here b00000000005
}

removes_nothing_on_a_late_change() {
	# The pass has read the disk and waits for an answer. Meanwhile one endpoint goes and another one of its name comes, and one gets into a
	# sandbox; being young, they do not go in the next pass either.
	local asked
	an_endpoint b00000000006 1
	an_endpoint b00000000007 1
	touch "$engine/hold"
	asked=$(grep -c "^/networks/$(network_id 1)" "$engine/requests")
	now
	wait_until 5 asked "$((asked + 1))" "^/networks/$(network_id 1)"
	rm -r "$run/endpoint/b00000000006"
	an_endpoint b00000000006 1
	echo /elsewhere >"$run/endpoint/b00000000007/env/NETNS"
	touch "$run/endpoint"/b0000000000[67]/env/ENDPOINT
	rm "$engine/hold"
	wait_until 5 asked "$((asked + 2))" "^/networks/$(network_id 1)"
	a_pass
	check here b00000000006
	check here b00000000007
	touch -d '1 minute ago' "$run/endpoint"/b0000000000[67]/env/ENDPOINT
	a_pass
	check not_here b00000000006
	check not_here b00000000007
}

leaves_a_busy_one_alone() {
	an_endpoint b00000000008 1
	# An open file description lock, as lock_take has.
	python3 - "$run/lock/b00000000008" "$dir/locked" <<-'END' &
		import fcntl, os, struct, sys
		fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
		fcntl.fcntl(fd, fcntl.F_OFD_SETLKW, struct.pack("hhllhh", fcntl.F_WRLCK, 0, 0, 0, 0, 0) + bytes(8))
		os.mkfifo(sys.argv[2])
		open(sys.argv[2]).close()
	END
	wait_until 10 test -p "$dir/locked"
	a_pass
	check here b00000000008
	: >"$dir/locked"
	# It is looked for again soon.
	wait_until 10 not_here b00000000008
	check_not test -e "$run/lock/b00000000008"
}

starts_what_was_missed() {
	an_endpoint c00000000001 2
	in_sandbox c00000000001
	an_endpoint c00000000002 2
	: >"$dir/netns/plain"
	echo "$dir/netns/plain" >"$run/endpoint/c00000000002/env/NETNS"
	an_endpoint c00000000003 2
	in_sandbox c00000000003
	link_it c00000000003
	tslink-stop -r "$run" c00000000003
	check_not linked c00000000003
	a_network 2 c00000000001 c00000000002 c00000000003
	a_pass
	wait_until 5 up c00000000001
	check_eq "$(cat "$run/endpoint/c00000000001/data/state")" starting
	check said 1 'endpoint c00000000001: started'
	check_not linked c00000000002
	# The operator's stop stands until he starts it.
	check_not linked c00000000003
	check_match "$(cat "$run/endpoint/c00000000003/data/stopped")" tslink-start
	tslink-start -r "$run" c00000000003
	wait_until 5 up c00000000003
	check_not test -e "$run/endpoint/c00000000003/data/stopped"
	# Whereas one that lost its link by no stop of anybody's is started again.
	rm "$run/service/c00000000003"
	s6-svscanctl -an "$run/service"
	a_pass
	wait_until 5 up c00000000003
}

tries_the_failed_again() {
	an_endpoint d00000000001 2 'test -e data/good || exit 1; echo starting >data/state; exec sleep 100000'
	printf '#!/bin/sh\necho "the key is refused" >data/error\necho failed >data/state\nexit 125\n' >"$run/endpoint/d00000000001/finish"
	chmod 755 "$run/endpoint/d00000000001/finish"
	echo web >"$run/endpoint/d00000000001/data/hostname"
	in_sandbox d00000000001
	a_network 2 c00000000001 c00000000002 c00000000003 d00000000001
	a_pass
	wait_until 5 grep -q failed "$run/endpoint/d00000000001/data/state"
	wait_until 5 test "$(s6-svstat -o up,wantedup "$run/endpoint/d00000000001")" = "false false"
	touch "$run/endpoint/d00000000001/data/good"
	a_pass
	a_pass
	check_not up d00000000001
	check said 1 'endpoint d00000000001 \(web\) has failed, .*: the key is refused'
	check said 0 'endpoint d00000000001: tried again'
	echo x >"$run/endpoint/d00000000001/data/tally"
	touch -d '5 minutes ago' "$run/endpoint/d00000000001/data/state"
	a_pass
	wait_until 5 up d00000000001
	check said 1 'endpoint d00000000001: tried again'
	check_not test -e "$run/endpoint/d00000000001/data/tally"
	# One that somebody put down is not a failed one.
	s6-svc -d -wD -T 5000 "$run/endpoint/d00000000001"
	echo stopped >"$run/endpoint/d00000000001/data/state"
	touch -d '1 hour ago' "$run/endpoint/d00000000001/data/state"
	a_pass
	check_not up d00000000001
}

# --- networks -----------------------------------------------------------------------------------------------------------------------------

mends_bridges() {
	local before
	a_network 3
	a_pass
	check ip link show tw-b33333333
	check_match "$(ip -4 -o addr show tw-b33333333)" 172.30.3.1/24
	check said 1 'network 333333333333: bridge tw-b33333333 was missing'
	before=$(wc -l <"$log")
	a_pass
	check_eq "$(wc -l <"$log")" "$before" "lines of the log"
}

forgets_networks() {
	check ip link show tw-b33333333
	no_docker_network 3
	touch "$data/network/$(network_id 3)/format"
	a_pass
	check test -d "$data/network/$(network_id 3)"
	touch -d '2 minutes ago' "$data/network/$(network_id 3)/format"
	echo 503 >"$engine/status"
	now
	wait_until 5 said 1 'status 503'
	check test -d "$data/network/$(network_id 3)"
	rm "$engine/status"
	a_pass
	check_not test -e "$data/network/$(network_id 3)"
	check_not ip link show tw-b33333333
	check said 1 'network 333333333333: removed'
	check test -d "$data/network/$(network_id 1)"
}

tells_of_a_missing_record() {
	docker_network 4
	a_pass
	a_pass
	check said 1 "Docker's network net4: network 444444444444 is not known here"
	check_eq "$(grep -c tskey "$log")" 0
	no_docker_network 4
	a_pass
	docker_network 4
	a_pass
	check said 2 "Docker's network net4: network 444444444444 is not known here"
	no_docker_network 4
}

keeps_all_before_a_stranger() {
	# On the word of an engine without a network of ours no record goes, nor a node whose sandbox exists.
	an_endpoint e00000000001 5
	an_endpoint e00000000002 5
	in_sandbox e00000000002
	mkdir "$dir/aside"
	mv "$engine/network"/* "$dir/aside/"
	a_pass
	check said 1 "Docker has none of tslink's networks"
	check test -d "$data/network/$(network_id 1)"
	check test -d "$data/network/$(network_id 2)"
	check not_here e00000000001
	check here e00000000002
	check up a00000000001
	# One with another data root is not even listened to.
	mv "$dir/aside"/* "$engine/network/"
	a_pass
	check not_here e00000000002
	engine_is 28.5.2 /somewhere/else
	an_endpoint b00000000009 1
	event drop
	wait_until 5 said 1 'keeps its data in /somewhere/else'
	check here b00000000009
	engine_is 28.5.2 "$dir/docker-root"
	event drop
	wait_until 10 not_here b00000000009
}

# --- tslink-lookup ------------------------------------------------------------------------------------------------------------------------

# lookup_fails CODE REGEX ARGUMENT...
lookup_fails() {
	local code=0 text
	text=$(tslink-lookup -r "$run" "${@:3}" 2>&1 >"$dir/lookup.out") || code=$?
	check_eq "$code" "$1" "exit code ($text)"
	check_match "$text" "$2"
	check_eq "$(cat "$dir/lookup.out")" ""
}

looks_up() {
	local id began
	id=$(endpoint_id c00000000001)
	jq -n --arg id "$id" '{Id: $id, Names: ["/starting", "/other/alias"], Image: "a/b:c", ImageID: "sha256:x", State: "created",
		Labels: {"tslink.hostname": "ü", "x\"y": ""}, HostConfig: {NetworkMode: "net2"},
		NetworkSettings: {Networks: {net2: {NetworkID: "", EndpointID: ""}}}}' >"$engine/container/$id.json"
	jq -n '{Id: "sha256:i", Config: {Env: ["secret"], Labels: {a: "b"}}}' >"$engine/image/$(network_id 6).json"
	check_eq "$(tslink-lookup -r "$run" container "$(network_id 2)" "$(endpoint_id c00000000001)" | jq -cS .)" "$(jq -cnS --arg id "$id" '[{
		Id: $id, Names: ["/starting"], Image: "a/b:c", ImageID: "sha256:x", State: "created", Labels: {"tslink.hostname": "ü", "x\"y": ""},
		HostConfig: {NetworkMode: "net2"}, NetworkSettings: {Networks: {"0": {NetworkID: "", EndpointID: ""}}}}]')"
	check_eq "$(tslink-lookup -r "$run" image "sha256:$(network_id 6)" | jq -cS .)" \
		'{"Config":{"Labels":{"a":"b"}},"Id":"sha256:'"$(network_id 6)"'"}'
	check_eq "$(tslink-lookup -r "$run" network "$(network_id 2)" | jq -cS .)" \
		'{"Driver":"watchtest","Id":"'"$(network_id 2)"'","Internal":false,"Name":"net2"}'
	lookup_fails 111 'status 404' network "$(network_id 8)"
	lookup_fails 111 'has no endpoint' container "$(network_id 2)" "$(endpoint_id ffffffffffff)"
	lookup_fails 100 'an ID' network ../../etc
	lookup_fails 100 'usage' container "$(network_id 2)"
	lookup_fails 100 'usage' networks "$(network_id 2)"
	touch "$engine/silent"
	began=$(now_ms)
	lookup_fails 111 'no answer in time' network "$(network_id 2)"
	note "no answer after $(($(now_ms) - began)) ms"
	rm "$engine/silent"
}

# --- the end ------------------------------------------------------------------------------------------------------------------------------

# descriptors PID: between passes, thus the least of some looks
descriptors() {
	local n least=
	for _ in {1..10}; do
		n=$(find "/proc/$1/fd" -type l | wc -l)
		[ "${least:-$n}" -lt "$n" ] || least=$n
	done
	echo "$least"
}

no_children() { ! pgrep -P "$1" >/dev/null; }

stays_small_and_ends() {
	local pid before after fds
	pid=$(s6-svstat -o pid "$run/svc/watch")
	for _ in {1..50}; do a_pass; done
	before=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")
	fds=$(descriptors "$pid")
	for _ in {1..50}; do a_pass; done
	after=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")
	note "resident kB before and after 100 passes: $before $after"
	check_eq "$(descriptors "$pid")" "$fds" descriptors
	check wait_until 10 no_children "$pid"
	check_eq "$(grep -c '/json' <(grep -v '^/containers/json\|^/images/' "$engine/requests"))" 0 "questions about single containers"
	s6-svc -d -wD -T 10000 "$run/svc/watch"
	check not_serving
	check_eq "$(s6-svstat -o exitcode "$run/svc/watch")" 0
	check_eq "$(grep -cE 'Sanitizer|runtime error' "$log")" 0
	# No node noticed.
	check up a00000000001
}

test_case "without Docker, what the disk alone tells" starts_without_docker
test_case "a missing firewall table" repairs_the_table
test_case "a Docker that boots is waited for, and asked nothing" waits_for_a_booting_docker
test_case "a stream that ends is followed again" follows_after_a_drop
test_case "another engine, too old for the gate" follows_another_engine
test_case "events lead to passes, together" passes_after_events
test_case "so does time" passes_by_time
test_case "an endpoint that is gone goes with all it had" removes_what_is_gone
test_case "so does one whose network is gone" removes_with_the_network
test_case "a young one is kept until it is old" keeps_the_young
test_case "an unanswered question removes nothing" removes_nothing_unanswered
test_case "nor does an answer about another endpoint" removes_nothing_on_a_late_change
test_case "one that somebody works on is left to him" leaves_a_busy_one_alone
test_case "a missed one is started, a stopped one is not" starts_what_was_missed
test_case "a failed one is tried again after five minutes" tries_the_failed_again
test_case "a missing bridge is made" mends_bridges
test_case "a network's record goes with the network" forgets_networks
test_case "a missing record is told of once" tells_of_a_missing_record
test_case "nothing goes on the word of a strange engine" keeps_all_before_a_stranger
test_case "tslink-lookup" looks_up
test_case "it stays small, and ends when told" stays_small_and_ends
finish
