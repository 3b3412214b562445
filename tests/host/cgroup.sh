# SPDX-License-Identifier: ISC
# shellcheck shell=bash
#
# Control groups of a world: one group per world in each hierarchy that the machine has (version 1: below the group we are in; version 2:
# at the top, since a group with processes in it cannot hand out controllers), and in it one per host.

# cgroup_bases: the directories, one a line, in which a world's group is made
cgroup_bases() {
	local controllers path
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		echo /sys/fs/cgroup
		return
	fi
	while IFS=: read -r _ controllers path; do
		controllers=${controllers#name=}
		# The unified hierarchy beside version 1 has no controllers that Docker would use.
		[ -n "$controllers" ] && [ -d "/sys/fs/cgroup/$controllers" ] && echo "/sys/fs/cgroup/$controllers${path%/}"
	done </proc/self/cgroup
	return 0
}

# cgroup_join GROUP...: make the nested groups below each base and move this process into the innermost
cgroup_join() {
	local base dir group
	while read -r base; do
		dir=$base
		for group; do
			dir=$dir/$group
			[ -d "$dir" ] || mkdir "$dir"
			cgroup_inherit "$dir"
		done
		echo 0 >"$dir/cgroup.procs"
	done < <(cgroup_bases)
}

# cgroup_inherit DIR: a new cpuset group of version 1 has no processor and takes no process until it is given some
cgroup_inherit() {
	local file
	for file in cpuset.cpus cpuset.mems; do
		[ -e "$1/cgroup.clone_children" ] || return 0
		[ ! -e "$1/$file" ] || [ -n "$(<"$1/$file")" ] || cat "${1%/*}/$file" >"$1/$file"
	done
}

# cgroup_mount DIR: show the groups of this cgroup namespace at DIR, as a booted machine has them
cgroup_mount() {
	local base controllers
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		mount -t cgroup2 cgroup2 "$1"
		# The root of the namespace has to be free of processes before it can hand out controllers.
		mkdir -p "$1/init"
		echo $$ >"$1/init/cgroup.procs"
		sed 's/^/+/; s/ / +/g' "$1/cgroup.controllers" >"$1/cgroup.subtree_control"
		return
	fi
	mount -t tmpfs -o mode=755 tmpfs "$1"
	while IFS=: read -r _ controllers _; do
		base=${controllers#name=}
		if [ -z "$base" ] || [ ! -d "/sys/fs/cgroup/$base" ]; then
			continue
		fi
		mkdir "$1/$base"
		mount -t cgroup -o "${controllers/#name=/none,name=}" cgroup "$1/$base"
	done </proc/self/cgroup
}

# cgroup_remove GROUP: remove it and all below, when no process is left in them
cgroup_remove() {
	local base
	while read -r base; do
		[ ! -d "$base/$1" ] || find "$base/$1" -depth -type d -exec rmdir {} + || return
	done < <(cgroup_bases)
}
