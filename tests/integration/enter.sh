#!/bin/bash
# SPDX-License-Identifier: ISC
#
# tslink-tailscaled and tslink-enter: what a node's program is started as, and what it sees and may do from inside. The program is busybox
# but in the last cases, which run the real tailscaled. Needs root; makes namespaces of its own and no test host.
# shellcheck disable=SC2016,SC2317 # scripts for another shell; test_case calls the functions
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

build=${TSLINK_BUILD:-$TSLINK_TOP}
PATH=${TSLINK_PREFIX:+$TSLINK_PREFIX/sbin:}$build/bin:$build:$PATH
busybox=$(command -v busybox)
tailscaled=$TSLINK_CACHE/bin/tailscaled
uid=1879064577
unset SSL_CERT_FILE # the caller's

[ "$(id -u)" = 0 ] || skip_all "needs root"

# --- a tree with one endpoint, as the stages before leave it ---------------------------------------------------------------------------

dir=$(mktemp -d "${TMPDIR:-/tmp}/tslink-enter.XXXXXX")
tree=$dir/run
service=$tree/endpoint/0123456789ab
identity=$dir/data/by-hostname/web

clean_up() {
	local status=$? file pid
	set +e
	for file in "$dir"/*.pid; do
		[ -e "$file" ] && read -r pid <"$file" && kill -KILL "$pid" 2>/dev/null
	done
	for file in "$dir"/netns*; do
		umount "$file" 2>/dev/null
	done
	rm -rf "$dir"
	(exit "$status")
	test_exit
}
trap clean_up EXIT

# a_netns FILE: a network namespace bound to a file, as Docker's SandboxKey is
a_netns() {
	: >"$1"
	unshare --net="$1" ip link set lo up
}

lay_out() {
	mkdir -p "$tree/env" "$tree/tailscale" "$service/env" "$service/data" "$identity/node" "$dir/data/by-hostname/other/node"
	chmod 700 "$dir/data" "$identity" "$identity/node"
	chown "$uid:$uid" "$identity/node"
	ln -s "$identity" "$service/state"
	ln -s node/tailscaled.sock "$identity/tailscaled.sock"
	echo secret >"$dir/data/by-hostname/other/node/tailscaled.state"
	a_netns "$dir/netns"
	echo "$dir/netns" >"$service/env/NETNS"
	echo "$uid" >"$service/env/UID"
	echo 20001 >"$service/env/PORT"
	echo web >"$service/env/HOSTNAME"
	echo 192.0.2.53 >"$tree/env/TSLINK_DNS"
}
lay_out

# setting NAME [VALUE]: of the tree; without a value it is removed
setting() {
	if [ $# = 2 ]; then
		printf '%s\n' "$2" >"$tree/env/$1"
	else
		rm -f "$tree/env/$1"
	fi
}

# inside SCRIPT: run it by busybox in the private root. There is no PATH and no other program: `b` is busybox.
inside() { (cd "$service" && exec s6-setlock state/lock tslink-enter "$busybox" sh -c "b() { /busybox \"\$@\"; }; $1"); }

# fails CODE COMMAND...: it ends with this exit code; what it printed is in $said
fails() {
	local wanted=$1 code=0
	shift
	said=$("$@" 2>&1) || code=$?
	check_eq "$code" "$wanted" "exit code of $* ($said)"
}

is_state() {
	check_eq "$(cat "$service/data/state")" "$1" state
	check_match "$(cat "$service/data/error")" "$2" error
}

# --- rights and sight ------------------------------------------------------------------------------------------------------------------

has_two_capabilities() {
	local status
	status=$(inside 'b cat /proc/self/status')
	for set in Inh Prm Eff Bnd Amb; do
		check_match "$status" "Cap$set:"$'\t'0000000000003000
	done
	check_match "$status" "NoNewPrivs:"$'\t'1
	check_match "$status" "Uid:"$'\t'"$uid"$'\t'"$uid"$'\t'"$uid"$'\t'"$uid"
	check_match "$status" "Gid:"$'\t'"$uid"$'\t'"$uid"$'\t'"$uid"$'\t'"$uid"
	check_match "$status" "Groups:"$'\t'" "?$'\n'
	check_eq "$(inside 'umask')" 0077
}

has_few_mounts() {
	local mounts
	mounts=$(inside 'b cat /proc/self/mounts')
	note "$(wc -l <<<"$mounts") mounts"
	check [ "$(wc -l <<<"$mounts")" -lt 20 ]
	check_eq "$(cut -d ' ' -f 2 <<<"$mounts" | sort | xargs)" "/ /busybox /etc /proc /state"
	# Nothing is set-user-ID; one thing can be executed, and one mount has devices.
	check_eq "$(grep -vc nosuid <<<"$mounts")" 0
	check_eq "$(grep -v noexec <<<"$mounts" | cut -d ' ' -f 2)" /busybox
	check_eq "$(grep -v nodev <<<"$mounts" | cut -d ' ' -f 2)" /
	check_eq "$(grep -E ' ro[, ]' <<<"$mounts" | cut -d ' ' -f 2 | sort | xargs)" "/ /busybox"
	check_eq "$(inside 'b find / -path /proc -prune -o -print | b sort' | xargs)" \
		"/ /busybox /dev /dev/net /dev/net/tun /dev/null /dev/urandom /etc /etc/hosts /etc/nsswitch.conf /etc/resolv.conf /state"
	check_eq "$(SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt inside 'echo $SSL_CERT_FILE; b wc -c <$SSL_CERT_FILE' | xargs)" \
		"/ca-certificates.crt $(wc -c </etc/ssl/certs/ca-certificates.crt)"
}

writes_where_it_must_only() {
	check_eq "$(inside 'b touch /state/a /etc/b && b mv /etc/resolv.conf /etc/resolv.pre-tailscale-backup.conf && echo yes')" yes
	check_eq "$(stat -c %u "$identity/node/a" "$service/etc/b" | xargs)" "$uid $uid"
	check_eq "$(inside 'for d in / /dev /proc /dev/net; do b touch $d/x 2>/dev/null && echo $d; done; :')" ""
	check_eq "$(inside 'b touch /busybox 2>/dev/null && echo yes; :')" ""
	check_eq "$(inside 'echo 1 >/proc/sys/net/ipv4/conf/all/src_valid_mark && b cat /proc/sys/net/ipv4/conf/all/src_valid_mark')" 1
	check_eq "$(inside 'for f in kernel/hostname kernel/core_pattern vm/swappiness; do [ -w /proc/sys/$f ] && echo $f; done; :')" ""
}

opens_its_devices() {
	check_eq "$(inside 'b stat -c "%u %a %t:%T" /dev/net/tun')" "$uid 600 a:c8"
	# A tun device that is open and attached to nothing: EBADFD.
	check_match "$(inside 'b cat /dev/net/tun 2>&1; :')" "File descriptor in bad state"
	check_eq "$(inside 'b head -c 4 /dev/urandom | b wc -c; echo x >/dev/null && echo ok' | xargs)" "4 ok"
	check_match "$(inside 'b mknod /state/sda b 8 0 2>&1; :')" "not permitted"
}

cannot_get_out() {
	local victim
	for victim in /run/docker.sock /var/run/docker.sock /etc/shadow "$dir/data/by-hostname/other/node/tailscaled.state" \
		"$service/env/NETNS" /proc/1/root/etc/shadow /proc/1/environ "/proc/$$/root/etc/shadow" "/proc/$$/cwd" /proc/kcore \
		/state/../other/node/tailscaled.state; do
		check_eq "$(inside "b cat $victim >/dev/null 2>&1 && echo open; :")" "" "$victim"
	done
	check_eq "$(inside "b ls -d /proc/1 /proc/$$ /proc/self 2>/dev/null; :" | xargs)" /proc/self "processes it sees"
	check_match "$(inside "b kill -0 $$ 2>&1; :")" "not permitted"
	check_match "$(inside 'b mount -t tmpfs x /state 2>&1; :')" "not permitted|must be superuser|denied"
	check_match "$(inside 'b umount /proc 2>&1; :')" "not permitted|denied"
	check_match "$(inside 'b mount -o remount,rw / 2>&1; :')" "not permitted|denied"
	check_match "$(inside 'b chroot /state /busybox 2>&1; :')" "not permitted"
	check_match "$(inside 'b nsenter -t 1 -n 2>&1; :')" "denied|No such file|not permitted|can.t open"
	check_match "$(inside 'b unshare -m b 2>&1; :')" "not permitted"
	# What it plants in its state directory cannot be run.
	check_match "$(inside 'b cp /busybox /state/x; b chmod 755 /state/x; /state/x true 2>&1; :')" "denied"
}

has_no_descriptors() {
	local fds
	exec 7</etc/passwd 8<"$dir" 9<"$dir/netns"
	fds=$(inside 'for f in /proc/self/fd/*; do echo "${f##*/} $(b readlink $f)"; done')
	exec 7<&- 8<&- 9<&-
	# 0, 1, 2, the lock, and the pipe of readlink's own shell may show as one of a higher number.
	check_eq "$(grep -c "/lock$" <<<"$fds")" 1
	check_eq "$(grep -cE '/passwd|netns|tslink-enter[^/]*$|endpoint' <<<"$fds")" 0 "$fds"
}

