#!/bin/bash
# SPDX-License-Identifier: ISC
#
# The main job, on each engine: containers that are nodes of a tailnet, and of a Docker network as any other.
# shellcheck disable=SC2317 # test_case calls the functions
set -euo pipefail
# shellcheck source=tests/tslink.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tslink.sh"

newline=$'\n'

# Docker 28 and later: the node is up before the container's first instruction.
has_gate() { [ "$1" = 28.5 ]; }

starts() {
	host_start "$1" "$2"
	tslink_start "$1"
	tailnet "$1" tailnet control >/dev/null
	check_eq "$(host_docker "$1" network inspect -f '{{.Driver}} {{.Scope}}' tailnet)" "tslink local"
}

two_nodes() {
	local began
	for name in web cli; do
		began=$(now_ms)
		host_docker "$1" run -d --name "$name$1" --network tailnet bb sleep 1000
		if has_gate "$2"; then
			check_eq "$(note_of "$1" "$name$1" state)" running "at the end of docker run"
		fi
		node_ip "$1" "$name$1" >/dev/null
		note "engine $2: from docker run to a node on the tailnet: $(($(now_ms) - began)) ms"
		check_eq "$(control_node control "$name$1" | jq -r '.ip_addresses[0]')" "$(node_ip "$1" "$name$1")"
	done
}

# The packet before which these two never met.
first_packet() {
	host_docker "$1" exec "cli$1" ping -c 1 -W 5 "$(node_ip "$1" "web$1")"
	host_docker "$1" exec "web$1" ping -c 3 -i 0.2 -W 2 "$(node_ip "$1" "cli$1")" | tee "$WORLD/ping"
	check grep -q " 0% packet loss" "$WORLD/ping"
	# Docker switches IPv6 off in containers up to 25.
	if [ "$2" != 20.10 ]; then
		check host_docker "$1" exec "cli$1" ping -6 -c 1 -W 5 "$(note_of "$1" "web$1" ip | cut -d ' ' -f 2)"
	fi
}

first_instruction() {
	local ip
	ip=$(node_ip "$1" "web$1")
	check_match "$(host_docker "$1" run --rm --name "now$1" --network tailnet bb ping -c 1 -W 3 "$ip")" " 0% packet loss"
}

direct_path() {
	check wait_direct "$1" "cli$1" "$(node_ip "$1" "web$1")"
	check wait_direct "$1" "web$1" "$(node_ip "$1" "cli$1")"
}

dockers_own() {
	local gateway address mac
	gateway=$(host_docker "$1" inspect -f '{{.NetworkSettings.Networks.tailnet.Gateway}}' "web$1")
	address=$(host_docker "$1" inspect -f '{{.NetworkSettings.Networks.tailnet.IPAddress}}' "web$1")
	mac=$(host_docker "$1" inspect -f '{{.NetworkSettings.Networks.tailnet.MacAddress}}' "web$1")
	check_match "$(host_docker "$1" exec "web$1" ip -4 address show eth0)" "inet $address/"
	check_match "$(host_docker "$1" exec "web$1" ip link show eth0)" "link/ether $mac"
	check_match "$(in_netns "$1" "web$1" ip route show default)" "via $gateway dev eth0"
	check_match "$(host_docker "$1" exec "web$1" ip link)" "tailscale0"
	check host_docker "$1" exec "web$1" ping -c 1 -W 2 "$gateway"
	check host_docker "$1" exec "cli$1" ping -c 1 -W 2 "$address"
	check host_docker "$1" exec "cli$1" ping -c 1 -W 2 "web$1"
	check_match "$(host_docker "$1" exec "cli$1" nslookup "web$1")" "Address:? [0-9 :]*$address"
}

world_outside() {
	check_match "$(host_docker "$1" exec "web$1" nslookup public.test)" 198.51.100.1
	check_eq "$(host_docker "$1" exec "web$1" wget -qO - http://public.test/)" "internet"$'\n'"client $(host_address "$1")"
}

what_docker_tells() {
	local info endpoint
	endpoint=$(endpoint_of "$1" "web$1")
	info=$(plugin_call EndpointOperInfo "$(host_run "$1" cat "/run/tslink/endpoint/$endpoint/env/NETWORK" "/run/tslink/endpoint/$endpoint/env/ENDPOINT" |
		jq -nRc '{NetworkID: input, EndpointID: input}')" "$1")
	check_eq "$(jq -r '.Value | "\(.hostname) \(.state) \(.tailscale_ip)"' <<<"$info")" \
		"web$1 running $(note_of "$1" "web$1" ip)"
}

