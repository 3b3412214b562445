#!/bin/bash
# SPDX-License-Identifier: ISC
#
# Which node a container is: by its name, its network, its control server; and how its name is made.
# shellcheck disable=SC2317 # test_case calls the functions
set -euo pipefail
# shellcheck source=tests/tslink.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tslink.sh"

# run NAME NETWORK [OPTION...]: a container on a network
run() {
	local name=$1 network=$2
	shift 2
	host_docker a run -d --name "$name" --network "$network" "$@" bb sleep 1000 >/dev/null
}

starts() {
	host_start a 28.5
	tslink_start a
	tailnet a tailnet control
	tailnet a foreign other
}

# node CONTROL NAME: what makes it this node
node() { control_node "$1" "$2" | jq -c '[.id, .machine_key, .node_key, .ip_addresses]'; }

network_anew() {
	local before others
	others=$(traces a)
	tailnet a again control
	run web again
	before=$(node control web)
	host_docker a rm -f web
	host_docker a network rm again
	check_eq "$(traces a)" "$others"
	tailnet a again control
	run web again
	check_eq "$(node_ip a web)" "$(jq -r '.[3][0]' <<<"$before")"
	check_eq "$(node control web)" "$before"
	host_docker a rm -f web
	host_docker a network rm again
}

two_servers() {
	local here there
	run twin tailnet
	here=$(node control twin)
	host_docker a rm -f twin
	run twin foreign
	check_eq "$(note_of a twin hostname)" twin-2
	there=$(node other twin-2)
	check_eq "$(note_of a twin name)" twin-2.other.internal
	check_eq "$(node control twin)" "$here"
	host_docker a rm -f twin
	run twin tailnet
	check_eq "$(note_of a twin hostname)" twin
	check_eq "$(node control twin)" "$here" "back on the first"
	# Both at once, and each is who it was.
	run twin.there foreign --label tslink.hostname=twin
	check_eq "$(note_of a twin.there hostname)" twin-2
	check_eq "$(node other twin-2)" "$there"
	check_eq "$(host_run a cat /var/lib/tslink/by-hostname/twin/owner)" "tailnet $(control_url control)"
	check_eq "$(host_run a cat /var/lib/tslink/by-hostname/twin-2/owner)" "foreign $(control_url other)"
	check_not test "$(host_run a cat /var/lib/tslink/by-hostname/twin/uid)" = "$(host_run a cat /var/lib/tslink/by-hostname/twin-2/uid)"
	check_not host_docker a exec twin ping -c 1 -W 1 100.64.0.99
	host_docker a rm -f twin twin.there
}

same_name_twice() {
	local second
	run one tailnet --label tslink.hostname=shared
	run two tailnet --label tslink.hostname=shared
	check_eq "$(note_of a one hostname) $(note_of a two hostname)" "shared shared-2"
	check host_docker a exec one ping -c 1 -W 5 "$(node_ip a two)"
	second=$(node control shared-2)
	# Each keeps what it first got, whoever starts first.
	host_docker a stop -t 0 one two
	host_docker a start two
	host_docker a start one
	check_eq "$(note_of a one hostname) $(note_of a two hostname)" "shared shared-2"
	node_ip a two
	check_eq "$(node control shared-2)" "$second"
	host_docker a rm -f one two
}

renamed() {
	run former tailnet
	check_eq "$(note_of a former hostname)" former
	host_docker a rename former latter
	host_docker a restart -t 0 latter
	check_eq "$(note_of a latter hostname)" latter
	host_docker a rm -f latter
}

# hostname_of NAME [OPTION...]: what a container of that name becomes
hostname_of() {
	run "$1" tailnet "${@:2}"
	note_of a "$1" hostname
	host_docker a rm -f "$1" >/dev/null
}

names() {
	check_eq "$(hostname_of My_App.1)" my-app-1
	check_eq "$(hostname_of "$(printf 'long%.0s' {1..20})")" "$(printf 'long%.0s' {1..20} | cut -c 1-63)"
	check_eq "$(hostname_of plain --label tslink.hostname=Web_Server)" web-server
	check_eq "$(hostname_of plain --label tslink.hostname=../../etc)" etc
	check_eq "$(hostname_of plain -h other)" plain
	check_eq "$(host_run a sh -c 'ls /var/lib/tslink | tr "\n" " "')" "by-hostname network port "
}

driver_opts() {
	host_docker a run -d --name opts --network name=tailnet,driver-opt=tslink.hostname=asked bb sleep 1000
	check_eq "$(note_of a opts hostname)" asked
	host_docker a rm -f opts
	host_docker a create --name opts bb sleep 1000
	check_not host_docker a run --name bad --network name=tailnet,driver-opt=tslink.hostnam=x bb true
	host_docker a rm -f opts bad
}

image_labels() {
	local image
	image=$(host_docker a create bb true)
	host_docker a commit --change 'LABEL tslink.hostname=hijack' "$image" labelled
	host_docker a rm "$image"
	host_docker a run -d --name honest --network tailnet labelled sleep 1000
	check_eq "$(note_of a honest hostname)" honest
	check_match "$(note_of a honest warning)" "label tslink.hostname does not count: it is the image's own"
	host_docker a rm -f honest
}

removed() {
	host_docker a network rm tailnet foreign
	check_eq "$(traces a)" ""
	check_eq "$(complaints a | sed "/does not count: it is the image's own/d; /driver-opt/d")" ""
}

world_start
control_start other
test_case "a tree, two networks with two control servers" starts
test_case "a network made again by the same name has the same nodes" network_anew
test_case "one hostname, two control servers: two identities" two_servers
test_case "one hostname, two containers: each keeps what it first got" same_name_twice
test_case "docker rename" renamed
test_case "names are made DNS labels" names
test_case "endpoint driver-opts" driver_opts
test_case "an image's labels do not count" image_labels
test_case "nothing is left, and nothing was wrong" removed
finish
