#!/bin/bash
# SPDX-License-Identifier: ISC
#
# The leak guard: what a container sends to a tailnet goes into its own, or nowhere, also on a host that is in a tailnet itself. And the
# walls between networks.
# shellcheck disable=SC2317 # test_case calls the functions
set -euo pipefail
# shellcheck source=tests/tslink.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tslink.sh"

HOST4=100.101.102.103 # of the host in its own tailnet
HOST6=fd7a:115c:a1e0::5
STRANGER4=100.64.0.9 # somebody in that tailnet
STRANGER6=fd7a:115c:a1e0::9
NOBODY=198.51.100.77 # only forged frames are for this address
MARK_PORT=40000

# --- tools ---------------------------------------------------------------------------------------------------------------------

# frames.py send INTERFACE MAC: one frame for each line of standard input, "icmp SOURCE DESTINATION" or "udp SOURCE DESTINATION SPORT DPORT",
# whatever the machine has for addresses and routes; through the network stack's back door, so no firewall of this namespace sees it.
# frames.py marked SOURCE DESTINATION SPORT DPORT: a datagram as tailscaled marks its own
# frames.py listen PORT: print the source of each datagram
write_frames() {
	cat >"$WORLD/frames.py" <<-'END'
		import ipaddress, socket, struct, sys

		def checksum(data):
		    data += b"\0" * (len(data) % 2)
		    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
		    while total >> 16:
		        total = (total & 0xFFFF) + (total >> 16)
		    return ~total & 0xFFFF

		def packet(kind, source, destination, sport=0, dport=0):
		    s, d = ipaddress.ip_address(source), ipaddress.ip_address(destination)
		    if kind == "udp":
		        protocol, at = 17, 6
		        body = struct.pack("!HHHH", int(sport), int(dport), 14, 0) + b"frame\n"
		    else:
		        protocol, at = (1 if s.version == 4 else 58), 2
		        body = struct.pack("!BBHHH", 8 if s.version == 4 else 128, 0, 0, 7, 7) + b"frame\n"
		    pseudo = b""
		    if s.version == 6:
		        pseudo = s.packed + d.packed + struct.pack("!II", len(body), protocol)
		    elif kind == "udp":
		        pseudo = s.packed + d.packed + struct.pack("!BBH", 0, protocol, len(body))
		    body = body[:at] + struct.pack("!H", checksum(pseudo + body)) + body[at + 2:]
		    if s.version == 6:
		        return 0x86DD, struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + s.packed + d.packed + body
		    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0) + s.packed + d.packed
		    return 0x0800, head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body

		def send(interface, mac):
		    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
		    out.bind((interface, 0))
		    ends = bytes.fromhex(mac.replace(":", "")) + out.getsockname()[4]
		    for line in sys.stdin:
		        ethertype, data = packet(*line.split())
		        out.send(ends + struct.pack("!H", ethertype) + data)

		def marked(source, destination, sport, dport):
		    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		    out.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_MARK", 36), 0x80000)
		    out.bind((source, int(sport)))
		    out.sendto(b"marked\n", (destination, int(dport)))

		def listen(port):
		    on = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
		    on.bind(("::", int(port)))
		    print("listening on", port, flush=True)
		    while True:
		        print("from", on.recvfrom(100)[1][0], flush=True)

		globals()[sys.argv[1]](*sys.argv[2:])
	END
}

# mac_of_gateway CONTAINER INTERFACE: of the host's end; for a port of a bridge, the bridge's
mac_of_gateway() {
	local index
	index=$(in_netns a "$1" ip -j link show "$2" | jq '.[0].link_index')
	host_run a ip -j link | jq -r --argjson index "$index" \
		'(.[] | select(.ifindex == $index)) as $far | map(select(.ifname == $far.master)) + [$far] | .[0].address'
}

mac_of() { in_netns a "$1" ip -j link show eth0 | jq -r '.[0].address'; }