# The same from outside, where nothing the program does disturbs the view.
seen_from_outside() {
	local pid
	(
		cd "$service"
		exec 7</etc/passwd 9<"$dir/netns"
		exec s6-setlock state/lock tslink-enter "$busybox" sleep 1000
	) >"$dir/outside.log" 2>&1 </dev/null &
	pid=$!
	echo "$pid" >"$dir/outside.pid"
	wait_until 5 grep -qx busybox "/proc/$pid/comm"
	check_eq "$(readlink "/proc/$pid/fd/"* | grep -vc "^$dir/outside.log$\|^/dev/null$")" 1 "$(ls -l "/proc/$pid/fd")"
	check_eq "$(readlink "/proc/$pid/fd/"* | grep -c "/lock$")" 1
	check_eq "$(readlink "/proc/$pid/root" "/proc/$pid/cwd" | xargs)" "/ /"
	check_eq "$(readlink "/proc/$pid/ns/net")" "net:[$(stat -L -c %i "$dir/netns")]"
	for ns in mnt ipc uts; do
		check_not [ "$(readlink "/proc/$pid/ns/$ns")" = "$(readlink "/proc/self/ns/$ns")" ]
	done
	check_match "$(cat "$service/data/launched")" '^[0-9]+$'
	# The lock is still s6-setlock's.
	check_not s6-setlock -n "$identity/lock" true
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || :
	check s6-setlock -n "$identity/lock" true
}

