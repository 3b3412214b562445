#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""usage: stages.py RUNDIR

Watches the endpoints of a tree by inotify, and prints what happens to each: "<endpoint> <stage> <ms>", the time of CLOCK_BOOTTIME, as
in data/launched. The stages are what the files of an endpoint tell:

  created     its service directory is in place (CreateEndpoint)
  linked      in the scan directory (Join)
  supervised  s6-supervise is there
  identified  data/hostname
  launched    tslink-enter is about to execute tailscaled
  socket      tailscaled has its socket
  up          data/state says running: on the tailnet
  leaving     data/stopped: Leave has begun
  left        data/state says stopped
  removed     the service directory is gone
"""
import ctypes
import os
import struct
import sys
import time

CREATE, MOVED_TO, DELETE = 0x100, 0x80, 0x200
libc = ctypes.CDLL(None, use_errno=True)


class Stages:
    def __init__(self, rundir):
        self.rundir = rundir
        self.fd = libc.inotify_init1(os.O_CLOEXEC)
        self.watched = {}
        self.watch("service", CREATE)
        self.watch("endpoint", MOVED_TO | DELETE)

    def watch(self, path, mask):
        wd = libc.inotify_add_watch(self.fd, os.fsencode(f"{self.rundir}/{path}"), mask)
        if wd >= 0:  # else it is gone again
            self.watched[wd] = path

    def say(self, endpoint, stage, now):
        print(f"{endpoint} {stage} {now:.3f}", flush=True)

    def of_tree(self, where, mask, name, now):
        if name.startswith("."):
            return
        if where == "service":
            self.say(name, "linked", now)
        elif mask & DELETE:
            self.say(name, "removed", now)
        else:
            self.say(name, "created", now)
            self.watch(f"endpoint/{name}", CREATE)
            self.watch(f"endpoint/{name}/data", MOVED_TO)

    def of_data(self, endpoint, name, now):
        if name == "hostname":
            self.say(endpoint, "identified", now)
        elif name == "launched":
            self.say(endpoint, "launched", now)
            self.watch(f"endpoint/{endpoint}/state/node/", CREATE)
        elif name == "stopped":
            self.say(endpoint, "leaving", now)
        elif name == "state":
            try:
                with open(f"{self.rundir}/endpoint/{endpoint}/data/state", encoding="ascii") as file:
                    state = file.read().strip()
            except FileNotFoundError:
                return
            stage = {"running": "up", "stopped": "left"}.get(state)
            if stage:
                self.say(endpoint, stage, now)

    def event(self, wd, mask, name):
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) / 1e6
        parts = self.watched.get(wd, "").split("/")
        if len(parts) == 1:
            self.of_tree(parts[0], mask, name, now)
        elif len(parts) == 2 and name == "supervise":
            self.say(parts[1], "supervised", now)
        elif len(parts) == 3:
            self.of_data(parts[1], name, now)
        elif len(parts) > 3 and name == "tailscaled.sock":
            self.say(parts[1], "socket", now)

    def run(self):
        print("ready", flush=True)
        while True:
            data = os.read(self.fd, 65536)
            at = 0
            while at < len(data):
                wd, mask, _, size = struct.unpack_from("iIII", data, at)
                self.event(wd, mask, data[at + 16 : at + 16 + size].rstrip(b"\0").decode())
                at += 16 + size


Stages(sys.argv[1]).run()
