#!/bin/bash
# SPDX-License-Identifier: ISC
#
# The test hosts themselves: all other tests stand on them.
# shellcheck disable=SC2317 # test_case calls the functions
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# timed WHAT COMMAND...: note how long it takes
timed() {
	local what=$1 began
	shift
	began=$(now_ms)
	"$@"
	note "$what: $(($(now_ms) - began)) ms"
}

boots() {
	local host=$1 engine=$2
	timed "host_start, engine $engine" host_start "$host" "$engine"
	check_match "$(host_docker "$host" version --format '{{.Server.Version}}')" "^${engine//./\\.}\\."
	check_eq "$(host_run "$host" hostname)" "$host"
	check host_run "$host" test -c /dev/net/tun
}

runs_a_container() {
	timed "docker run bb true" host_docker "$1" run --rm bb true
	check_eq "$(host_docker "$1" run --rm -i bb cat <<<hello)" hello
	# Not every machine has all controllers to hand out.
	if [ "$(host_docker "$1" info -f '{{.MemoryLimit}} {{.CPUCfsQuota}}')" = "true true" ]; then
		check_eq "$(host_docker "$1" run --rm --memory 64m --cpus 0.5 bb echo hello)" hello "with limits"
	fi
}

container_reaches_the_internet() {
	check_eq "$(host_docker "$1" run --rm bb wget -qO - http://198.51.100.1/)" "internet"$'\n'"client $(host_address "$1")"
	check_match "$(host_docker "$1" run --rm bb wget -qO - http://public.test/)" internet
	check_not host_docker "$1" run --rm bb nslookup no.such.name
}

exec_is_in_the_container() {
	host_docker "$1" run -d --name exec bb sleep 1000
	check_eq "$(host_docker "$1" exec exec cat /etc/hostname)" "$(host_docker "$1" inspect -f '{{.Config.Hostname}}' exec)"
	host_docker "$1" rm -f exec
}

# What tslink needs to see of the engine from the host's own side.
host_sees_the_engine() {
	local id pid key data
	id=$(host_docker "$1" run -d --name seen bb sleep 1000)
	pid=$(host_engine_pid "$1")
	key=$(host_docker "$1" inspect -f '{{.NetworkSettings.SandboxKey}}' seen)
	check_eq "$(host_run "$1" stat -f -c %T "$key")" nsfs "type of $key"
	check host_run "$1" nsenter --net="$key" ip link show eth0
	check_eq "$(host_run "$1" jq -r .Name "/var/lib/docker/containers/$id/config.v2.json")" /seen
	check host_run "$1" grep -qa "\"Cid\":\"$id\"" /var/lib/docker/network/files/local-kv.db
	data=$(host_run "$1" sh -c "readlink /proc/$pid/fd/* | grep /volumes/metadata.db")
	check_eq "$data" /var/lib/docker/volumes/metadata.db
	check host_run "$1" test -S /run/docker.sock
	host_docker "$1" rm -f seen
}

# And the engine of what the host's side does.
engine_sees_the_host() {
	host_run "$1" mkdir -p /run/docker/plugins /run/probe
	host_run "$1" touch /run/docker/plugins/probe.sock /run/probe/file
	check host_engine_run "$1" ls /run/docker/plugins/probe.sock
	host_run "$1" mount -t tmpfs probe /run/probe
	host_run "$1" touch /run/probe/mounted
	check host_engine_run "$1" ls /run/probe/mounted
	host_run "$1" umount /run/probe
	check_not host_engine_run "$1" ls /run/probe/mounted
	host_run "$1" rm /run/docker/plugins/probe.sock
}

published_port_from_the_lan() {
	host_docker "$1" run -d --name web -p 8000:80 bb sh -c 'echo published >/var/www/index.html; exec httpd -f -h /var/www'
	wait_until 10 lan_run curl --silent --fail --max-time 1 --output /dev/null "http://$(host_address "$1"):8000/"
	check_eq "$(lan_run curl --silent "http://$(host_address "$1"):8000/")" published
	host_docker "$1" rm -f web
}

container_runs() { [ "$(host_docker "$1" inspect -f '{{.State.Running}}' "$2")" = true ]; }

reboot_keeps_the_disk() {
	local before after
	host_docker "$1" run -d --name kept --restart always bb sh -c 'echo life >>/lives; exec sleep 1000'
	host_run "$1" sh -c 'echo configured >/etc/tslink.probe; echo state >/var/lib/tslink/probe; echo lost >/run/probe.lost'
	before=$(host_address "$1")
	timed "reboot" host_reboot "$1"
	wait_until 10 container_runs "$1" kept
	check_eq "$(host_docker "$1" exec kept wc -l /lives)" "2 /lives"
	check_eq "$(host_run "$1" cat /etc/tslink.probe /var/lib/tslink/probe)" configured$'\n'state
	check_not host_run "$1" test -e /run/probe.lost
	check_not test -e /etc/tslink.probe
	after=$(host_address "$1")
	check_eq "$after" "$before"
	host_docker "$1" rm -f kept
}