is_in_the_containers_network() {
	check_eq "$(inside 'b hostname')" web
	check_eq "$(inside 'b cat /proc/net/dev' | grep -c :)" 1
	check_eq "$(inside 'b cat /etc/hosts' | grep -c 'localhost web')" 1
	check_eq "$(inside 'b cat /etc/resolv.conf' | grep nameserver)" "nameserver 192.0.2.53"
	setting TSLINK_DNS
	check_not [ "$(inside 'b cat /etc/resolv.conf' | grep -c '100.100.100.100\|127.0.0.53')" != 0 ]
	setting TSLINK_DNS 192.0.2.53
}

removes_what_was_left() {
	(cd "$identity/node" && setpriv --reuid "$uid" --regid "$uid" --clear-groups ln -s /etc/passwd tailscaled.sock)
	(cd "$service/etc" && ln -s /etc/passwd resolv.pre-tailscale-backup.conf && mkdir tailscale)
	check_eq "$(inside 'b ls /state/tailscaled.sock /etc/tailscale /etc/resolv.pre-tailscale-backup.conf 2>/dev/null; :')" ""
	check test -f /etc/passwd
}

# --- what is missing -------------------------------------------------------------------------------------------------------------------

names_what_is_missing() {
	local launched=$service/data/launched
	rm -f "$launched"
	echo "$dir/gone" >"$service/env/NETNS"
	fails 111 inside true
	is_state waiting "network namespace $dir/gone is gone"
	: >"$dir/plain"
	echo "$dir/plain" >"$service/env/NETNS"
	fails 111 inside true
	echo /proc/self/ns/net >"$service/env/NETNS"
	fails 100 inside true
	is_state failed "the host's own network namespace"
	echo "$dir/netns" >"$service/env/NETNS"

	fails 111 env SSL_CERT_FILE=/nonexistent.pem bash -c 'cd "$1" && s6-setlock state/lock tslink-enter "$2" true' - "$service" "$busybox"
	is_state waiting /nonexistent.pem
	setting TSLINK_DNS 100.100.100.100
	fails 100 inside true
	is_state failed "TSLINK_DNS: 100.100.100.100 is the node itself"
	setting TSLINK_DNS 192.0.2.53
	chown 0 "$identity/node"
	fails 111 inside true
	is_state waiting "state/node is not a directory of uid $uid"
	chown "$uid" "$identity/node"
	rm "$service/env/UID"
	fails 111 inside true
	check_match "$said" env/UID
	echo 0 >"$service/env/UID"
	fails 100 inside true
	echo "$uid" >"$service/env/UID"
	fails 100 bash -c 'cd "$1" && tslink-enter "$2" true' - "$service" "$busybox"
	check_match "$said" "s6-setlock state/lock"
	fails 111 bash -c 'cd "$1" && s6-setlock state/lock tslink-enter /nonexistent/tailscaled' - "$service"
	is_state waiting /nonexistent/tailscaled
	check_not test -e "$launched"

	echo "waiting" >"$service/data/state"
	inside true
	check test -s "$launched"
	check_eq "$(cat "$service/data/state")" starting
	check_not test -e "$service/data/error"
}

