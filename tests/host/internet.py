# SPDX-License-Identifier: ISC
"""The internet of a test world: a web server on 198.51.100.1:80 and a name server on 192.168.77.1:53.

usage: internet.py NAMES

The web server answers every request with the line "internet" and the line "client ADDRESS" (the client's source address). The name server
answers A questions for the names in the file NAMES (lines "name address"); other types of a known name are answered empty, other names
with NXDOMAIN. Both log a line per request on standard output.
"""
import selectors
import socket
import struct
import sys


def log(*words):
    print(*words, flush=True)


def read_names(path):
    with open(path, encoding="ascii") as file:
        return dict(line.lower().split() for line in file if line.strip())


def question(packet):
    """The name asked for, the type, and where the question ends."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("ascii", "replace"))
        at += 1 + packet[at]
    kind, = struct.unpack("!H", packet[at + 1:at + 3])
    return ".".join(labels).lower(), kind, at + 5


def answer(packet, names):
    name, kind, end = question(packet)
    address = names.get(name)
    rcode = 0 if address else 3
    record = b""
    if address and kind == 1:
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton(address)
    recursion_desired = packet[2] & 1
    flags = 0x8480 | recursion_desired << 8 | rcode
    head = packet[:2] + struct.pack("!HHHHH", flags, 1, 1 if record else 0, 0, 0)
    return head + packet[12:end] + record, f"{name} type {kind} rcode {rcode}"


def serve_name(sock, path):
    packet, client = sock.recvfrom(1500)
    try:
        reply, what = answer(packet, read_names(path))
    except (IndexError, struct.error):
        log("dns", client[0], "malformed")
        return
    log("dns", client[0], what)
    sock.sendto(reply, client)


def serve_web(sock):
    connection, client = sock.accept()
    with connection:
        connection.settimeout(2)
        try:
            request = connection.recv(4096).split(b"\r\n")[0].decode("ascii", "replace")
            body = f"internet\nclient {client[0]}\n"
            head = f"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall((head + body).encode())
            log("web", client[0], request)
        except OSError as error:
            log("web", client[0], error)


def main():
    web = socket.socket()
    web.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    web.bind(("198.51.100.1", 80))
    web.listen(128)
    name = socket.socket(type=socket.SOCK_DGRAM)
    name.bind(("192.168.77.1", 53))
    ready = selectors.DefaultSelector()
    ready.register(web, selectors.EVENT_READ, lambda: serve_web(web))
    ready.register(name, selectors.EVENT_READ, lambda: serve_name(name, sys.argv[1]))
    log("up")
    while True:
        for key, _ in ready.select():
            key.data()


main()
