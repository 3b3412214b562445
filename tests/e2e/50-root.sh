#!/bin/bash
# SPDX-License-Identifier: ISC
#
# The private root of a node's tailscaled, seen from /proc and from inside; and where secrets are, and are not.
# shellcheck disable=SC2317 # test_case calls the functions
set -euo pipefail
# shellcheck source=tests/tslink.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tslink.sh"

KEYS=$TSLINK_PREFIX/etc/tslink/keys

# inside.py PID UID: enter the mount namespace of that process, become that user with nothing but its two capabilities, and print
# "path PATH" for each file that can be seen, "process PID" for each process, "open PATH" for each of the paths on standard input that can be
# opened, connected to or listed, and "written PATH" for each directory or file that can be written to.
write_inside() {
	cat >"$WORLD/inside.py" <<-'END'
		import ctypes, os, socket, sys

		libc = ctypes.CDLL(None, use_errno=True)
		pid, uid = sys.argv[1], int(sys.argv[2])
		wanted = sys.stdin.read().split()

		def call(result):
		    if result != 0:
		        raise OSError(ctypes.get_errno(), "a system call failed")

		def can_open(path):
		    for attempt in (lambda: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK)),
		                    lambda: socket.socket(socket.AF_UNIX).connect(path)):
		        try:
		            attempt()
		            return True
		        except OSError:
		            pass
		    return False

		def can_write(path):
		    try:
		        if os.path.isdir(path):
		            os.close(os.open(path + "/probe", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
		            os.unlink(path + "/probe")
		        else:
		            os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK))
		        return True
		    except OSError:
		        return False

		namespace = os.open("/proc/%s/ns/mnt" % pid, os.O_RDONLY)
		call(libc.setns(namespace, 0x20000))
		os.close(namespace)
		for capability in range(64):
		    if capability not in (12, 13):
		        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
		call(libc.prctl(8, 1, 0, 0, 0))  # PR_SET_KEEPCAPS
		os.setgroups([])
		os.setresgid(uid, uid, uid)
		os.setresuid(uid, uid, uid)
		header = (ctypes.c_uint32 * 2)(0x20080522, 0)
		call(libc.capset(header, (ctypes.c_uint32 * 6)(0x3000, 0x3000, 0, 0, 0, 0)))
		call(libc.prctl(4, 1, 0, 0, 0))  # PR_SET_DUMPABLE, lost with the change of user

		for path in wanted:
		    if can_open(path):
		        print("open", path)
		for top, directories, files in os.walk("/"):
		    if top == "/":
		        directories.remove("proc")
		    for path in [top] + [os.path.join(top, f) for f in files]:
		        print("path", path)
		        if can_write(path):
		            print("written", path)
		for name in os.listdir("/proc"):
		    if name.isdigit() and int(name) != os.getpid():
		        print("process", name)
	END
}

status_of() { host_run a s6-svstat -o pid "/run/tslink/service/$(endpoint_of a "$1")"; }

# field CONTAINER NAME: of /proc/.../status of its node
field() { host_run a sed -n "s/^$2:[[:space:]]*//p" "/proc/$(status_of "$1")/status"; }

# uid_of CONTAINER
uid_of() { field "$1" Uid | cut -f 1; }

starts() {
	write_inside
	md5sum /etc/resolv.conf >"$WORLD/resolv.machine"
	host_start a 28.5
	host_run a md5sum /etc/resolv.conf >"$WORLD/resolv.host"
	control_key control --reusable >"$WORLD/key.env"
	control_key control --reusable >"$WORLD/key.file"
	tslink_start a "TS_AUTHKEY=$(<"$WORLD/key.env")"
	tailnet a tailnet control
	for name in one two; do
		host_docker a run -d --name "$name" --network tailnet bb sleep 1000
		node_ip a "$name"
	done
	check host_docker a exec one ping -c 1 -W 5 "$(node_ip a two)"
}

# --- from outside --------------------------------------------------------------------------------------------------------------