needs_a_tun_device() {
	fails 111 unshare --mount bash -c 'mount -t tmpfs x /dev/net && cd "$1" && s6-setlock state/lock tslink-enter "$2" true' - \
		"$service" "$busybox"
	is_state waiting "modprobe tun"
}

leaves_the_host_alone() {
	local before
	before=$(grep -v "$dir" /proc/self/mountinfo | sort; sha256sum /etc/resolv.conf; hostname; readlink /proc/self/ns/net)
	inside 'b touch /etc/passwd /etc/x && b mv /etc/x /etc/resolv.conf'
	check_eq "$(grep -v "$dir" /proc/self/mountinfo | sort; sha256sum /etc/resolv.conf; hostname; readlink /proc/self/ns/net)" "$before"
}

# --- tslink-tailscaled -----------------------------------------------------------------------------------------------------------------

# command_line: what tslink-tailscaled would execute, an argument a line, then its environment
command_line() { (cd "$service" && exec tslink-tailscaled "$BASH" -c 'printf "%s\n" "$0" "$@"; printf "%s\n" ---; /usr/bin/env' </dev/null); }

release() {
	mkdir -p "$dir/data/tailscale/1.2.3"
	cp "$1" "$dir/data/tailscale/1.2.3/tailscaled"
	ln -sfn "$dir/data/tailscale/1.2.3" "$tree/tailscale.new"
	rmdir "$tree/tailscale" 2>/dev/null || :
	mv -T "$tree/tailscale.new" "$tree/tailscale"
}

