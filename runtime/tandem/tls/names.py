"""Names of certificates: which certificate is presented to a client that asks for a name, and whether a server's is for the name we asked for
(RFC 9525). Pure.

Names are text as they stand in a certificate's subjectAltName: DNS names, in A-labels, and IP addresses. Its subject says nothing about them
(RFC 9525 2).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Generic, Optional, TypeVar

Value = TypeVar("Value")
_Entry = tuple[float, float, Value]  # not before, not after, what is found

_WILDCARD = "*."


class CertificateIndex(Generic[Value]):
    """Certificates by the names they are for. What a look-up costs does not depend on how many names there are."""

    __slots__ = ("_by_name",)

    def __init__(self, certificates: Iterable[tuple[Sequence[str], float, float, Value]]) -> None:
        """``certificates``: (its names, not before, not after, what is found by it) of each, the preferred ones first; times in Unix seconds.

        A name with a wildcard that is not the whole left-most label is left out, as RFC 9525 6.3 asks.
        """
        self._by_name: dict[str, list[_Entry[Value]]] = {}
        for names, not_before, not_after, value in certificates:
            for key in {_key_of_pattern(name) for name in names} - {""}:
                self._by_name.setdefault(key, []).append((not_before, not_after, value))

    def find(self, server_name: str, now: float) -> Optional[Value]:
        """What is to be presented to a client that asks for ``server_name``, a host name or an address; None where nothing is for it.

        One that is valid now comes before one that is not, since no client takes the latter; then one with just this name before one with a
        wildcard; then the one given first.
        """
        name = _key_of_name(server_name)
        exact = self._by_name.get(name, [])
        best = _valid(exact, now)
        if best is None:  # else the wildcard, which takes as long again, need not be looked for
            by_wildcard = self._by_name.get(_wildcard_for(name), [])
            best = _valid(by_wildcard, now) or next(iter((*exact, *by_wildcard)), None)
        return best[2] if best is not None else None


def _valid(certificates: Sequence[_Entry[Value]], now: float) -> Optional[_Entry[Value]]:
    """The first that is valid now."""
    for one in certificates:
        if one[0] <= now <= one[1]:  # both ends belong to it (RFC 5280 4.1.2.5)
            return one
    return None


def name_matches(pattern: str, name: str) -> bool:
    """Whether a certificate with the name ``pattern`` is for ``name``, the host name or address that was asked for (RFC 9525 6.3, 6.4)."""
    key, asked = _key_of_pattern(pattern), _key_of_name(name)
    return key != "" and key in (asked, _wildcard_for(asked))


def _key_of_pattern(pattern: str) -> str:
    """A certificate's name as names are compared; "" for what is none."""
    if not pattern.isascii() or pattern.endswith("."):
        return ""
    base = pattern[len(_WILDCARD) :] if pattern.startswith(_WILDCARD) else pattern
    if not base or base.startswith(".") or "*" in base or (base != pattern and _address(base)):
        return ""
    return _address(pattern) or pattern.lower()


def _key_of_name(name: str) -> str:
    """What was asked for, as names are compared; "" for what is no name. A dot at its end only says that it is whole (RFC 1034 3.1)."""
    if not name.isascii() or "*" in name:  # other letters than ASCII's can become such ones in lower case
        return ""
    return _address(name) or name.removesuffix(".").lower()


def _wildcard_for(name: str) -> str:
    """The wildcard that covers a name: it stands for one label, never for a part of one, nor of an address; "" if there is none."""
    label, _dot, parent = name.partition(".")
    return _WILDCARD + parent if label and parent and not _address(name) else ""


def _address(name: str) -> str:
    """An IP address in the one way it is compared here; "" for what is none. The zone of an address is known to one host only (RFC 4007 11.2)."""
    if ":" not in name and not name[-1:].isdigit():
        return ""
    try:
        return str(ipaddress.ip_address(name.partition("%")[0]))
    except ValueError:
        return ""
