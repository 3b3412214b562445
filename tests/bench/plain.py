#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""usage: plain.py [--stay] TAILSCALED DIRECTORY HOSTNAME CONTROL-URL [KEYFILE]

Runs a tailscaled with its defaults, as by hand, with its state in DIRECTORY, and prints how many ms passed from its exec until it was
up (BackendState Running, and Self.Online), and its process ID. With KEYFILE it logs in by LocalAPI, as soon as that answers, with what
`tailscale up` would ask for; else it must have state from before. Then it is told to end, or with --stay when this program is. It looks
at the node as tslink-login does: by the bus until Running, then by the status.
"""
import http.client
import json
import signal
import socket
import subprocess
import sys
import time

PATIENCE = 30  # seconds
LOOK_AGAIN = 0.005


class Local(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("local-tailscaled.sock", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)

    def ask(self, method, call, body=None):
        self.request(method, f"/localapi/v0/{call}", body=body)
        answer = self.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"{call}: {answer.status} {text.decode()}")
        return text


def wait_for_socket(path, until):
    while time.monotonic() < until:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.connect(path)
                return
        except OSError:
            time.sleep(0.002)
    sys.exit(f"no {path}")


def log_in(path, hostname, control, keyfile):
    with open(keyfile, encoding="ascii") as file:
        key = file.read().strip()
    prefs = {"ControlURL": control, "Hostname": hostname, "CorpDNS": True, "WantRunning": True, "NetfilterMode": 2}
    Local(path).ask("POST", "start", json.dumps({"AuthKey": key, "UpdatePrefs": prefs}))
    Local(path).ask("POST", "login-interactive")


def wait_until_up(path, until, login):
    bus = Local(path)
    bus.request("GET", "/localapi/v0/watch-ipn-bus?mask=2")
    notices = bus.getresponse()
    login()
    while json.loads(notices.readline() or sys.exit("the bus ended")).get("State") != 6:
        pass
    while not json.loads(Local(path).ask("GET", "status")).get("Self", {}).get("Online"):
        if time.monotonic() > until:
            sys.exit("never Online")
        time.sleep(LOOK_AGAIN)


def main():
    argv = sys.argv[1:]
    stay = argv[0] == "--stay"
    tailscaled, directory, hostname, control, *keyfile = argv[stay:]
    path = f"{directory}/tailscaled.sock"
    command = [tailscaled, f"--statedir={directory}", f"--socket={path}"]
    until = time.monotonic() + PATIENCE
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with open(f"{directory}/log", "ab") as log:
        began = time.monotonic_ns()
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for_socket(path, until)
        wait_until_up(path, until, lambda: keyfile and log_in(path, hostname, control, keyfile[0]))
        print(f"{(time.monotonic_ns() - began) / 1e6:.3f}", daemon.pid, flush=True)
        while stay:
            signal.pause()
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(PATIENCE)


main()