gives_the_command_line() {
	local got
	release "$busybox"
	got=$(SECRET=x LD_PRELOAD='' command_line)
	check_eq "$(sed '/^---$/,$d' <<<"$got" | xargs)" "$dir/data/tailscale/1.2.3/tailscaled --state=/state/tailscaled.state \
--statedir=/state --socket=/state/tailscaled.sock --tun=tailscale0 --port=20001 --no-logs-no-support"
	check_match "$got" $'\nGOGC=10\n'
	check_match "$got" $'\nGOMAXPROCS=[12]\n'
	check_match "$got" $'\nGODEBUG=disablethp=1\n'
	check_match "$got" $'\nTS_PORTLIST=false\n'
	check_match "$got" $'\nTS_DISABLE_PORTMAPPER=1\n'
	check_match "$got" $'\nTS_DEBUG_FIREWALL_MODE=nftables\n'
	check_match "$got" $'\nHOME=/state\n'
	check_match "$got" $'\nTS_LOGS_DIR=/state\n'
	check_match "$got" $'\nPATH=/nonexistent\n'
	check_match "$got" $'\nSSL_CERT_FILE=/etc/'
	check_not grep -qE '^(SECRET|GOMEMLIMIT|TS_DEBUG_MTU|HTTPS_PROXY|TS_AUTHKEY)=' <<<"$got"
	check_eq "$(cd "$service" && tslink-tailscaled "$BASH" -c '/usr/bin/grep THP_enabled /proc/self/status' | xargs)" "THP_enabled: 0"
}

takes_settings() {
	local got
	setting GOGC 50
	setting GOMAXPROCS ''
	setting TS_LOGS true
	setting TS_DEBUG_MTU 1400
	setting TS_AUTHKEY tskey-secret
	setting HTTPS_PROXY http://proxy.test:3128
	got=$(command_line)
	check_match "$got" $'\nGOGC=50\n'
	check_match "$got" $'\nTS_DEBUG_MTU=1400\n'
	check_match "$got" $'\nHTTPS_PROXY=http://proxy.test:3128\n'
	check_not grep -qE '^GOMAXPROCS=|tskey|no-logs' <<<"$got"
	echo 1200 >"$service/env/TUNMTU"
	check_match "$(command_line)" $'\nTS_DEBUG_MTU=1200\n'
	rm "$service/env/TUNMTU"
	setting TS_LOGS perhaps
	fails 100 command_line
	is_state failed "TS_LOGS: 'perhaps'"
	setting TS_LOGS false
	check_match "$(command_line)" --no-logs-no-support
	echo 99999 >"$service/env/PORT"
	fails 100 command_line
	echo 20001 >"$service/env/PORT"
	for name in GOGC GOMAXPROCS TS_LOGS TS_DEBUG_MTU TS_AUTHKEY HTTPS_PROXY; do
		setting "$name"
	done
	echo starting >"$service/data/state"
}

waits_for_the_release() {
	local pid
	rm -rf "$tree/tailscale"
	command_line >"$dir/waited" 2>&1 &
	pid=$!
	wait_until 5 grep -q "tailscale is not there yet" "$service/data/error"
	check_eq "$(cat "$service/data/state")" waiting
	# Things that happen beside it do not count.
	: >"$tree/other"
	check kill -0 "$pid"
	release "$busybox"
	wait "$pid"
	check grep -q -- --statedir=/state "$dir/waited"
	check_eq "$(cat "$service/data/state")" starting
	check_not test -e "$service/data/error"
}

# --- under s6, and for real -------------------------------------------------------------------------------------------------------------

