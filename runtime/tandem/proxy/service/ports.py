"""Why a port cannot be bound, in words that name who holds it. Reads all of /proc, which takes as long as there are processes: for a thread."""

from __future__ import annotations

import errno
import ipaddress
import os
import pwd
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Union

from .wanted import Place, Wanted

_LISTENING = "0A"  # TCP_LISTEN as /proc/net/tcp writes it
_Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


@dataclass(frozen=True)
class Holder:
    """Who listens in a place. ``is_tandem``: it is a proxy of this program, be it of another node on the same machine."""

    said: str
    is_tandem: bool = False


@dataclass(frozen=True)
class _Socket:
    inode: str
    user: int


def explain(failures: Mapping[Wanted, int]) -> dict[Place, str]:
    """Why each could not be bound, by the number of the error, and the way out."""
    holders = _holders([wanted for wanted, number in failures.items() if number == errno.EADDRINUSE])
    return {wanted.place: _worded(wanted, number, holders) for wanted, number in failures.items()}


def explain_foreign(failures: Mapping[Wanted, int]) -> dict[Place, str]:
    """The same, without those that another proxy of this program holds: of two nodes on one machine, the active one has the addresses of both."""
    holders = _holders([wanted for wanted, number in failures.items() if number == errno.EADDRINUSE])
    tandem = {place for place, holder in holders.items() if holder.is_tandem}
    return {wanted.place: _worded(wanted, number, holders) for wanted, number in failures.items() if wanted.place not in tandem}


def _worded(wanted: Wanted, number: int, holders: Mapping[Place, Holder]) -> str:
    where = f'frontend "{wanted.frontend}": port {wanted.port} on {wanted.address}'
    if number == errno.EADDRINUSE:
        holder = holders.get(wanted.place)
        return f"{where} is taken{f' by {holder.said}' if holder else ''}. Give another port or address, or stop what listens there."
    if number in (errno.EACCES, errno.EPERM):
        return f"{where} needs a privilege (ports below 1024). Run the service with CAP_NET_BIND_SERVICE, or give a higher port."
    if number == errno.EADDRNOTAVAIL:
        return f"{where} cannot be bound: no such address on this node. Correct the address, or attach the floating IP to an interface."
    return f"{where} cannot be bound: {os.strerror(number)}. Mend that on the node, then run again."


def _holders(wanted: Collection[Wanted]) -> dict[Place, Holder]:
    """Who listens in these places, from /proc (proc(5)), as far as we may see it. All of /proc is read once, however many they are."""
    sockets = _listening(wanted)
    by_inode = _processes({sock.inode for found in sockets.values() for sock in found})
    holders = {}
    for place, found in sockets.items():
        known = [by_inode[sock.inode] for sock in found if sock.inode in by_inode]
        if known or found:
            holders[place] = known[0] if known else Holder(f"a program of {_user(found[0].user)}")
    return holders


def _listening(wanted: Collection[Wanted]) -> dict[Place, list[_Socket]]:
    """The sockets that listen in each of these places, or on every address and that port."""
    by_port: dict[int, list[Wanted]] = {}
    for want in wanted:
        by_port.setdefault(want.port, []).append(want)
    found: dict[Place, list[_Socket]] = {}
    for row in _rows() if wanted else ():
        address, _colon, port = row[1].partition(":")
        if row[3] == _LISTENING and int(port, 16) in by_port:
            theirs = _from_proc(address)
            for want in by_port[int(port, 16)]:
                mine = ipaddress.ip_address(want.address)
                if theirs == mine or theirs.is_unspecified or (mine.is_unspecified and theirs.version == mine.version):
                    found.setdefault(want.place, []).append(_Socket(row[9], int(row[7])))
    return found


def _rows() -> Iterator[list[str]]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as lines:
                next(lines)
                yield from (line.split() for line in lines)
        except (OSError, StopIteration):
            continue


def _from_proc(text: str) -> _Address:
    """An address as /proc/net/tcp writes it: 32-bit words in the byte order of the machine."""
    words = [int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8)]
    return ipaddress.ip_address(b"".join(words))


def _processes(inodes: Collection[str]) -> dict[str, Holder]:
    """Who has these sockets open, of the processes whose descriptors we may see: PROGRAM (process PID)."""
    links = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[str, Holder] = {}
    for process in Path("/proc").glob("[0-9]*") if links else ():
        if len(found) == len(links):
            break
        try:
            for descriptor in os.listdir(process / "fd"):
                inode = links.get(_link(process / "fd" / descriptor))
                if inode is not None and inode not in found:
                    said = f"{(process / 'comm').read_text().strip()} (process {process.name})"
                    found[inode] = Holder(said, _is_tandem((process / "cmdline").read_bytes()))
        except OSError:
            continue  # it has ended, or is another user's
    return found


def _link(descriptor: Path) -> str:
    try:
        return os.readlink(descriptor)
    except OSError:
        return ""  # closed meanwhile


def _is_tandem(command_line: bytes) -> bool:
    words = command_line.split(b"\0")
    program = any(word.endswith((b"/tandem/__main__.py", b"/bin/tandem")) for word in words)
    return program and (b"proxy" in words or b"proxy-worker" in words)


def _user(number: int) -> str:
    try:
        return f'user "{pwd.getpwuid(number).pw_name}"'
    except KeyError:
        return f"user {number}"