few_mounts() {
	local mounts
	mounts=$(host_run a cat "/proc/$(status_of one)/mountinfo")
	note "$(wc -l <<<"$mounts") mounts: $(cut -d ' ' -f 5 <<<"$mounts" | sort | tr '\n' ' ')"
	check [ "$(wc -l <<<"$mounts")" -lt 20 ]
	check_eq "$(awk '$5 == "/" && $6 !~ /^ro/' <<<"$mounts")" "" "a root that can be written to"
	check_eq "$(grep -v nosuid <<<"$mounts" || :)" "" "mounts with set-user-ID programs"
	check_eq "$(awk '$7 ~ /shared|master/' <<<"$mounts")" "" "mounts that the host shares"
}

no_privileges() {
	local name
	for name in one two; do
		for set in CapBnd CapEff CapPrm CapInh CapAmb; do
			check_eq "$(field "$name" "$set")" 0000000000003000 "$name: $set"
		done
		check_eq "$(field "$name" NoNewPrivs)" 1
		check_eq "$(field "$name" Groups | tr -d ' ')" ""
		check_eq "$(field "$name" Uid | tr '\t' '\n' | sort -u)" "$(uid_of "$name")" "all uids"
		check_eq "$(field "$name" Gid | tr '\t' '\n' | sort -u)" "$(uid_of "$name")" "all gids"
		check [ "$(uid_of "$name")" -ge 65536 ]
		check_eq "$(uid_of "$name")" "$(host_run a cat "/run/tslink/endpoint/$(endpoint_of a "$name")/env/UID")"
	done
	check_not [ "$(uid_of one)" = "$(uid_of two)" ]
}

own_namespaces() {
	local one
	one=$(status_of one)
	check_eq "$(host_run a readlink "/proc/$one/ns/net")" "$(host_run a readlink "/proc/$(host_docker a inspect -f '{{.State.Pid}}' one)/ns/net")"
	for kind in mnt ipc uts net; do
		check_not [ "$(host_run a readlink "/proc/$one/ns/$kind")" = "$(host_run a readlink "/proc/1/ns/$kind")" ]
		check_not [ "$(host_run a readlink "/proc/$one/ns/$kind")" = "$(host_run a readlink "/proc/$(status_of two)/ns/$kind")" ]
	done
}

few_descriptors() {
	local open lock own
	open=$(host_run a sh -c "for fd in /proc/$(status_of one)/fd/*; do echo \"\${fd##*/} \$(readlink \$fd)\"; done")
	note "$(cut -d ' ' -f 2 <<<"$open" | sed 's/\[[0-9]*\]//' | sort | uniq -c | tr -s ' \n' ' ')"
	lock=/var/lib/tslink/by-hostname/one/lock
	check_match "$(sed -n 's/^0 //p' <<<"$open")" "^/dev/null$"
	check_match "$(sed -n 's/^1 //p' <<<"$open")" "^pipe:"
	check_eq "$(sed -n 's/^1 //p' <<<"$open")" "$(sed -n 's/^2 //p' <<<"$open")" "descriptors 1 and 2"
	check_eq "$(grep -c " $lock$" <<<"$open")" 1 "descriptors of the lock"
	# Else only what it opened itself, such as both ends of a pipe.
	own=$(sed -n 's/^[0-9]* \(pipe:.*\)/\1/p' <<<"$open" | sort | uniq -d)
	check_eq "$(grep -Ev "^[012] | $lock$| (socket|anon_inode):| /dev/(net/tun|urandom)$| /state/" <<<"$open" | grep -vF "${own:-no pipe}" || :)" ""
}

small_environment() {
	local environment
	environment=$(host_run a cat "/proc/$(status_of one)/environ" | tr '\0' '\n' | sed 's/=.*//' | sort | tr '\n' ' ')
	note "$environment"
	check_not grep -Eq 'AUTHKEY|DOCKER|TSLINK' <<<"$environment"
}

# --- from inside ---------------------------------------------------------------------------------------------------------------

