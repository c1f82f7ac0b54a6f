"""Ports that are free, and a network of its own for each process that runs tests beside others, so that none meets another's ports."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
from collections.abc import Iterable

_CLONE_NEWNET = 0x40000000  # sched.h; os.unshare is there from Python 3.12 on
# Those of the demo, its inventory and its servers.
DEMO_ADDRESSES = ("127.0.0.11", "127.0.0.12", "127.0.0.21", "127.0.0.22", "127.0.0.23", "127.0.0.100")
_FIRST, _PORTS, _WORKERS = 18100, 300, 16


def free_port(kind: int = socket.SOCK_STREAM, address: str = "0.0.0.0") -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def free_together(count: int, address: str = "0.0.0.0") -> list[int]:
    """So many free ports, no two of them the same: a port that nobody holds yet may be given out again."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) for _port in range(count)]
        for probe in probes:
            probe.bind((address, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def free_ports(count: int, addresses: Iterable[str]) -> int:
    """The first of so many ports that are free in a row on all these addresses, away from those that a running demo or another worker uses."""
    first = _FIRST + _PORTS * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS)
    for port in range(first, first + _PORTS - count, count):
        with contextlib.suppress(OSError):
            for offset in range(count):
                for address in addresses:
                    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                        with socket.socket(socket.AF_INET, kind) as probe:
                            probe.bind((address, port + offset))
            return port
    raise AssertionError(f"no {count} free ports in a row")


def leave_the_network() -> bool:
    """Gives this thread, and what it starts, a network with nothing but a loopback of its own; False where that may not be had."""
    if os.geteuid() or ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        return False
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=30)
    return True