# forge CONTAINER INTERFACE [MAC]: frames (from standard input) out of that interface of the container
forge() {
	local mac=${3-}
	[ -n "$mac" ] || mac=$(mac_of_gateway "$1" "$2")
	in_netns a "$1" /usr/bin/python3 -I -S "$WORLD/frames.py" send "$2" "$mac"
}

address_of() { host_docker a inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$1"; }
uplink_of() { host_run a cat "/run/tslink/endpoint/$(endpoint_of a "$1")/env/UPLINK"; }

run() {
	local network=$1 name=$2
	shift 2
	host_docker a run -d --name "$name" --network "$network" "$@" bb sleep 1000
}

# capture LOG INTERFACE FILTER [COMMAND...]: tcpdump on host a, behind that command
capture() {
	local log=$1 interface=$2 filter=$3
	shift 3
	host_spawn a "$log" "$@" tcpdump -n -l -Z root -i "$interface" "$filter" >"$WORLD/capture.$log"
	wait_until 5 captured "$log" "^listening on"
}

capture_ends() { host_run a kill "$(<"$WORLD/capture.$1")"; }

captured() { grep -q "$2" "$(host_log a "$1")"; }

# The ways that lead into the host's tailnet or out of the host, and a listener on all of the host's addresses.
watch_ways() {
	capture tailnet tailscale0 ""
	capture wire eth0 "net 100.64.0.0/10 or ip6 net fd7a:115c:a1e0::/48 or host $NOBODY or udp dst port $MARK_PORT"
	host_spawn a listener /usr/bin/python3 -I -S "$WORLD/frames.py" listen 7777
	wait_until 5 captured listener "^listening on"
}

# nothing_leaves: a mark by each way shows that it is watched, and that all that went before it has been seen
nothing_leaves() {
	local port
	port=$(($(cat "$WORLD/mark" 2>/dev/null || echo 41000) + 1))
	echo "$port" >"$WORLD/mark"
	host_run a bash -c "echo >/dev/udp/$STRANGER4/$port; echo >/dev/udp/198.51.100.1/$MARK_PORT; echo >/dev/udp/127.0.0.1/7777"
	wait_until 5 captured tailnet "$STRANGER4.$port:"
	wait_until 5 captured wire "198.51.100.1.$MARK_PORT:"
	wait_until 5 captured listener "^from ::ffff:127.0.0.1"
	check_eq "$(seen tailnet "> $STRANGER4.4[0-9]*:")" "" "seen in the host's tailnet"
	check_eq "$(seen wire "198.51.100.1.$MARK_PORT:")" "" "seen on the host's way out"
	check_eq "$(seen listener "^from ::ffff:127.0.0.1")" "" "heard by the host"
	for log in tailnet wire listener; do
		: >"$(host_log a "$log")"
	done
}

# seen LOG MARK: all lines but tcpdump's own, the marks, and what an interface says of itself
seen() { grep -v "$2\|^tcpdump: \|^listening on\|^dropped privs\|IP6 fe80::\|IP6 :: " "$(host_log a "$1")" || :; }

# --- the host ------------------------------------------------------------------------------------------------------------------

host_with_a_tailnet() {
	write_frames
	host_start a 28.5
	host_run a ip -batch - <<-END
		link add tailscale0 type veth peer name stranger
		link set tailscale0 arp off
		link set tailscale0 up
		link set stranger up
		address add $HOST4/32 dev tailscale0
		address add $HOST6/128 dev tailscale0
		route add 100.64.0.0/10 dev tailscale0
		route add fd7a:115c:a1e0::/48 dev tailscale0
	END
	# A host that routes IPv6, too.
	host_run a sysctl -q net.ipv6.conf.all.forwarding=1
	tslink_start a
	control_start dead
	tailnet a tailnet control
	tailnet a other control
	tailnet a inner control --internal
	tailnet a idle dead --opt tslink.wait=0
	control_stop dead
	watch_ways
	nothing_leaves
}

# Without tslink, it all gets there: the test sees what it is to see.
others_leave() {
	host_docker a run --rm bb sh -c "ping -c 1 -W 1 $STRANGER4; timeout 1 tftp -g -r x $HOST4 7777; true"
	wait_until 5 captured tailnet "$STRANGER4: ICMP echo request"
	wait_until 5 captured listener "^from ::ffff:172.17"
	for log in tailnet listener; do
		: >"$(host_log a "$log")"
	done
}

# --- the leak guard ------------------------------------------------------------------------------------------------------------

SENDS="cd /tmp; for i in 1 2; do
	ping -c 1 -W 1 $STRANGER4; ping -c 1 -W 1 $HOST4; ping -6 -c 1 -W 1 $STRANGER6; ping -6 -c 1 -W 1 $HOST6
	timeout 1 tftp -g -r x $STRANGER4 53; timeout 1 tftp -g -r x $HOST4 7777; nc -w 1 $STRANGER4 80
done >/dev/null 2>&1 </dev/null; true"

first_instruction_sends() {
	host_docker a run --rm --name early --network idle bb sh -c "$SENDS"
	nothing_leaves
	# One that takes its own guard down first.
	host_docker a run --rm --name early --network idle --cap-add NET_ADMIN bb sh -c "
		ip route del unreachable 100.64.0.0/10; ip -6 route del unreachable fd7a:115c:a1e0::/48
		ip -6 route add default dev eth0; $SENDS"
	nothing_leaves
}

# all_frames CONTAINER: to a tailnet, by each interface, with each source that could get through
all_frames() {
	local eth uplink source destination interface
	eth=$(address_of "$1")
	uplink=$(uplink_of "$1")
	for interface in eth0 tslink0; do
		for source in "$eth" "$uplink" 192.168.77.50 172.17.0.9 100.64.0.7 127.0.0.1; do
			for destination in "$STRANGER4" "$HOST4"; do
				printf '%s\n' "icmp $source $destination" "udp $source $destination 5000 7777" "udp $source $destination 20000 20000"
			done
		done >"$WORLD/all"
		for source in 2001:db8::1 fd7a:115c:a1e0::7 fe80::7; do
			for destination in "$STRANGER6" "$HOST6"; do
				printf '%s\n' "icmp $source $destination" "udp $source $destination 5000 7777"
			done
		done >>"$WORLD/all"
		forge "$1" "$interface" <"$WORLD/all"
	done
}

frames_before_the_node() {
	run idle waiting
	wait_until 10 in_netns a waiting ip link show tslink0
	check_not is_running a waiting
	all_frames waiting
	nothing_leaves
	host_docker a rm -f waiting
}

frames_beside_the_node() {
	run tailnet victim
	run tailnet peer
	node_ip a victim
	node_ip a peer
	all_frames victim
	nothing_leaves
}

status_of() { host_run a s6-svstat -o "$2" "/run/tslink/service/$(endpoint_of a "$1")"; }

frames_after_the_node() {
	local tailscaled supervise
	tailscaled=$(status_of victim pid)
	supervise=$(host_run a ps -o ppid= -p "$tailscaled" | tr -d ' ')
	check_eq "$(host_run a ps -o comm= -p "$supervise")" s6-supervise
	check host_docker a exec victim ping -c 1 -W 5 "$(node_ip a peer)"
	host_run a kill -STOP "$supervise"
	host_run a kill -KILL "$tailscaled"
	wait_until 5 not in_netns a victim ip link show tailscale0
	check_not host_docker a exec victim ping -c 1 -W 1 "$(node_ip a peer)"
	host_docker a exec victim sh -c "$SENDS"
	all_frames victim
	nothing_leaves
	host_run a kill -CONT "$supervise"
	wait_until 20 host_docker a exec victim ping -c 1 -W 1 "$(node_ip a peer)"
	nothing_leaves
}

# What comes back by itself does so without a leak, too.
sends_all_the_while() {
	local pid
	host_docker a exec -d victim sh -c "while [ ! -e /stop ]; do ping -c 1 -W 1 $STRANGER4; ping -c 1 -W 1 $HOST4; done"
	for _ in 1 2 3; do
		pid=$(status_of victim pid)
		host_run a kill -KILL "$pid"
		wait_until 20 is_back "$pid"
	done
	host_docker a exec victim touch /stop
	nothing_leaves
}

# is_back PID: another process is the victim's node
is_back() { [ "$(status_of victim pid)" != "$1" ] && [ "$(status_of victim ready)" = true ]; }

foreign_sources() {
	local source victim uplink
	victim=$(address_of victim)
	uplink=$(uplink_of victim)
	for source in 192.168.77.50 172.17.0.9 100.64.0.7 127.0.0.1 198.51.100.1 "$uplink" "$(uplink_of peer)" "$(host_address a)"; do
		printf '%s\n' "icmp $source $NOBODY" "udp $source $NOBODY 5000 53"
	done | forge victim eth0
	for source in 192.168.77.50 172.17.0.9 100.64.0.7 127.0.0.1 198.51.100.1 "$victim" "$(uplink_of peer)" "$(host_address a)"; do
		printf '%s\n' "icmp $source $NOBODY" "udp $source $NOBODY 5000 53"
	done | forge victim tslink0
	nothing_leaves
	# Their own go out, as the host.
	forge victim eth0 <<<"udp $victim $NOBODY 5001 53"
	wait_until 5 captured wire "IP $(host_address a).5001 > $NOBODY.53"
	forge victim tslink0 <<<"udp $uplink $NOBODY 5002 53"
	wait_until 5 captured wire "IP $(host_address a).5002 > $NOBODY.53"
	: >"$(host_log a wire)"
}

# The tailnet's access rules are not to be passed by on the bridge.
neighbours_tailnet_address() {
	local victim peer
	victim=$(address_of victim)
	peer=$(address_of peer)
	capture neighbour eth0 "udp dst portrange 9998-9999" nsenter --net="$(host_docker a inspect -f '{{.NetworkSettings.SandboxKey}}' peer)" --
	forge victim eth0 "$(mac_of peer)" <<-END
		udp $victim $(node_ip a peer) 5000 9998
		udp $(node_ip a victim) $(node_ip a peer) 5000 9998
		udp fe80::7 $(note_of a peer ip | cut -d ' ' -f 2) 5000 9998
		udp $victim $peer 5000 9999
	END
	wait_until 5 captured neighbour "$peer.9999"
	check_not captured neighbour "9998"
	capture_ends neighbour
}

# --- the walls -----------------------------------------------------------------------------------------------------------------

# opens CONTAINER ADDRESS: does its web server answer there?
opens() { [ "$(host_docker a exec "$1" nc -w 3 "$2" 80 </dev/null 2>/dev/null | head -c 4)" = page ]; }

# page_for COMMAND... ADDRESS PORT: what it answers there, by the machine's programs behind that command; nothing if it does not
page_for() { "${@:1:$#-2}" timeout 2 bash -c "cat </dev/tcp/${*: -2:1}/${*: -1}" 2>/dev/null || :; }

serve_page() {
	local name=$1 network=$2
	shift 2
	host_docker a run -d --name "$name" --network "$network" "$@" bb nc -ll -p 80 -e echo page
	# It listens before it is asked.
	wait_until 5 in_netns a "$name" sh -c 'ss -Htln | grep -q :80'
}

networks_apart() {
	serve_page far other
	serve_page plain bridge
	serve_page open other -p 8080:80
	serve_page near tailnet
	node_ip a far
	check opens victim "$(address_of near)"
	check_not opens victim "$(address_of far)"
	check_not host_docker a exec victim ping -c 1 -W 1 "$(address_of far)"
	check_not opens victim "$(address_of plain)"
	check_not opens plain "$(address_of near)"
	check_not host_docker a exec plain ping -c 1 -W 1 "$(address_of near)"
	# By the tailnet, and by a published port, they meet.
	check opens victim "$(node_ip a far)"
	check_eq "$(host_docker a exec plain nc -w 2 "$(host_address a)" 8080 </dev/null)" page
	check_eq "$(page_for lan_run "$(host_address a)" 8080)" page
}

# From the LAN, with a route to the containers.
lan_stays_out() {
	local network
	network=$(host_docker a network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}}' tailnet)
	lan_run ip route add "$network" via "$(host_address a)"
	lan_run ip route add 10.200.0.0/16 via "$(host_address a)"
	check_not lan_run ping -c 1 -W 1 "$(address_of victim)"
	check_not lan_run ping -c 1 -W 1 "$(uplink_of victim)"
	check_eq "$(page_for lan_run "$(address_of near)" 80)" ""
	check_eq "$(page_for host_run a "$(address_of near)" 80)" page "the host itself"
}