# look_around CONTAINER [PATH...]: as its tailscaled, into $WORLD/seen
look_around() {
	local container=$1
	shift
	printf '%s\n' "$@" | host_run a /usr/bin/python3 -I -S "$WORLD/inside.py" "$(status_of "$container")" "$(uid_of "$container")" >"$WORLD/seen"
}

sees_little() {
	look_around one
	check_eq "$(sed -n 's/^path //p' "$WORLD/seen" |
		grep -Ev '^/(tailscaled|ca-certificates.crt)?$|^/dev(/null|/urandom|/net(/tun)?)?$|^/etc(/(hosts|resolv.conf|nsswitch.conf|resolv.pre-tailscale-backup.conf))?$|^/state(/|$)')" "" "what else is there"
	check grep -qx "path /state/tailscaled.state" "$WORLD/seen"
	check_eq "$(sed -n 's/^written //p' "$WORLD/seen" | grep -Ev '^/(etc|state)(/|$)|^/dev/(null|net/tun)$' || :)" "" "what can be written"
	check grep -qx "written /state" "$WORLD/seen"
	# It sees no process but its own.
	check_eq "$(sed -n 's/^process //p' "$WORLD/seen")" "$(status_of one)"
}

opens_nothing() {
	local one two
	one=$(status_of one)
	two=$(status_of two)
	set -- /run/docker.sock /var/run/docker.sock /etc/shadow /etc/passwd /var/lib/tslink /var/lib/tslink/by-hostname/two/node/tailscaled.state \
		/run/tslink /run/tslink/env/TS_AUTHKEY /run/docker/plugins/tslink.sock /bin/sh /dev/mem /dev/kmsg /proc/kcore /proc/sysrq-trigger
	for pid in 1 "$two" "$(host_engine_pid a)"; do
		set -- "$@" "/proc/$pid/environ" "/proc/$pid/fd" "/proc/$pid/root" "/proc/$pid/root/etc/shadow" "/proc/$pid/root/run/docker.sock" \
			"/proc/$pid/root/state/tailscaled.state" "/proc/$pid/cwd" "/proc/$pid/mem" "/proc/$pid/ns/mnt"
	done
	look_around one "$@"
	check_eq "$(sed -n 's/^open //p' "$WORLD/seen")" ""
	# That this could have seen something: its own.
	look_around one "/proc/$one/environ" "/proc/$one/root/state/tailscaled.state" /state/tailscaled.state /state/tailscaled.sock /etc/resolv.conf
	check_eq "$(grep -c '^open ' "$WORLD/seen")" 5
}

# By the outer file system, with the node's user alone: another node's files, or the tree's.
outer_files() {
	local uid
	uid=$(uid_of one)
	for path in /var/lib/tslink/by-hostname/two/node/tailscaled.state /var/lib/tslink/by-hostname/two/node /var/lib/tslink/network /run/tslink/env \
		/run/tslink/env/TS_AUTHKEY "/run/tslink/endpoint/$(endpoint_of a two)" /run/docker/plugins/tslink.sock; do
		check host_run a test -e "$path"
		check_not host_run a setpriv --reuid "$uid" --regid "$uid" --clear-groups --bounding-set -all test -r "$path"
	done
}

# --- name servers --------------------------------------------------------------------------------------------------------------

# What tailscaled found, and has kept since it put its own there.
upstream() { host_run a sh -c "cd /run/tslink/endpoint/$(endpoint_of a "$1")/etc && cat \$(ls resolv.pre-tailscale-backup.conf resolv.conf | tail -n 1)"; }

name_servers() {
	for name in one two; do
		check_eq "$(upstream "$name" | grep ^nameserver)" "nameserver 192.168.77.1" "upstream of $name"
		# It asks it, and the container asks Docker, as it always did.
		check_match "$(host_docker a exec "$name" nslookup public.test 100.100.100.100)" 198.51.100.1
		check_match "$(host_docker a exec "$name" cat /etc/resolv.conf)" "nameserver 127.0.0.11"
		check_not host_docker a exec "$name" grep -q 100.100.100.100 /etc/resolv.conf
	done
	resolv_conf_unchanged
}

