#!/bin/bash
# SPDX-License-Identifier: ISC
#
# Published ports are Docker's own, and the tunnel does not notice.
# shellcheck disable=SC2317 # test_case calls the functions
set -euo pipefail
# shellcheck source=tests/tslink.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tslink.sh"

httpd='hostname >/var/www/index.html; exec httpd -f -h /var/www'

starts() {
	host_start a 28.5
	tslink_start a
	tailnet a tailnet control
	host_docker a run -d --name peer --network tailnet bb sleep 1000
}

# fetch WHERE...: the page, tried until the server is up
fetch() {
	local where=$1
	shift
	wait_until 10 "$@" curl -s -f -m 2 -o /dev/null "http://$where/"
	"$@" curl -s -f -m 2 "http://$where/"
}

# is_reachable CONTAINER: as a node, from the peer, on a direct path
is_reachable() {
	check wait_until 10 host_docker a exec peer ping -c 1 -W 2 "$(node_ip a "$1")"
	check wait_direct a peer "$(node_ip a "$1")"
}

tcp() {
	host_docker a run -d --name web -h web --network tailnet -p 8080:80 bb sh -c "$httpd"
	check_eq "$(host_docker a port web 80/tcp | head -n 1)" "0.0.0.0:8080"
	check_eq "$(fetch "$(host_address a):8080" lan_run)" web "from the LAN"
	check_eq "$(fetch 127.0.0.1:8080 host_run a)" web "from the host"
	check_eq "$(host_docker a exec peer timeout 5 wget -qO - "http://$(node_ip a web)/")" web "by the tailnet"
	check_eq "$(host_docker a exec peer timeout 5 wget -qO - http://web/)" web "by Docker's name"
	check_match "$(host_docker a exec web timeout 5 wget -qO - http://public.test/)" "client $(host_address a)"
	is_reachable web
}

conflict() {
	local said
	if said=$(host_docker a run --name clash --network tailnet -p 8080:80 bb true 2>&1); then
		check_failed "was not refused"
	fi
	printf '%s\n' "$said"
	check_match "$said" "8080.*(already allocated|already in use)"
	host_docker a rm -f clash
	check_eq "$(fetch "$(host_address a):8080" lan_run)" web
}

loopback() {
	host_docker a run -d --name local -h local --network tailnet -p 127.0.0.1:8081:80 bb sh -c "$httpd"
	check_eq "$(host_docker a port local)" "80/tcp -> 127.0.0.1:8081"
	check_eq "$(fetch 127.0.0.1:8081 host_run a)" local
	check_not lan_run curl -s -m 1 "http://$(host_address a):8081/"
	is_reachable local
	host_docker a rm -f local
}

udp_answers() {
	[ "$(echo ping | lan_run socat -t 1 - "UDP:$(host_address a):8053")" = "pong ping" ]
}

# busybox has no server for UDP: the host's Python is one, in the container's network namespace.
udp() {
	local server
	host_docker a run -d --name udp --network tailnet -p 8053:53/udp bb sleep 1000
	check_match "$(host_docker a port udp)" "53/udp -> 0\.0\.0\.0:8053"
	server=$(host_spawn a udp nsenter --net="$(host_docker a inspect -f '{{.NetworkSettings.SandboxKey}}' udp)" /usr/bin/python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 53))
while True:
    data, peer = s.recvfrom(100)
    s.sendto(b"pong " + data, peer)')
	check wait_until 20 udp_answers
	is_reachable udp
	host_run a kill "$server"
	host_docker a rm -f udp
}

range() {
	host_docker a run -d --name range -h range --network tailnet -p 8100-8102:80-82 bb sh -c \
		"hostname >/var/www/index.html; httpd -p 80 -h /var/www; httpd -p 81 -h /var/www; $httpd -p 82"
	for port in 8100 8101 8102; do
		check_eq "$(fetch "$(host_address a):$port" lan_run)" range "port $port"
	done
	check_eq "$(host_docker a port range | grep -c '0\.0\.0\.0:810')" 3
	is_reachable range
	host_docker a rm -f range
}

any_port() {
	local where
	host_docker a run -d --name any -h any --network tailnet -p 80 bb sh -c "$httpd"
	where=$(host_docker a port any 80/tcp | head -n 1)
	check_eq "$(fetch "$(host_address a):${where##*:}" lan_run)" any
	host_docker a rm -f any
}

# Docker publishes on docker_gwbridge then; without tslink's gateway, and with a tunnel of its own.
null_ipam() {
	tailnet a bare control --ipam-driver null
	host_docker a run -d --name bare -h bare --network bare -p 8082:80 bb sh -c "$httpd"
	check_eq "$(fetch "$(host_address a):8082" lan_run)" bare
	is_reachable bare
	check_match "$(host_docker a exec bare timeout 5 wget -qO - http://public.test/)" internet
	host_docker a rm -f bare
	host_docker a network rm bare
}

beside_another() {
	host_docker a network create aaa
	host_docker a create --name both -h both --network tailnet -p 8083:80 bb sh -c "$httpd"
	host_docker a network connect aaa both
	host_docker a start both
	check_eq "$(fetch "$(host_address a):8083" lan_run)" both
	is_reachable both
	host_docker a rm -f both
	host_docker a network rm aaa
}

comes_back() {
	host_docker a restart -t 0 web
	check_eq "$(fetch "$(host_address a):8080" lan_run)" web
	is_reachable web
	host_docker a rm -f web
	check_not lan_run curl -s -m 1 "http://$(host_address a):8080/"
}

removed() {
	host_docker a rm -f peer
	host_docker a network rm tailnet
	check_eq "$(traces a)" ""
	check_eq "$(complaints a)" ""
}

world_start
test_case "a tree, a network, a node" starts
test_case "a TCP port: from the LAN, the host, the tailnet, the network" tcp
test_case "a port that is taken is refused in Docker's words" conflict
test_case "a port on 127.0.0.1" loopback
test_case "a UDP port" udp
test_case "a range of ports" range
test_case "a port that Docker chooses" any_port
test_case "with --ipam-driver null" null_ipam
test_case "beside another network" beside_another
test_case "docker restart, docker rm" comes_back
test_case "nothing is left, and nothing was wrong" removed
finish
