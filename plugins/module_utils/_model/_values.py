# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The values options are made of: durations, names, addresses, status ranges, fingerprints.

A reader takes what the user gave and returns its normal form, or raises ValueError(rule, way_out).
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Union

_DURATION = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*(ms|s|m|h|d)?")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,62})")
_HOST = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,62}))(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*")
_COOKIE_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")  # RFC 6265 4.1.1: cookie-name is a token
_STATUSES = re.compile(r"[1-5]\d\d(?:-[1-5]\d\d)?(?:,[1-5]\d\d(?:-[1-5]\d\d)?)*")
_TARGET = re.compile(r"/[\x21-\x7e]{0,2047}")  # RFC 9112 3.2.1: origin-form, printable ASCII only
_FINGERPRINT_ROUNDS = 100_000
_LIMITED_BROADCAST = ipaddress.IPv4Address("255.255.255.255")  # RFC 919 7

IPAddress = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


def duration_ms(given: Union[str, float]) -> int:
    """Milliseconds of "500ms", "3s", "5m", "1h", "2d" or a number of seconds."""
    match = _DURATION.fullmatch(str(given).strip())
    if not match:
        raise ValueError("which is not a duration", 'Give a number of seconds, or a number with a unit: "500ms", "3s", "5m", "1h".')
    milliseconds = Decimal(match[1]) * _UNIT_MS[match[2] or "s"]
    if milliseconds != int(milliseconds):
        raise ValueError("which is finer than a millisecond", "Give whole milliseconds.")
    return int(milliseconds)


def duration_text(milliseconds: int) -> str:
    """The shortest exact text of a duration: 3000 is "3s", 1500 is "1500ms"."""
    for unit in ("d", "h", "m", "s"):
        if milliseconds and milliseconds % _UNIT_MS[unit] == 0:
            return f"{milliseconds // _UNIT_MS[unit]}{unit}"
    return f"{milliseconds}ms"


def name(given: str) -> str:
    if not _NAME.fullmatch(given):
        raise ValueError("which is not a name", "Names are 1 to 63 letters, digits, '_', '.', '-', and begin with a letter or digit.")
    return given


def text(given: str) -> str:
    """Words of the user's own, of which only blanks around them are without a meaning."""
    bare = given.strip()
    if len(bare) > 255 or not bare.isprintable():
        raise ValueError("which is not a line of text", "Give up to 255 printable characters.")
    return bare


def optional_name(given: str) -> str:
    return name(given) if given else ""


def address(given: str) -> str:
    """The normal form of a host's IPv4 or IPv6 address without prefix length."""
    ip = _ip(given)
    _refuse_no_hosts(ip)
    return str(ip)


def listen_address(given: str) -> str:
    """The same where something listens: the unspecified address, which is every address of its family, may stand there too."""
    ip = _ip(given)
    if not ip.is_unspecified:
        _refuse_no_hosts(ip)
    return str(ip)


def _refuse_no_hosts(ip: IPAddress) -> None:
    if ip.is_multicast or ip.is_unspecified or ip == _LIMITED_BROADCAST:
        raise ValueError("which no host can hold", "Give a unicast address.")


def _ip(given: str) -> IPAddress:
    try:
        return ipaddress.ip_address(given)
    except ValueError:
        if "/" in given:
            raise ValueError("but no prefix length is wanted here", f'Give "{given.split("/", 1)[0]}".') from None
        raise ValueError(
            "which is not an IP address",
            "Give an IPv4 or IPv6 address; a host name would let a name server decide where traffic goes.",
        ) from None


def address_with_prefix(given: str) -> str:
    """The normal form of an address with its prefix length, such as "192.0.2.100/24"."""
    try:
        interface = ipaddress.ip_interface(given)
    except ValueError:
        raise ValueError(
            "which is not an IP address with a prefix length",
            'Give one such as "192.0.2.100/24" or "2001:db8::100/64".',
        ) from None
    if "/" not in given:
        raise ValueError(
            "which lacks its prefix length",
            f'Give the network\'s, such as "{given}/{24 if interface.version == 4 else 64}".',
        )
    _refuse_no_hosts(interface.ip)
    return str(interface)


def pool(given: str) -> str:
    """The normal form of a pool: a network ("192.0.2.128/28"), or a range with its network's prefix length ("192.0.2.1-192.0.2.9/24"); "" is none."""
    if not given:
        return ""
    low, dash, rest = given.replace(" ", "").partition("-")
    try:
        if not dash:
            return str(ipaddress.ip_network(low))
        high = ipaddress.ip_interface(rest)
        first = ipaddress.ip_address(low)
    except ValueError:
        raise ValueError("which is neither a network nor a range of addresses", 'Give "192.0.2.128/28" or "192.0.2.100-192.0.2.120/24".') from None
    if "/" not in rest:
        raise ValueError(
            "which lacks the prefix length of its network", f'Give it after the range, such as "{given}/{24 if high.version == 4 else 64}".'
        )
    if first not in high.network or int(first) > int(high.ip):
        raise ValueError("which is not a range within one network, lowest address first", "Correct the addresses or the prefix length.")
    return f"{first}-{high}"


def pool_addresses(given: str) -> Iterator[str]:
    """The addresses of a pool in its normal form, lowest first, each with the prefix length; a network without those that no host may have."""
    low, dash, rest = given.partition("-")
    network = ipaddress.ip_interface(rest).network if dash else ipaddress.ip_network(low)
    first, last = int(network[0]), int(network[-1])
    if network.num_addresses > 2:
        # RFC 4291 2.6.1: the first is all routers' of the link; in IPv4 the last is the broadcast address.
        first, last = first + 1, last - (network.version == 4)
    if dash:
        first, last = max(first, int(ipaddress.ip_address(low))), min(last, int(ipaddress.ip_interface(rest).ip))
    for number in range(first, last + 1):
        yield f"{network[number - int(network[0])]}/{network.prefixlen}"


def in_pool(given: str, with_prefix: str) -> bool:
    """Whether an address with prefix length is one that the pool could give."""
    one = ipaddress.ip_interface(with_prefix)
    low, dash, rest = given.partition("-")
    network = ipaddress.ip_interface(rest).network if dash else ipaddress.ip_network(low)
    if one.version != network.version or one.network.prefixlen != network.prefixlen or one.ip not in network:
        return False
    return not dash or int(ipaddress.ip_address(low)) <= int(one.ip) <= int(ipaddress.ip_interface(rest).ip)


def host(given: str) -> str:
    """A host name or address as it stands in Host, lower case, without port; "" matches every host."""
    lowered = given.lower().rstrip(".")
    if not lowered:
        return ""
    try:
        inside = lowered[1:-1] if lowered.startswith("[") else lowered
        literal = ipaddress.ip_address(inside)
    except ValueError:
        if not _HOST.fullmatch(lowered):
            raise ValueError("which is not a host name", 'Give one such as "shop.example.com", without scheme and port.') from None
        return lowered
    return f"[{literal}]" if literal.version == 6 else str(literal)


def path(given: str) -> str:
    """An absolute path (with query, where one is wanted) as a request line carries it."""
    if not _TARGET.fullmatch(given):
        raise ValueError("which is not a path", 'Give one that begins with "/" and holds printable ASCII without blanks.')
    return given


def path_prefix(given: str) -> str:
    if given and ("?" in given or "#" in given):
        raise ValueError("but prefixes are compared with the path alone", "Leave out the query.")
    return path(given) if given else ""


def cookie_name(given: str) -> str:
    if given and not _COOKIE_NAME.fullmatch(given):
        raise ValueError("which is not a cookie's name (RFC 6265 4.1.1)", "Give letters, digits, '-' and '_'.")
    return given


def statuses(given: str) -> str:
    """Statuses and ranges such as "200-399" or "200,204"."""
    bare = given.replace(" ", "")
    if not _STATUSES.fullmatch(bare) or any(low > high for low, high in status_ranges(bare)):
        raise ValueError("which is not a list of statuses", 'Give statuses and ranges such as "200-399" or "200,204".')
    return bare


def status_ranges(given: str) -> list[tuple[int, int]]:
    """ "200,300-399" as [(200, 200), (300, 399)]."""
    pairs = [part.partition("-") for part in given.split(",")]
    return [(int(low), int(high or low)) for low, _dash, high in pairs]


def heartbeat_key(given: str) -> str:
    try:
        given.encode()
    except UnicodeEncodeError:
        raise ValueError("which is no text in Unicode", "Make one with: openssl rand -hex 32") from None
    if given and len(given) < 16:
        raise ValueError("but a shared key has 16 characters or more", "Make one with: openssl rand -hex 32")
    return given


def fingerprint(secret: str) -> str:
    """Names a secret without telling it: PBKDF2 (RFC 8018 5.2), so that guessing from the document is slow. 32 hex digits."""
    return hashlib.pbkdf2_hmac("sha256", secret.encode(), b"tandem.lb", _FINGERPRINT_ROUNDS, 16).hex()