internal_network() {
	local inner
	serve_page inner inner
	node_ip a inner
	inner=$(address_of inner)
	check host_docker a exec inner ping -c 1 -W 5 "$(node_ip a peer)"
	check opens victim "$(node_ip a inner)"
	check_not host_docker a exec inner ping -c 1 -W 1 198.51.100.1
	check_not host_docker a exec inner ping -c 1 -W 1 -I tslink0 198.51.100.1
	check_not opens victim "$inner"
	check_not opens plain "$inner"
	# An application that makes itself a route.
	forge inner eth0 <<-END
		udp $inner $NOBODY 5000 53
		icmp $inner $NOBODY
		udp $inner $(address_of near) 5000 53
	END
	in_netns a inner ip route add default via "$(host_docker a network inspect -f '{{range .IPAM.Config}}{{.Gateway}}{{end}}' inner)"
	check_not host_docker a exec inner ping -c 1 -W 1 198.51.100.1
	nothing_leaves
}

# datagram SPORT DPORT: from one node's uplink to another's, marked as tailscaled's
datagram() {
	in_netns a victim /usr/bin/python3 -I -S "$WORLD/frames.py" marked "$(uplink_of victim)" "$(uplink_of far)" "$1" "$2"
}

uplinks_apart() {
	capture uplink tslink0 "src host $(uplink_of victim) and (icmp or tcp or udp dst portrange 5000-5003 or udp dst port 16999)" \
		nsenter --net="$(host_docker a inspect -f '{{.NetworkSettings.SandboxKey}}' far)" --
	datagram 5000 5001
	datagram 5000 16999
	datagram 17000 5002
	in_netns a victim ping -m 524288 -c 1 -W 1 "$(uplink_of far)" && check_failed "an uplink answers another's ping"
	forge victim tslink0 <<<"icmp $(uplink_of victim) $(uplink_of far)"
	datagram 17000 16999
	wait_until 5 captured uplink ".17000 > .*.16999"
	check_eq "$(seen uplink ".17000 > .*.16999")" ""
	capture_ends uplink
}

