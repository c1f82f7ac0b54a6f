"""dnsmasq from the distribution, on a port of its own, which knows what a test tells it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

import pytest

from tandem.wire.dns import A, name_to_wire, question, read_reply
from tests.support.network import free_port
from tests.support.waiting import until

ADDRESS = "127.0.0.1"
PROGRAM = shutil.which("dnsmasq")

needs_dnsmasq = pytest.mark.skipif(PROGRAM is None, reason="needs dnsmasq from the distribution's packages (dnsmasq-base)")


class NameServer:
    """Answers for names below "test"; others are refused. ``knows`` gives the addresses of each name from now on."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.place = f"{ADDRESS}:{self.port}"
        self._hosts = folder / f"hosts-{self.port}"
        self._options = options
        self._round = 0
        self._names: Mapping[str, Sequence[str]] = {}
        self._process: Optional[subprocess.Popen[bytes]] = None

    def start(self) -> NameServer:
        assert PROGRAM is not None
        self._write()
        who = ["--user=root", "--group=root"] if os.geteuid() == 0 else []  # it lets go of its rights, and then cannot read the test's folder
        self._process = subprocess.Popen(
            [
                *(PROGRAM, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--local=/test/", "--local-ttl=1", *who),
                *(f"--port={self.port}", f"--listen-address={ADDRESS}", "--bind-interfaces", "--pid-file", f"--addn-hosts={self._hosts}"),
                *self._options,
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._knows_it_all)
        return self

    def knows(self, **names: Sequence[str]) -> None:
        """``app=["192.0.2.1"]`` is app.test's, and "app__eu" would be app.eu.test's."""
        self._names = {f"{name.replace('__', '.')}.test": addresses for name, addresses in names.items()}
        self._write()
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)
            until(self._knows_it_all)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def _write(self) -> None:
        self._round += 1
        lines = [f"{address} {name}\n" for name, addresses in self._names.items() for address in addresses]
        self._hosts.write_text("".join([*lines, f"192.0.2.1 round-{self._round}.test\n"]))

    def _knows_it_all(self) -> bool:
        name = name_to_wire(f"round-{self._round}.test")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.2)
            sock.connect((ADDRESS, self.port))
            try:
                sock.send(question(7, name, A))
                reply = read_reply(sock.recv(512), 7, name, A)
            except OSError:
                return False
        return reply is not None and bool(reply.addresses)
