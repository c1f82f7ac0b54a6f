"""The kernel's side: nft, conntrack over netlink, and the settings that forwarding needs. Nothing is touched but a table of our own, the connections
that it marked, and the settings named here.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Optional

from .._files import write_atomically
from .._netlink import Netlink
from ..wire import nfnetlink
from . import text
from .rules import IP
from .target import OURS_MASK, REVERSED, TAG

_NETLINK_NETFILTER = 12
_DISCARD = 9  # RFC 863
_ADD_MEMBERSHIP, _SOL_NETLINK = 1, 270
_NFT_S = 60
_ANSWER_S = 10.0
_READ_BYTES = 65536
_BUFFER_BYTES = 4 * 1024 * 1024
_COUNTER = re.compile(r"counter ([^ ]+) \{\s*(?:comment [^\n]*\s*)?packets (\d+) bytes (\d+)")
_SETTINGS = Path("/proc/sys/net")
# Mid-stream packets of connections that another node began are taken up only so (nf_conntrack-sysctl.txt).
_LOOSE = "netfilter/nf_conntrack_tcp_loose"
_FORWARDING = {4: "ipv4/ip_forward", 6: "ipv6/conf/all/forwarding"}


class NotApplied(Exception):
    """The kernel is not as it should be; ``str()`` says why, and the way out."""


def nft_program() -> Optional[str]:
    return shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class Kernel:
    """Of one table, by its name. ``memory``: the file that remembers settings as they were before us."""

    def __init__(self, name: str, memory: Path) -> None:
        self.name = name
        self._memory = memory
        self._netlink = Netlink()
        self._sequence = 0

    # The table

    def apply(self, words: str) -> None:
        """Has nft carry out a text, all of it or nothing. Raises NotApplied."""
        self._nft("-f", "-", words=words)

    def listing(self) -> str:
        """The tables as nft shows them, without what changes by traffic, which elements of sets may do; "" where there are none."""
        shown = ""
        for family in (text.FAMILY, *IP.values()):
            with contextlib.suppress(NotApplied):
                shown += self._nft("--stateless", "--terse", "list", "table", family, self.name)
        return shown

    def peers(self, addresses: Iterable[str]) -> frozenset[str]:
        """The hardware addresses of other nodes, as far as they are known and these are on a network of this one. Those not known are asked for,
        which takes until a later time."""
        try:
            neighbours = self._netlink.neighbours()
        except OSError:
            return frozenset()
        for address in addresses:
            if address not in neighbours:
                with contextlib.suppress(OSError), socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.sendto(b"", (address, _DISCARD))
        return frozenset(neighbours[address] for address in addresses if address in neighbours)

    def counters(self) -> dict[str, tuple[int, int]]:
        """(packets, bytes) by the counter's name; none without a table."""
        try:
            shown = self._nft("list", "counters", "table", text.FAMILY, self.name)
        except NotApplied:
            return {}
        return {name: (int(packets), int(octets)) for name, packets, octets in _COUNTER.findall(shown)}

    def _nft(self, *arguments: str, words: str = "") -> str:
        program = nft_program()
        if program is None:
            raise NotApplied("nft is missing, which forwarding: kernel needs. Install it: apt-get install nftables, or dnf install nftables")
        try:
            ended = subprocess.run([program, *arguments], input=words, capture_output=True, text=True, timeout=_NFT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotApplied(f"nft could not be run: {error}") from None
        if ended.returncode:
            said = " / ".join(line for line in ended.stderr.splitlines() if line.strip())[:500]
            raise NotApplied(f"the kernel does not take the table (kernel {os.uname().release}): {said or f'exit status {ended.returncode}'}")
        return ended.stdout

    # Connections

    def end(self, marks: Iterable[int]) -> None:
        """Has the kernel forget the connections with these marks: the next packet of a client then finds another server, which resets it."""
        for mark in marks:
            for whose in (mark, mark | REVERSED):
                self._ask(nfnetlink.end_connections(self._next(), whose, 0xFFFFFFFF))

    def end_all(self) -> None:
        """The same for all that are ours."""
        self._ask(nfnetlink.end_connections(self._next(), TAG, OURS_MASK))

    def sessions(self) -> Counter[int]:
        """How many connections are open, by mark. To be called in a thread: there may be a million."""
        parts = self._ask(nfnetlink.list_connections(self._next(), TAG, OURS_MASK))
        return Counter(part.mark for part in parts if part.is_open and not part.done)

    def generation(self) -> int:
        """Of the whole rule set: it is another one after every change, whoever made it."""
        return self._ask(nfnetlink.ask_generation(self._next()))[-1].generation

    def watch(self) -> socket.socket:
        """A socket that becomes readable when somebody changes any rule."""
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, _NETLINK_NETFILTER)
        try:
            sock.bind((0, 0))
            sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, nfnetlink.CHANGES_OF_RULES)
        except OSError:
            sock.close()
            raise
        return sock

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _ask(self, message: bytes) -> list[nfnetlink.Part]:
        """Raises OSError: what the kernel refuses, and what goes wrong on the way."""
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            sock.settimeout(_ANSWER_S)
            sock.bind((0, 0))
            sock.send(message)
            found: list[nfnetlink.Part] = []
            while not found or not found[-1].done:
                found += nfnetlink.parts_of(sock.recv(_READ_BYTES))
            # A connection that ended meanwhile is no error.
            if found[-1].error not in (0, errno.ENOENT):
                raise OSError(found[-1].error, os.strerror(found[-1].error))
            return found

    # Settings

    def settle(self, versions: Iterable[int]) -> None:
        """Sets what these families need, and remembers what was set before. Raises NotApplied."""
        wanted = {_LOOSE: "1", **{_FORWARDING[version]: "1" for version in versions}}
        if 6 in versions:
            wanted = {**_routers_believed(), **wanted}
        before = self._remembered()
        for name, value in wanted.items():
            try:
                now = (_SETTINGS / name).read_text().strip()
                if now == value:
                    continue
                if name not in before:
                    before[name] = now
                    write_atomically(self._memory, json.dumps(before, sort_keys=True).encode(), 0o640)
                (_SETTINGS / name).write_text(value)
            except OSError as error:
                setting = f"net.{name.replace('/', '.')}"
                raise NotApplied(f"the setting {setting} cannot be set to {value}: {error.strerror}. Set it: sysctl -w {setting}={value}") from None

    def unsettle(self) -> None:
        """Sets back what we have set and nobody has changed since."""
        for name, value in self._remembered().items():
            ours = "2" if name.endswith("accept_ra") else "1"
            try:
                if (_SETTINGS / name).read_text().strip() == ours:
                    (_SETTINGS / name).write_text(value)
            except OSError:
                continue  # of an interface that has gone
        self._memory.unlink(missing_ok=True)

    def _remembered(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._memory.read_bytes()))
        except (OSError, ValueError, TypeError):
            return {}


def _routers_believed() -> dict[str, str]:
    """A host that forwards no longer takes its routes from routers' advertisements, unless it is told to go on (ip-sysctl.txt: accept_ra)."""
    found = {}
    for path in sorted((_SETTINGS / "ipv6/conf").glob("*/accept_ra")):
        try:
            if path.parent.name != "all" and path.read_text().strip() == "1":
                found[str(path.relative_to(_SETTINGS))] = "2"
        except OSError:
            continue
    return found
