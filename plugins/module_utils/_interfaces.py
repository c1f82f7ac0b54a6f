# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which interface of a node an address belongs to. Pure: what the kernel says of interfaces and addresses goes in (``_netlink`` reads it).

Used by the modules, which ask on that interface for another holder, and by the runtime, which puts the address on it: both must mean the same one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Link:
    """An interface. ``ipv6``: whether it takes IPv6 addresses (net.ipv6.conf.NAME.disable_ipv6 is 0, and the kernel has IPv6 at all). ``carrier``:
    whether it is up, and has a cable in it that is connected at the other end, as far as it is of that kind."""

    index: int
    name: str
    hardware: bytes
    ipv6: bool = True
    carrier: bool = True


@dataclass(frozen=True)
class Address:
    """``link`` is its interface's index, ``cidr`` is "192.0.2.1/24", ``valid_s`` what is left of its lifetime, None for ever."""

    link: int
    cidr: str
    valid_s: Optional[int] = None

    @property
    def ip(self) -> str:
        return self.cidr.partition("/")[0]


def holding_network(address: str, links: Iterable[Link], addresses: Iterable[Address]) -> Optional[Link]:
    """The interface one of whose addresses has ``address`` in its network, not counting the address itself.

    The longest prefix wins; of interfaces on one network the one with the lowest index, which is the order in which they came to be.
    """
    ip = ipaddress.ip_address(address)
    by_index = {link.index: link for link in links}
    found: list[tuple[int, int]] = []
    for held in addresses:
        interface = ipaddress.ip_interface(held.cidr)
        if interface.ip != ip and ip in interface.network and held.link in by_index:
            found.append((-interface.network.prefixlen, held.link))
    return by_index[min(found)[1]] if found else None


def having(address: str, links: Iterable[Link], addresses: Iterable[Address]) -> Optional[Link]:
    """The interface that has the very address."""
    indexes = {held.link for held in addresses if held.ip == address}
    return next((link for link in links if link.index in indexes), None)
