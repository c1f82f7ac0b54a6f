"""Who a request is from, by the field in which proxies that are trusted name their clients: a list to which each has added at its end. Pure."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from .networks import Networks
from .request import Request


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
        for text in reversed(b",".join(request.fields.values_of(self._field)).split(b",")):
            address = _address(text)
            if not address or not self._trusted.holds(address):
                break
        return address


@lru_cache(maxsize=4096)
def _address(text: bytes) -> str:
    """An address in its normal form, IPv4 always as such; with a port, too, as some proxies write it. "" for anything else."""
    shown = text.strip().decode("latin-1")
    if shown.startswith("["):
        shown = shown[1:].partition("]")[0]
    elif shown.count(":") == 1:
        shown = shown.partition(":")[0]
    try:
        address = ipaddress.ip_address(shown)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            return ""
        return str(address.ipv4_mapped or address)
    return str(address)
