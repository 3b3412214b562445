# SPDX-License-Identifier: ISC
# shellcheck shell=bash
#
# The first process of a PID namespace, sourced by world and boot: it reaps orphans, and starts daemons on request. A daemon started
# so is in all of the namespaces and control groups, and has neither terminal nor stray descriptors, like one that a real init starts.

# spawn LOG REPLY COMMAND...: start it, its output appended to LOG, and write its process ID to the FIFO named REPLY
spawn() {
	local log=$1 reply=$2
	shift 2
	env --default-signal setsid "$@" </dev/null >>"$log" 2>&1 3>&- &
	printf '%s\n' "$!" >"$reply"
	disown
}

# serve FIFO: take lines of the form "spawn LOG REPLY COMMAND...", quoted for the shell, for ever
serve() {
	local line
	# Opened for writing too: so that it never comes to an end.
	exec 3<>"$1"
	while :; do
		IFS= read -r -u 3 line && eval "$line"
	done
}
