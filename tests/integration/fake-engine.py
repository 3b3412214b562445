#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A stand-in for dockerd: as much of the Engine API as tslink-watch and tslink-lookup ask, with answers out of files.

usage: fake-engine.py SOCKET DIRECTORY

In DIRECTORY, read anew for each request:
  info.json               answer to GET /info
  network/ID.json         to GET /networks/ID (404 where it is missing), and without its Containers in GET /networks
  container/ID.json       an entry of GET /containers/json
  image/ID.json           to GET /images/ID/json
  silent                  while it is there nothing is answered, as by a dockerd that boots
  mute                    the same, but for GET /events
  hold                    while it is there an answer to GET /networks/ID is kept back, that was made before
  status                  a number: every question but GET /events is answered with this status
  requests                written: a line for each request, when its answer is made
  events                  a FIFO: a line is sent to everybody who follows the events; "drop" ends all streams
"""
import http.server
import json
import os
import re
import select
import socket
import socketserver
import sys
import threading
import urllib.parse

directory = sys.argv[2]
lock = threading.Lock()
streams = {}  # handler -> list of events to send; None ends it


def path(*names):
    return os.path.join(directory, *names)


def load(*names):
    try:
        with open(path(*names), encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def all_of(kind):
    return [load(kind, name) for name in sorted(os.listdir(path(kind)))]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"

    def log_message(self, format, *args):
        pass

    def peer_left(self, seconds):
        readable, _, _ = select.select([self.connection], [], [], seconds)
        return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""

    def held_by(self, *names):
        """Waits while one of these files is there. True where the client went away meanwhile."""
        while any(os.path.exists(path(name)) for name in names):
            if self.peer_left(0.01):
                return True
        return False

    def note(self):
        with lock, open(path("requests"), "a", encoding="utf-8") as file:
            file.write(urllib.parse.unquote(self.path) + "\n")

    def reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def answer(self, url, filters):
        if url.path == "/info":
            return load("info.json")
        if url.path == "/networks":
            found = [n for n in all_of("network") if n["Driver"] in filters.get("driver", [n["Driver"]])]
            for network in found:
                network["Containers"] = {}
            return found
        if url.path == "/containers/json":
            found = all_of("container")
            if "id" in filters:
                found = [c for c in found if c["Id"] in filters["id"]]
            if "name" in filters:
                found = [c for c in found if any(re.search(f, n) for f in filters["name"] for n in c["Names"])]
            return found
        if match := re.fullmatch(r"/networks/(\w+)", url.path):
            return load("network", match[1] + ".json")
        if match := re.fullmatch(r"/images/sha256:(\w+)/json", url.path):
            return load("image", match[1] + ".json")
        return None

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        filters = json.loads(urllib.parse.parse_qs(url.query).get("filters", ["{}"])[0])
        self.close_connection = True
        body = self.answer(url, filters)
        self.note()
        if os.path.exists(path("silent")) or (url.path != "/events" and os.path.exists(path("mute"))):
            if self.held_by("silent", *([] if url.path == "/events" else ["mute"])):
                return
            body = self.answer(url, filters)
        status = load("status")
        if url.path == "/events":
            self.follow()
        elif status:
            self.reply(status, {"message": "as the test wants it"})
        elif url.path.startswith("/networks/") and self.held_by("hold"):
            return
        elif body is None:
            self.reply(404, {"message": "not here: " + url.path})
        else:
            self.reply(200, body)

    def follow(self):
        mine = []
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        with lock:
            streams[self] = mine
        self.end_headers()
        while not self.peer_left(0.01):
            with lock:
                events, mine[:] = mine[:], []
            for event in events:
                if event is None:
                    self.wfile.write(b"0\r\n\r\n")
                    break
                data = event.encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            if None in events:
                break
        with lock:
            del streams[self]


def read_events():
    while True:
        with open(path("events"), encoding="utf-8") as fifo:
            for line in fifo:
                with lock:
                    for mine in streams.values():
                        mine.append(None if line.strip() == "drop" else line.strip())


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


threading.Thread(target=read_events, daemon=True).start()
Server(sys.argv[1], Handler).serve_forever()