what_ls_tells() {
	local dir id
	dir=/run/tslink/endpoint/$(endpoint_of "$1" "web$1")
	id=$(host_docker "$1" inspect -f '{{.Id}}' "web$1")
	check_eq "$(host_run "$1" cat "$dir/env/NAME" "$dir/env/CONTAINER" "$dir/data/hostname" "$dir/data/state")" \
		"web$1"$'\n'"$id"$'\n'"web$1"$'\n'running
	check_eq "$(host_run "$1" cat "$dir/data/name")" "web$1.control.internal"
	check_eq "$(host_run "$1" readlink "$dir/state")" "/var/lib/tslink/by-hostname/web$1"
	check_match "$(host_run "$1" cat "$dir/run")" "tslink-identify"
	check host_run "$1" test -L "/run/tslink/service/${dir##*/}"
	check host_run "$1" test -S "/var/lib/tslink/by-hostname/web$1/tailscaled.sock"
	check host_run "$1" test -s "/var/lib/tslink/by-hostname/web$1/tailscaled.state"
	check host_run "$1" test -s "/var/lib/tslink/by-hostname/web$1/debug.log"
	check host_run "$1" s6-svok "$dir"
	check_match "$(host_run "$1" s6-svstat "$dir")" "^up .* ready "
}

# identity HOST CONTAINER: what must stay
identity() {
	control_node control "$2" | jq -c '[.id, .node_key, .machine_key, .ip_addresses]'
	host_run "$1" cat "/var/lib/tslink/by-hostname/$2/port"
}

comes_back() {
	local before
	before=$(identity "$1" "web$1")
	host_docker "$1" rm -f "web$1"
	host_docker "$1" run -d --name "web$1" --network tailnet bb sleep 1000
	check_eq "$(node_ip "$1" "web$1")" "$(jq -r '.[3][0]' <<<"${before%$'\n'*}")"
	check_eq "$(identity "$1" "web$1")" "$before"
	# The peer knows the old one: no packet of the new one is lost for that.
	check host_docker "$1" exec "web$1" ping -c 1 -W 3 "$(node_ip "$1" "cli$1")"
	check wait_until 10 host_docker "$1" exec "cli$1" ping -c 1 -W 1 "$(node_ip "$1" "web$1")"
	host_docker "$1" restart -t 0 "web$1"
	node_ip "$1" "web$1" >/dev/null
	check_eq "$(identity "$1" "web$1")" "$before" "after docker restart"
}

null_ipam() {
	tailnet "$1" bare control --ipam-driver null
	host_docker "$1" run -d --name "bare$1" --network bare bb sleep 1000
	check host_docker "$1" exec "bare$1" ping -c 1 -W 5 "$(node_ip "$1" "web$1")"
	node_ip "$1" "bare$1" >"$WORLD/bare.ip"
	check host_docker "$1" exec "bare$1" ping -c 1 -W 5 "$(node_ip "$1" "web$1")"
	check host_docker "$1" exec "web$1" ping -c 1 -W 5 "$(<"$WORLD/bare.ip")"
	check_match "$(host_docker "$1" exec "bare$1" ip -4 address show eth0)" "inet 10\.200\."
	check_match "$(host_docker "$1" exec "bare$1" wget -qO - http://public.test/)" "client $(host_address "$1")"
	host_docker "$1" rm -f "bare$1"
	host_docker "$1" network rm bare
}

internal() {
	tailnet "$1" inside control --internal
	host_docker "$1" run -d --name "in$1" --network inside bb sleep 1000
	node_ip "$1" "in$1" >/dev/null
	check host_docker "$1" exec "in$1" ping -c 1 -W 5 "$(node_ip "$1" "web$1")"
	check_not host_docker "$1" exec "in$1" ping -c 1 -W 1 198.51.100.1
	check_not host_docker "$1" exec "in$1" timeout 1 wget -qO - http://198.51.100.1/
	check_eq "$(in_netns "$1" "in$1" ip route show default)" ""
	check wait_direct "$1" "in$1" "$(node_ip "$1" "web$1")"
	host_docker "$1" rm -f "in$1"
	host_docker "$1" network rm inside
}

# netns_left HOST CONTAINER: what of ours is in the container's namespace
netns_left() {
	in_netns "$1" "$2" sh -c '
		ip -o link | grep -o "tslink0\|tailscale0\|eth[1-9]"
		ip rule | grep -v "lookup \(local\|main\|default\)"
		ip -6 rule | grep -v "lookup \(local\|main\|default\)"
		ip route show table all | grep "100.64\|unreachable\|tslink0\|table 52\|table 72"
		ip -6 route show table all | grep "fd7a:\|table 52\|table 72"
		nft list ruleset 2>/dev/null | grep "ts-\|tailscale"
		:'
}

# The netns as it is without us.
connect_disconnect() {
	host_docker "$1" run -d --name "late$1" bb sleep 1000
	check_eq "$(netns_left "$1" "late$1")" "" "before"
	host_docker "$1" network connect tailnet "late$1"
	node_ip "$1" "late$1" >/dev/null
	check host_docker "$1" exec "late$1" ping -c 1 -W 5 "$(node_ip "$1" "web$1")"
	check host_docker "$1" exec "late$1" ping -c 1 -W 2 "web$1"
	host_docker "$1" network disconnect tailnet "late$1"
	check_eq "$(netns_left "$1" "late$1")" "" "after disconnect"
	check host_docker "$1" exec "late$1" wget -qO - http://198.51.100.1/
	# And again, as the same node.
	host_docker "$1" network connect tailnet "late$1"
	node_ip "$1" "late$1" >/dev/null
	check host_docker "$1" exec "late$1" ping -c 1 -W 5 "$(node_ip "$1" "web$1")"
	check_eq "$(control_nodes | jq --arg n "late$1" '[.[] | select(.given_name | startswith($n))] | length')" 1
	host_docker "$1" rm -f "late$1"
}

