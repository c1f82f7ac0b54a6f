"""A small rtnetlink client (rtnetlink(7)): which interfaces and addresses there are, adding and removing addresses with a lifetime."""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

# linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h, linux/if_link.h
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_DUMP = 1, 4, 0x300
_NLM_F_REPLACE, _NLM_F_CREATE = 0x100, 0x400
_RTM_GETLINK, _RTM_NEWLINK, _RTM_NEWADDR, _RTM_DELADDR, _RTM_GETADDR = 18, 16, 20, 21, 22
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO, _IFA_FLAGS = 1, 2, 6, 8
_IFLA_ADDRESS, _IFLA_IFNAME = 1, 3
_IFA_F_NODAD = 2
_FOREVER = 0xFFFFFFFF
_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Link:
    index: int
    name: str
    hardware: bytes
    up: bool


@dataclass(frozen=True)
class Address:
    """``cidr`` is "192.0.2.1/24"; ``valid_s`` what is left of its lifetime, None for ever."""

    link: int
    cidr: str
    valid_s: Optional[int]


class Netlink:
    """One socket to the kernel. Calls raise OSError with the kernel's errno."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._sock.settimeout(_TIMEOUT_S)
        self._sock.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        self._sock.close()

    def links(self) -> list[Link]:
        found = []
        for body in self._dump(_RTM_GETLINK, struct.pack("=BxHiII", 0, 0, 0, 0, 0)):
            _family, _type, index, flags, _change = struct.unpack_from("=BxHiII", body)
            attributes = _attributes(body[16:])
            name = attributes.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode()
            found.append(Link(index, name, attributes.get(_IFLA_ADDRESS, b""), bool(flags & 1)))
        return found

    def addresses(self) -> list[Address]:
        found = []
        for body in self._dump(_RTM_GETADDR, struct.pack("=BBBBI", 0, 0, 0, 0, 0)):
            _family, length, _flags, _scope, index = struct.unpack_from("=BBBBI", body)
            attributes = _attributes(body[8:])
            packed = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
            if not packed:
                continue
            valid: Optional[int] = None
            if _IFA_CACHEINFO in attributes:
                left = struct.unpack_from("=II", attributes[_IFA_CACHEINFO])[1]
                valid = None if left == _FOREVER else left
            found.append(Address(index, f"{ipaddress.ip_address(packed)}/{length}", valid))
        return found

    def add(self, link: int, cidr: str, valid_s: int) -> None:
        """Adds the address, or renews it, for ``valid_s`` seconds: the kernel takes it away when nobody renews it.

        An IPv6 address is usable at once (no duplicate address detection, which would take a second) and never preferred as a source, which is
        what a preferred lifetime of 0 means (RFC 4862 5.5.4).
        """
        preferred_s = 0 if ":" in cidr else valid_s
        extra = _attribute(_IFA_CACHEINFO, struct.pack("=IIII", preferred_s, valid_s, 0, 0))
        if ":" in cidr:
            extra += _attribute(_IFA_FLAGS, struct.pack("=I", _IFA_F_NODAD))
        self._change(_RTM_NEWADDR, _NLM_F_CREATE | _NLM_F_REPLACE, link, cidr, extra)

    def remove(self, link: int, cidr: str) -> None:
        self._change(_RTM_DELADDR, 0, link, cidr, b"")

    def _change(self, kind: int, flags: int, link: int, cidr: str, extra: bytes) -> None:
        interface = ipaddress.ip_interface(cidr)
        family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
        body = struct.pack("=BBBBI", family, interface.network.prefixlen, 0, 0, link)
        body += _attribute(_IFA_LOCAL, interface.ip.packed) + _attribute(_IFA_ADDRESS, interface.ip.packed) + extra
        for _kind, answer in self._talk(kind, _NLM_F_REQUEST | _NLM_F_ACK | flags, body):
            _raise_error(answer)

    def _dump(self, kind: int, body: bytes) -> Iterator[bytes]:
        for answer_kind, answer in self._talk(kind, _NLM_F_REQUEST | _NLM_F_DUMP, body):
            if answer_kind == _NLMSG_ERROR:
                _raise_error(answer)
            yield answer

    def _talk(self, kind: int, flags: int, body: bytes) -> Iterator[tuple[int, bytes]]:
        self._sequence += 1
        self._sock.send(struct.pack("=IHHII", 16 + len(body), kind, flags, self._sequence, 0) + body)
        while True:
            data = self._sock.recv(65536)
            at = 0
            while at + 16 <= len(data):
                length, answer_kind, _flags, sequence, _port = struct.unpack_from("=IHHII", data, at)
                if length < 16:
                    return
                content = data[at + 16 : at + length]
                at += (length + 3) & ~3
                if sequence != self._sequence:
                    continue  # the rest of a dump that was not read to its end
                if answer_kind == _NLMSG_DONE:
                    return
                yield answer_kind, content
                if answer_kind == _NLMSG_ERROR:
                    return


def holding_network(address: str, links: list[Link], addresses: list[Address]) -> Optional[Link]:
    """The interface one of whose addresses has ``address`` in its network; the longest prefix wins. Not counting the address itself."""
    ip = ipaddress.ip_address(address)
    best: Optional[tuple[int, Link]] = None
    by_index = {link.index: link for link in links}
    for held in addresses:
        interface = ipaddress.ip_interface(held.cidr)
        if interface.ip != ip and ip in interface.network and held.link in by_index and (best is None or interface.network.prefixlen > best[0]):
            best = (interface.network.prefixlen, by_index[held.link])
    return best[1] if best else None


def _raise_error(answer: bytes) -> None:
    code = struct.unpack_from("=i", answer)[0]
    if code:
        raise OSError(-code, os.strerror(-code))


def _attribute(kind: int, content: bytes) -> bytes:
    length = 4 + len(content)
    return struct.pack("=HH", length, kind) + content + b"\0" * (-length % 4)


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found
