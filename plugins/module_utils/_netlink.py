# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small rtnetlink client (rtnetlink(7)): which interfaces and addresses there are, adding and removing addresses with a lifetime.

Used by the modules and by the runtime (the bundle carries this file), so: standard library only, Python 3.9.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any, Optional

from ._interfaces import Address, Link

# linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h, linux/if_link.h, linux/ipv6.h
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_DUMP_INTR, _NLM_F_DUMP = 1, 4, 0x10, 0x300
_NLM_F_REPLACE, _NLM_F_CREATE = 0x100, 0x400
_RTM_GETLINK, _RTM_NEWADDR, _RTM_DELADDR, _RTM_GETADDR, _RTM_GETNEIGH = 18, 20, 21, 22, 30
_NDA_DST, _NDA_LLADDR = 1, 2
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO, _IFA_FLAGS = 1, 2, 6, 8
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_AF_SPEC, _IFLA_INET6_CONF = 1, 3, 26, 2
_DEVCONF_DISABLE_IPV6 = 26
_IFF_UP, _IFF_LOWER_UP = 1, 0x10000
_IFA_F_NODAD = 2
_FOREVER = 0xFFFFFFFF
_TIMEOUT_S = 5.0
_DUMPS_MAX = 5

Message = tuple[int, int, bytes]


class Netlink:
    """The kernel's interfaces and addresses. Calls raise OSError: the kernel's refusals with its errno, and what goes wrong on the way.

    Its socket is opened when it is first needed, and anew after an error, so that one that broke does not stay broken.
    ``open_socket`` is there for tests.
    """

    def __init__(self, open_socket: Callable[..., Any] = socket.socket) -> None:
        self._open_socket = open_socket
        self._sock: Any = None
        self._sequence = 0

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def links(self) -> list[Link]:
        found = []
        for body in self._dump(_RTM_GETLINK, struct.pack("=BxHiII", 0, 0, 0, 0, 0)):
            _family, _type, index, flags, _change = struct.unpack_from("=BxHiII", body)
            attributes = _attributes(body[16:])
            name = os.fsdecode(attributes.get(_IFLA_IFNAME, b"").rstrip(b"\0"))
            carrier = bool(flags & _IFF_UP and flags & _IFF_LOWER_UP)
            found.append(Link(index, name, attributes.get(_IFLA_ADDRESS, b""), _takes_ipv6(attributes.get(_IFLA_AF_SPEC, b"")), carrier))
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

    def neighbours(self) -> dict[str, str]:
        """The hardware addresses that are known of hosts on the node's own networks, by their addresses."""
        found = {}
        for body in self._dump(_RTM_GETNEIGH, bytes(12)):  # ndmsg, linux/neighbour.h
            attributes = _attributes(body[12:])
            address, hardware = attributes.get(_NDA_DST, b""), attributes.get(_NDA_LLADDR, b"")
            if len(address) in (4, 16) and len(hardware) == 6 and any(hardware):
                found[str(ipaddress.ip_address(address))] = hardware.hex(":")
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
        for _kind, _flags, answer in self._talk(kind, _NLM_F_REQUEST | _NLM_F_ACK | flags, body):
            _raise_error(answer)

    def _dump(self, kind: int, body: bytes) -> list[bytes]:
        """All objects of a kind. A dump during which something changed may lack some that were there all the time, so it is asked for again."""
        found: list[bytes] = []
        for _attempt in range(_DUMPS_MAX):
            found, interrupted = [], False
            for answer_kind, flags, answer in self._talk(kind, _NLM_F_REQUEST | _NLM_F_DUMP, body):
                interrupted = interrupted or bool(flags & _NLM_F_DUMP_INTR)
                if answer_kind == _NLMSG_ERROR:
                    _raise_error(answer)
                elif answer_kind != _NLMSG_DONE:
                    found.append(answer)
            if not interrupted:
                break
        return found

    def _talk(self, kind: int, flags: int, body: bytes) -> Iterator[Message]:
        """(kind, flags, content) of each message of the answer to one request."""
        self._sequence += 1
        try:
            sock = self._socket()
            sock.send(struct.pack("=IHHII", 16 + len(body), kind, flags, self._sequence, 0) + body)
            while True:
                for message in _messages(sock.recv(65536), self._sequence):
                    yield message
                    if message[0] in (_NLMSG_DONE, _NLMSG_ERROR):
                        return
        except OSError:
            self.close()
            raise

    def _socket(self) -> Any:
        if self._sock is None:
            sock = self._open_socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
            try:
                sock.settimeout(_TIMEOUT_S)
                sock.bind((0, 0))
            except OSError:
                sock.close()
                raise
            self._sock = sock
        return self._sock


def _messages(data: bytes, wanted: int) -> Iterator[Message]:
    """Those of one datagram that answer request ``wanted``: the rest of an earlier dump, which nobody read to its end, may lie before them."""
    at = 0
    while at + 16 <= len(data):
        length, kind, flags, sequence, _port = struct.unpack_from("=IHHII", data, at)
        if length < 16:
            return
        if sequence == wanted:
            yield kind, flags, data[at + 16 : at + length]
        at += (length + 3) & ~3


def _takes_ipv6(families: bytes) -> bool:
    """Whether an interface takes IPv6 addresses, by the settings that the kernel sends along (if_link.h: IFLA_AF_SPEC)."""
    settings = _attributes(_attributes(families).get(socket.AF_INET6, b"")).get(_IFLA_INET6_CONF, b"")
    if len(settings) < 4 * (_DEVCONF_DISABLE_IPV6 + 1):
        return False  # no IPv6 in this kernel, or too small an MTU for it
    return not any(settings[4 * _DEVCONF_DISABLE_IPV6 :][:4])


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
