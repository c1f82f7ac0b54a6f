"""Pure: who may ask the observe listener, and for what."""

from __future__ import annotations

import base64
import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional, Union

from ..http.request import Request

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


@dataclass(frozen=True)
class Denied:
    """The answer to a request that is not served."""

    status: int
    why: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Access:
    """``networks``: none lets all in. ``passwords`` by user; none asks for no password. ``proved``: clients have shown a certificate before."""

    networks: Sequence[Network] = ()
    passwords: Mapping[str, str] = field(default_factory=dict)
    proved: bool = False

    def admits(self, peer: str) -> bool:
        """Whether somebody at this address may connect."""
        if not self.networks:
            return True
        address = plain(peer)
        return any(address.version == network.version and address in network for network in self.networks)

    def denies(self, request: Request, *, public: bool) -> Optional[Denied]:
        """Why a request is not served, if so. ``public``: what is asked for tells nothing that needs a password."""
        if request.fields.length or request.fields.chunked:
            return Denied(413, "Nothing here takes a body.")
        if request.method not in (b"GET", b"HEAD"):
            return Denied(405, "All of this is read-only: use GET or HEAD.", ("Allow: GET, HEAD",))
        if public:
            return None
        if self.passwords:
            if self._knows(request.field(b"authorization")):
                return None
            return Denied(401, "Give a user of observe.users, and the password.", ('WWW-Authenticate: Basic realm="tandem", charset="UTF-8"',))
        if not self.proved and not _is_no_name_of_others(request.fields.host):
            return Denied(421, "Ask by an address, or by localhost.")
        return None

    def _knows(self, authorization: bytes) -> bool:
        """RFC 7617 2. Every password is compared, in constant time, so that time tells nothing of names."""
        scheme, _blank, token = authorization.partition(b" ")
        try:
            name, _colon, password = base64.b64decode(token.strip(), validate=True).partition(b":")
        except ValueError:
            return False
        matches = [hmac.compare_digest(known.encode() + b":" + secret.encode(), name + b":" + password) for known, secret in self.passwords.items()]
        return scheme.lower() == b"basic" and any(matches)


def plain(peer: str) -> Union[ipaddress.IPv4Address, ipaddress.IPv6Address]:
    """A client's address without its zone; an IPv4-mapped one is the IPv4 address."""
    address = ipaddress.ip_address(peer.partition("%")[0])
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _is_no_name_of_others(host: bytes) -> bool:
    """Whether a Host field is an address, or localhost. Any page in a browser on this machine could ask otherwise, under a name of its own that it
    has lead to this address (DNS rebinding), and read the answer."""
    bare = host.rpartition(b":")[0] if host.rpartition(b":")[2].isdigit() and not host.endswith(b"]") else host
    name = bare.decode("latin-1").strip("[]")
    if name.lower() == "localhost":
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