resolv_conf_unchanged() {
	check_eq "$(host_run a md5sum /etc/resolv.conf)" "$(<"$WORLD/resolv.host")" "the host's"
	check_eq "$(md5sum /etc/resolv.conf)" "$(<"$WORLD/resolv.machine")" "the machine's"
}

# --- secrets -------------------------------------------------------------------------------------------------------------------

# Keys from everywhere, right and wrong ones, while somebody reads all command lines and environments of the host all the time.
spied_on() {
	local wrong
	host_run a mkdir -p -m 700 "$KEYS"
	wrong=$(control_key control)
	echo "${wrong%????}0000" >"$WORLD/key.wrong"
	host_run a sh -c "umask 077; cat >$KEYS/good" <"$WORLD/key.file"
	host_run a sh -c "umask 077; cat >$KEYS/bad" <"$WORLD/key.wrong"
	host_docker a network create --driver tslink --opt "tslink.login-server=$(control_url)" by-env
	host_docker a network create --driver tslink --opt tslink.authkey-file=good --opt "tslink.login-server=$(control_url)" by-file
	host_docker a network create --driver tslink --opt tslink.authkey-file=bad --opt "tslink.login-server=$(control_url)" by-wrong-file
	host_docker a network inspect -f '{{index .Options "tslink.authkey"}}' tailnet >"$WORLD/key.option"
	cat "$WORLD"/key.{env,file,wrong,option} >"$WORLD/keys"
	check_eq "$(grep -c "^hskey-auth-" "$WORLD/keys")" 4
	cat >"$WORLD/spy.py" <<-'END'
		import glob, sys

		keys = [line.strip().encode() for line in open(sys.argv[1])]
		print("watching", flush=True)
		rounds = 0
		while not glob.glob(sys.argv[2]):
		    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
		        try:
		            content = open(path, "rb").read()
		        except OSError:
		            continue
		        if any(key in content for key in keys):
		            print("seen in", path, content.split(b"\0")[0], flush=True)
		    rounds += 1
		print("rounds", rounds, flush=True)
	END
	host_spawn a spy /usr/bin/python3 -I -S "$WORLD/spy.py" "$WORLD/keys" "$WORLD/spy.stop"
	wait_until 5 grep -q watching "$(host_log a spy)"
	for network in by-env by-file by-wrong-file tailnet; do
		host_docker a run -d --name "on-$network" --network "$network" bb sleep 1000
	done
	for network in by-env by-file tailnet; do
		node_ip a "on-$network"
	done
	check_eq "$(note_of a on-by-wrong-file state)" failed
	check_match "$(note_of a on-by-wrong-file error)" "refuses the auth key"
	host_docker a restart -t 0 on-by-file
	node_ip a on-by-file
	tslink_run a tslink-login -d "/run/tslink/endpoint/$(endpoint_of a on-by-file)"
	touch "$WORLD/spy.stop"
	wait_until 10 grep -q rounds "$(host_log a spy)"
	note "the spy made $(sed -n 's/^rounds //p' "$(host_log a spy)") rounds"
	check_eq "$(grep -v "^watching\|^rounds" "$(host_log a spy)" || :)" ""
}

# In whatever else is on disk or was said: the keys, each in the one file that holds it.
no_key_elsewhere() {
	local id
	id=$(host_docker a network inspect -f '{{.Id}}' tailnet)
	check_eq "$(host_run a grep -rlFf "$WORLD/keys" /run/tslink /var/lib/tslink "$KEYS" 2>/dev/null | sort)" \
		"$(printf '%s\n' "$KEYS/bad" "$KEYS/good" /run/tslink/env/TS_AUTHKEY "/var/lib/tslink/network/$id/authkey" | sort)"
	check_not grep -qFf "$WORLD/keys" "$(host_log a tslink)"
	for file in "$KEYS/good" /run/tslink/env/TS_AUTHKEY "/var/lib/tslink/network/$id/authkey"; do
		check_eq "$(host_run a stat -c '%a %U %G' "$file")" "600 root root" "$file"
	done
	# What could be read in the logs, was.
	check host_run a grep -q "refuses the auth key" /var/lib/tslink/by-hostname/on-by-wrong-file/debug.log
}