# Which of a container's networks is the gateway depends on their names.
beside() {
	local other
	for other in aaa zzz; do
		host_docker "$1" network create "$other"
		host_docker "$1" create --name "two$1" --network "$other" bb sleep 1000
		host_docker "$1" network connect tailnet "two$1"
		host_docker "$1" start "two$1"
		node_ip "$1" "two$1" >/dev/null
		check host_docker "$1" exec "two$1" ping -c 1 -W 5 "$(node_ip "$1" "web$1")"
		check wait_direct "$1" "two$1" "$(node_ip "$1" "web$1")"
		check_match "$(host_docker "$1" exec "two$1" wget -qO - http://public.test/)" internet
		check host_docker "$1" exec "two$1" ping -c 1 -W 2 "web$1"
		# The tunnel has a way of its own: the other network may go.
		host_docker "$1" network disconnect "$other" "two$1"
		check host_docker "$1" exec "two$1" ping -c 1 -W 5 "$(node_ip "$1" "web$1")"
		check_match "$(host_docker "$1" exec "two$1" timeout 5 wget -qO - http://public.test/)" internet
		host_docker "$1" rm -f "two$1"
		host_docker "$1" network rm "$other"
	done
}

published() {
	host_docker "$1" run -d --name "pub$1" --network tailnet -p 8080:80 bb sh -c 'echo hello >/var/www/index.html; exec httpd -f -h /var/www'
	check_match "$(host_docker "$1" port "pub$1")" "80/tcp -> 0\.0\.0\.0:8080"
	wait_until 10 lan_run curl -s -f -m 2 -o /dev/null "http://$(host_address "$1"):8080/"
	check_eq "$(lan_run curl -s -m 5 "http://$(host_address "$1"):8080/")" hello
	node_ip "$1" "pub$1" >/dev/null
	check_eq "$(host_docker "$1" exec "web$1" timeout 5 wget -qO - "http://$(node_ip "$1" "pub$1")/")" hello "by the tailnet"
	check_eq "$(host_docker "$1" exec "web$1" timeout 5 wget -qO - "http://pub$1/")" hello "by Docker's name"
	check_match "$(host_docker "$1" exec "pub$1" timeout 5 wget -qO - http://public.test/)" internet
	check wait_direct "$1" "pub$1" "$(node_ip "$1" "web$1")"
	host_docker "$1" rm -f "pub$1"
	check_not lan_run curl -s -m 2 "http://$(host_address "$1"):8080/"
}

leaves_nothing() {
	host_docker "$1" rm -f "web$1" "cli$1"
	host_docker "$1" network rm tailnet
	check_eq "$(traces "$1")" ""
	if has_gate "$2"; then
		check_eq "$(complaints "$1")" ""
	else
		check_match "$(complaints "$1")" "^[^$newline]*: Docker [^$newline]* Docker 28 and later wait\$"
	fi
	tslink_stop "$1"
	check_not host_run "$1" test -e /run/docker/plugins/tslink.sock
}

world_start
host=a
for engine in 28.5 26.1 20.10; do
	test_case "engine $engine: a tree and a network" starts "$host" "$engine"
	test_case "engine $engine: two containers are two nodes" two_nodes "$host" "$engine"
	test_case "engine $engine: they reach each other, from the first packet on" first_packet "$host" "$engine"
	if has_gate "$engine"; then
		test_case "engine $engine: a container's first instruction reaches a peer" first_instruction "$host"
	fi
	test_case "engine $engine: on a direct path" direct_path "$host"
	test_case "engine $engine: address, gateway and name are Docker's" dockers_own "$host"
	test_case "engine $engine: public names and the internet" world_outside "$host"
	test_case "engine $engine: EndpointOperInfo" what_docker_tells "$host"
	test_case "engine $engine: ls and cat" what_ls_tells "$host"
	test_case "engine $engine: a name comes back as the same node" comes_back "$host"
	test_case "engine $engine: --ipam-driver null" null_ipam "$host"
	test_case "engine $engine: --internal" internal "$host"
	test_case "engine $engine: docker network connect, disconnect" connect_disconnect "$host"
	test_case "engine $engine: beside another network" beside "$host"
	test_case "engine $engine: a published port" published "$host"
	test_case "engine $engine: nothing is left, and nothing was wrong" leaves_nothing "$host" "$engine"
	host=$(tr abc bcd <<<"$host")
done
finish
