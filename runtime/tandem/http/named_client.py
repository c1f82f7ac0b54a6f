"""Who a request is from, by the field in which proxies that are trusted name their clients: a list to which each has added at its end. Pure."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from .networks import Networks
from .request import Request

# An address as it is, or with a port, an IPv6 one then in brackets (RFC 7239 6 has those of Forwarded so; others write the same).
_WRITTEN = re.compile(rb"[ \t]*(?:\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?|([0-9.]{7,15})(?::[0-9]{1,5})?|([0-9A-Fa-f:.]{2,45}))[ \t]*")
_PROXIES_MAX = 100  # of one request; a longer list is somebody's who wants it to be read


class NamedClient:
    """``field`` as the model has it; ``trusted`` are the proxies."""

    def __init__(self, field: str, trusted: Networks) -> None:
        self._field = field.lower().encode()
        self._trusted = trusted

    def of(self, request: Request) -> str:
        """The last address in the list that is not a trusted proxy's, or the first of all where each is; "" where what stands there is no address,
        so that nobody is taken for another.
        """
        address = ""
        for text in reversed(b",".join(request.fields.values_of(self._field)).rsplit(b",", _PROXIES_MAX)[-_PROXIES_MAX:]):
            written = _WRITTEN.fullmatch(text)
            address = _address(written[written.lastindex or 0]) if written is not None else ""
            if not address or not self._trusted.holds(address):
                break
        return address


@lru_cache(maxsize=4096)
def _address(written: bytes) -> str:
    """In its normal form, IPv4 always as such; "" for what is none after all."""
    try:
        address = ipaddress.ip_address(written.decode("ascii"))
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