# Docker shows what it was given, and nothing more.
docker_shows() {
	host_docker a network inspect by-file by-env by-wrong-file >"$WORLD/shown"
	host_docker a inspect one on-by-file on-by-wrong-file >>"$WORLD/shown"
	check_not grep -Ff "$WORLD/keys" "$WORLD/shown"
}

mode() { host_run a stat -c '%a %U' "$1"; }

permissions() {
	local id
	id=$(host_docker a network inspect -f '{{.Id}}' tailnet)
	check_eq "$(mode /run/docker/plugins/tslink.sock)" "600 root"
	check_eq "$(mode /run/tslink/env)" "700 root"
	check_eq "$(mode /run/tslink/endpoint)" "700 root"
	check_eq "$(mode /var/lib/tslink/by-hostname)" "700 root"
	check_eq "$(mode /var/lib/tslink/network)" "700 root"
	check_eq "$(mode "/var/lib/tslink/network/$id")" "700 root"
	check_eq "$(host_run a stat -c '%a %u' /var/lib/tslink/by-hostname/one/node)" "700 $(uid_of one)"
	check_eq "$(host_run a stat -c '%a %u' /var/lib/tslink/by-hostname/one/node/tailscaled.state)" "600 $(uid_of one)"
	# Nobody else may write anything, nor read what is not for people.
	check_eq "$(host_run a find /run/tslink /var/lib/tslink ! -type l ! -type s ! -type p -perm /022 ! \( -name event -group root ! -perm /002 \))" \
		"" "what others may write"
	check_eq "$(host_run a find /var/lib/tslink -type f -perm /077 ! -path '*/log/*')" "" "what others may read"
	# The harness made /var/lib/tslink; where there is none yet:
	tslink_start a TSLINK_NAME=second
	check_eq "$(mode /var/lib/second)" "700 root"
	tslink_stop a second
}

# --- the end of a life ---------------------------------------------------------------------------------------------------------

# What a hole in tailscaled may have left behind is not there in its next life.
clean_again() {
	local pid etc
	pid=$(status_of one)
	etc=/run/tslink/endpoint/$(endpoint_of a one)/etc
	host_run a sh -c "echo nameserver 100.100.100.100 >$etc/resolv.conf; echo evil >$etc/evil; ln -s /etc/shadow $etc/hosts.link"
	host_run a kill -KILL "$pid"
	wait_until 20 is_back "$pid"
	check_eq "$(host_run a ls "$etc" | grep -v '^resolv.pre-tailscale-backup.conf$' | tr '\n' ' ')" "hosts nsswitch.conf resolv.conf "
	check_eq "$(upstream one | grep ^nameserver)" "nameserver 192.168.77.1"
	host_docker a rm -f one two
	resolv_conf_unchanged
}

is_back() { [ "$(status_of one)" != "$1" ] && [ "$(host_run a s6-svstat -o ready "/run/tslink/service/$(endpoint_of a one)")" = true ]; }

world_start
test_case "two nodes" starts
test_case "fewer than 20 mounts" few_mounts
test_case "a user of its own, and two capabilities" no_privileges
test_case "namespaces of its own" own_namespaces
test_case "no descriptor but those wanted" few_descriptors
test_case "a small environment" small_environment
test_case "inside there is next to nothing" sees_little
test_case "Docker's socket, the host's files and other nodes cannot be opened from there" opens_nothing
test_case "nor by that user outside" outer_files
test_case "the host's name servers, and everybody's resolv.conf is their own" name_servers
test_case "no key in command lines and environments" spied_on
test_case "nor in logs, service directories and elsewhere" no_key_elsewhere
test_case "nor in what Docker tells of containers" docker_shows
test_case "permissions" permissions
test_case "the next life begins with a clean /etc" clean_again
finish