# supervised: s6-supervise on the service directory, with a check of readiness that does not come about
supervised() {
	local pid
	cat >"$service/run" <<-'END'
		#!/bin/sh
		exec 2>&1 s6-setlock state/lock s6-notifyoncheck -d -n 0 -w 1000 -c 'test -e data/good' tslink-tailscaled tslink-enter
	END
	chmod 755 "$service/run"
	echo 3 >"$service/notification-fd"
	rm -f "$service/data/launched"
	s6-supervise "$service" >>"$dir/supervised.log" 2>&1 </dev/null 7</etc/passwd &
	pid=$!
	echo "$pid" >"$dir/supervise.pid"
	wait_until 10 test -s "$service/data/launched"
}

# node: the process ID of the supervised program, when it is one
node() {
	local pid
	pid=$(s6-svstat -o pid "$service") && [ "$pid" -gt 0 ] && [ "$(cat "/proc/$pid/comm")" = tailscaled ] && echo "$pid" || return 1
}

not_this_one() { local pid; pid=$(node) && [ "$pid" != "$1" ]; }

# It may stay a zombie for a while, when it is not ours to wait for.
dead() { ! readlink "/proc/$1/exe" >/dev/null; }

dies_with_its_supervisor() {
	local first began
	supervised
	wait_until 10 node
	first=$(node)
	check_eq "$(readlink "/proc/$first/fd/"* | sort | uniq -c | grep -c /lock)" 1
	note "descriptors: $(readlink "/proc/$first/fd/"* | grep -vE '^(socket|anon_inode|/dev/net/tun|/state|pipe)' | xargs)"
	check_eq "$(readlink "/proc/$first/fd/3" "/proc/$first/fd/4" 2>/dev/null | grep -c '/passwd\|/notif')" 0
	began=$(now_ms)
	kill -KILL "$(cat "$dir/supervise.pid")"
	wait_until 5 dead "$first"
	note "dead after $(($(now_ms) - began)) ms"
	supervised
	wait_until 10 not_this_one "$first"
	note "another one runs after $(($(now_ms) - began)) ms"
	s6-svc -wD -T 5000 -d "$service"
	s6-svc -x "$service"
	wait_until 5 dead "$(cat "$dir/supervise.pid")"
	check s6-setlock -n "$identity/lock" true
}

tailscaled_runs() {
	local times=() began try pid waiter
	for try in 1 2 3 4 5 6 7 8 9 10; do
		rm -f "$dir/waiter"
		wait_for_socket "$identity/tailscaled.sock" "$dir/waiter" >"$dir/connected" &
		waiter=$!
		wait_until 5 test -e "$dir/waiter"
		began=$(date +%s%N)
		(cd "$service" && exec s6-setlock state/lock tslink-tailscaled tslink-enter) >"$dir/tailscaled.log" 2>&1 </dev/null &
		pid=$!
		echo "$pid" >"$dir/tailscaled.pid"
		wait "$waiter"
		times+=($((($(cat "$dir/connected") - began) / 1000000)))
		check curl -sf --unix-socket "$identity/tailscaled.sock" -o /dev/null http://local-tailscaled.sock/localapi/v0/status
		if [ "$try" = 1 ]; then
			check_eq "$(readlink "/proc/$pid/fd/"* | grep -c '/lock$')" 1
			check_eq "$(readlink "/proc/$pid/fd/"* | grep -vE '^(socket|anon_inode|/dev/net/tun|/state|pipe|/dev/null|/proc)|/lock$|/tailscaled.log$')" ""
			check nsenter --net="$dir/netns" ip link show tailscale0 up
			check_match "$(cat "/proc/$pid/status")" "CapBnd:"$'\t'0000000000003000
		fi
		kill -TERM "$pid"
		wait "$pid" || :
	done
	note "from s6-setlock to tailscaled's socket, ms: ${times[*]}"
	# It looks for a TPM and finds none; of rights that it lacks it says nothing.
	check_eq "$(grep -v /dev/tpm "$dir/tailscaled.log" | grep -iE 'permission|denied|not permitted|read-only|no such file')" ""
	check_eq "$(stat -c %u "$identity/node/tailscaled.state")" "$uid"
}

