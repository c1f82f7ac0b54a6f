"""Long connections whose every byte is compared: `streams.py serve NAME ADDRESS PORT`, `streams.py hold ADDRESS PORT KIND...` (echo, push,
bulk, udp).

The server serves TCP and UDP. `hold` opens one stream for each kind, and prints every 50 ms one JSON object per line, a list of streams: how much
each has had (`bytes`), from whom (`server`), and why it has ended (`ended`, "" while it goes on). It ends when its standard input ends.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time

_PERIOD_S = 0.02
_BLOCK = 64


def block(number):
    return f"{number:0{_BLOCK - 1}d}\n".encode()


def bulk(number):
    return block(number) * 1024


def serve(name, address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    datagrams = socket.socket(family, socket.SOCK_DGRAM)
    datagrams.bind((address, port))
    threading.Thread(target=answer_datagrams, args=(datagrams, name), daemon=True).start()
    with socket.create_server((address, port), family=family, backlog=256) as listener:
        while True:
            taken, _peer = listener.accept()
            threading.Thread(target=answer, args=(taken, name), daemon=True).start()


def answer_datagrams(datagrams, name):
    while True:
        content, peer = datagrams.recvfrom(2048)
        datagrams.sendto(name.encode() + b" " + content, peer)


def answer(taken, name):
    try:
        with taken, taken.makefile("rb") as lines:
            asked = lines.readline().strip()
            if asked in (b"echo", b"push", b"bulk"):
                taken.sendall(f"{name}\n".encode())
            if asked == b"push":
                number = 0
                while True:
                    taken.sendall(block(number))
                    number += 1
                    time.sleep(_PERIOD_S)
            number = 0
            while asked == b"bulk":
                taken.sendall(bulk(number))
                number += 1
                time.sleep(_PERIOD_S / 8)
            while content := lines.read(_BLOCK):
                taken.sendall(content)
    except OSError:
        return


class Stream:
    """One stream of the client, in a thread of its own."""

    def __init__(self, target, kind):
        self.told = {"kind": kind, "bytes": 0, "server": "", "ended": "", "port": 0, "peer": ""}
        threading.Thread(target=self._live, args=(target, kind), daemon=True).start()

    def _live(self, target, kind):
        try:
            {"udp": self._datagrams}.get(kind, self._stream)(target, kind)
        except OSError as error:
            self.told["ended"] = repr(error)

    def _stream(self, target, kind):
        with socket.create_connection(target, timeout=20) as sock:
            sock.settimeout(60)
            self.told["port"] = sock.getsockname()[1]
            sock.sendall(f"{kind}\n".encode())
            with sock.makefile("rb") as lines:
                self.told["server"] = lines.readline().strip().decode()
                number = 0
                while True:
                    if kind == "echo":
                        sock.sendall(block(number))
                    wanted = bulk(number) if kind == "bulk" else block(number)
                    content = lines.read(len(wanted))
                    if content != wanted:
                        self.told["ended"] = f"block {number} is {content[:80]!r}"
                        return
                    number += 1
                    self.told["bytes"] += len(wanted)
                    if kind == "echo":
                        time.sleep(_PERIOD_S)

    def _datagrams(self, target, _kind):
        family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect(target)
            sock.settimeout(0.1)
            self.told["port"] = sock.getsockname()[1]
            number = 0
            while True:
                number += 1
                try:
                    sock.send(b"%d" % number)
                    name, _blank, said = sock.recv(2048).partition(b" ")
                except OSError:
                    continue  # lost, or refused: it asks again
                self.told["server"] = name.decode()
                self.told["bytes"] += len(said)
                time.sleep(_PERIOD_S)


def hold(address, port, kinds):
    streams = [Stream((address, port), kind) for kind in kinds]

    def show():
        while True:
            print(json.dumps([stream.told for stream in streams]), flush=True)
            time.sleep(0.05)

    threading.Thread(target=show, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        hold(sys.argv[2], int(sys.argv[3]), sys.argv[4:])