ruleset_again() {
	host_run a nft flush ruleset
	check_eq "$(host_run a nft list tables | grep tslink || :)" ""
	tslink_run a tslink-ruleset
	check_eq "$(host_run a nft list tables | grep -c tslink)" 2
	all_frames victim
	foreign_sources
	check_eq "$(host_docker a exec victim wget -qO - http://198.51.100.1/)" "internet"$'\n'"client $(host_address a)"
	check_not opens victim "$(address_of far)"
	check opens victim "$(address_of near)"
}

world_start
test_case "a host that is in a tailnet of its own" host_with_a_tailnet
test_case "what is not tslink's reaches it" others_leave
test_case "the first instruction sends to a tailnet, and there is no node yet" first_instruction_sends
test_case "forged frames, before the node is up" frames_before_the_node
test_case "forged frames, beside a node" frames_beside_the_node
test_case "tailscaled was killed" frames_after_the_node
test_case "an application that sends while its node dies and comes back" sends_all_the_while
test_case "frames with foreign sources" foreign_sources
test_case "the neighbour's tailnet address, over the bridge" neighbours_tailnet_address
test_case "networks are apart, and Docker's own" networks_apart
test_case "the LAN reaches published ports alone" lan_stays_out
test_case "an internal network has its tailnet alone" internal_network
test_case "uplinks meet on WireGuard's ports alone" uplinks_apart
test_case "somebody flushed the firewall" ruleset_again
finish