live_restore() {
	local before
	host_engine_stop "$1"
	host_engine_start "$1" --live-restore
	host_docker "$1" run -d --name lives bb sleep 1000
	before=$(host_docker "$1" inspect -f '{{.State.Pid}} {{.State.StartedAt}}' lives)
	host_engine_kill "$1"
	check_not host_api "$1" 5 /_ping
	timed "engine start after SIGKILL" host_engine_start "$1" --live-restore
	check_eq "$(host_docker "$1" inspect -f '{{.State.Pid}} {{.State.StartedAt}}' lives)" "$before"
	host_docker "$1" rm -f lives
}

two_hosts_meet() {
	check host_run a ping -c 1 -W 2 "$(host_address b)"
	check host_run b ping -c 1 -W 2 "$(host_address c)"
	check lan_run ping -c 1 -W 2 "$(host_address a)"
}

no_way_out() {
	local target
	for target in 192.0.2.1 8.8.8.8; do
		check_not host_run a ping -c 1 -W 1 "$target"
		check_not world_run ping -c 1 -W 1 "$target"
	done
	check_eq "$(world_run ip route show default)" ""
}

control_server() {
	check_match "$(world_run curl --silent "$(control_url)/health")" pass
	timed "control_start, a second one" control_start other
	check_not test "$(control_url)" = "$(control_url other)"
	check_match "$(control_key other --reusable --ephemeral)" ^hskey-auth-
	control_stop other
	check_not host_run a curl --silent --max-time 2 "$(control_url other)/health"
	control_start other
	check host_run a curl --silent --max-time 2 "$(control_url other)/health"
}

# tailscale_as HOST ARGUMENT...
tailscale_as() {
	local host=$1
	shift
	host_run "$host" "$TSLINK_CACHE/bin/tailscale" --socket=/run/ts/sock "$@"
}

backend_is() { [ "$(tailscale_as "$1" status --json 2>/dev/null | jq -r .BackendState)" = "$2" ]; }

tailscale_up() {
	local host=$1
	host_run "$host" mkdir -p /run/ts /var/lib/ts /run/ts/etc
	host_run "$host" cp /etc/resolv.conf /run/ts/etc
	host_spawn "$host" tailscaled env TS_DEBUG_USE_DERP_HTTP=1 TS_DISABLE_PORTMAPPER=1 TS_NO_LOGS_NO_SUPPORT=true TS_LOGS_DIR=/run/ts \
		unshare --mount sh -c 'mount --bind /run/ts/etc /etc && exec "$@"' - \
		"$TSLINK_CACHE/bin/tailscaled" --statedir=/var/lib/ts --socket=/run/ts/sock
	wait_until 10 host_run "$host" test -S /run/ts/sock
	tailscale_as "$host" up --login-server="$(control_url)" --auth-key="$(control_key control)" --hostname="$host"
	wait_until 10 backend_is "$host" Running
}

real_tailnet() {
	tailscale_up a
	tailscale_up b
	check_eq "$(control_nodes | jq -r '[.[].given_name] | sort | join(" ")')" "a b"
	check tailscale_as a ping --c 10 --until-direct=true b
	control_delete control b
	check_eq "$(control_nodes | jq -r '[.[].given_name] | join(" ")')" "a"
}

timed "world_start" world_start
host=a
for engine in 28.5 26.1 20.10; do
	test_case "engine $engine: a host boots" boots "$host" "$engine"
	test_case "engine $engine: docker run" runs_a_container "$host"
	test_case "engine $engine: docker exec runs in the container" exec_is_in_the_container "$host"
	test_case "engine $engine: NAT and names" container_reaches_the_internet "$host"
	test_case "engine $engine: the host sees netns, data root and sockets" host_sees_the_engine "$host"
	test_case "engine $engine: the engine sees plugin sockets and mounts" engine_sees_the_host "$host"
	test_case "engine $engine: a published port from the LAN" published_port_from_the_lan "$host"
	test_case "engine $engine: a reboot keeps disk and restart policy" reboot_keeps_the_disk "$host"
	test_case "engine $engine: dockerd alone dies under live-restore" live_restore "$host"
	host=$(tr abc bcd <<<"$host")
done
test_case "hosts meet on the LAN" two_hosts_meet
test_case "nothing leads out of the world" no_way_out
test_case "control servers come and go" control_server
test_case "two real tailscaleds meet on a direct path" real_tailnet
finish