# Netfilter, routes, MagicDNS: all that tailscaled does with its rights when it is up. The node is the LAN's client in the world: its
# control server is reached without an uplink.
tailscaled_joins() {
	local pid log=$dir/joined.log
	echo "/proc/$(world_pid)/root/proc/$(<"$WORLD/lan.pid")/ns/net" >"$service/env/NETNS"
	setting TS_DEBUG_USE_DERP_HTTP 1
	setting TSLINK_DNS 192.168.77.1
	(cd "$service" && exec s6-setlock state/lock tslink-tailscaled tslink-enter) >"$log" 2>&1 </dev/null &
	pid=$!
	echo "$pid" >"$dir/tailscaled.pid"
	wait_until 5 test -S "$identity/tailscaled.sock"
	cli up --login-server "$(control_url)" --authkey "$(control_key control)" --hostname web --accept-dns --netfilter-mode on --timeout 20s
	check_eq "$(cli status --json --peers=false | jq -r '.BackendState, (.Self.Online | tostring)' | xargs)" "Running true"
	note "complaints of its health: $(cli status --json --peers=false | jq -c .Health)"
	wait_until 5 grep -q 'nameserver 100.100.100.100' "$service/etc/resolv.conf"
	check_eq "$(grep nameserver "$service/etc/resolv.pre-tailscale-backup.conf")" "nameserver 192.168.77.1"
	check_match "$(nsenter --net="/proc/$pid/ns/net" nft list ruleset)" "chain ts-input"
	check_match "$(nsenter --net="/proc/$pid/ns/net" ip rule)" "lookup 52"
	check nsenter --net="/proc/$pid/ns/net" ping -qc 1 -W 2 "$(cli ip -4)"
	kill -TERM "$pid"
	wait "$pid"
	check_eq "$(grep -v /dev/tpm "$log" | grep -iE 'permission|denied|not permitted|read-only|no such file')" ""
}

cli() { "$TSLINK_CACHE/bin/tailscale" --socket "$identity/tailscaled.sock" "$@"; }

# wait_for_socket PATH READY: make the file READY, then print the time (ns) at which the socket accepts
wait_for_socket() {
	python3 - "$1" "$2" <<-'END'
		import socket, sys, time
		open(sys.argv[2], "w").close()
		end = time.monotonic() + 10
		while True:
		    s = socket.socket(socket.AF_UNIX)
		    try:
		        s.connect(sys.argv[1])
		        break
		    except OSError:
		        if time.monotonic() > end:
		            sys.exit("no tailscaled at " + sys.argv[1])
		    s.close()
		    time.sleep(0.001)
		print(time.time_ns())
	END
}

test_case "two capabilities, a uid of its own" has_two_capabilities
test_case "few mounts, each as narrow as it can be" has_few_mounts
test_case "it writes to its state and its /etc only" writes_where_it_must_only
test_case "devices of its own" opens_its_devices
test_case "no way to the host or another node" cannot_get_out
test_case "no descriptors but the lock's" has_no_descriptors
test_case "descriptors, namespaces and lock seen from outside" seen_from_outside
test_case "the container's network, the private /etc" is_in_the_containers_network
test_case "what an earlier daemon left is removed" removes_what_was_left
test_case "what is missing is named" names_what_is_missing
test_case "a host without tun" needs_a_tun_device
test_case "the host notices nothing" leaves_the_host_alone
test_case "tailscaled's command line and environment" gives_the_command_line
test_case "settings" takes_settings
test_case "the release is waited for" waits_for_the_release
if [ -x "$tailscaled" ]; then
	release "$tailscaled"
	test_case "a killed supervisor takes the node along" dies_with_its_supervisor
	test_case "the real tailscaled" tailscaled_runs
	world_start
	test_case "the real tailscaled on a tailnet" tailscaled_joins
else
	skip_case "the real tailscaled" "run tests/setup"
fi
finish
