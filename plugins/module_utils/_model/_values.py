# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The values options are made of: durations, names, addresses, status ranges, fingerprints.

A reader takes what the user gave and returns its normal form, or raises ValueError(rule, way_out).
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import shlex
from collections.abc import Iterator
from decimal import Decimal
from typing import Union

_DURATION = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*(ms|s|m|h|d)?")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,62})")
_HOST = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,62}))(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*")
_COOKIE_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")  # RFC 6265 4.1.1: cookie-name is a token
_TOKEN = r"[!#$%&'*+.^_`|~0-9a-z-]{1,64}"  # RFC 9110 5.6.2, in lower case
_PROTOCOL = re.compile(rf"{_TOKEN}(?:/{_TOKEN})?")  # RFC 9110 7.8: protocol-name ["/" protocol-version]
# What is said after a switch to one of these is HTTP again, which nobody reads any more: requests that no route was asked about.
_PROTOCOLS_OF_REQUESTS = frozenset(("h2c", "h2", "http", "tls"))
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")  # RFC 4291 2.5.5.2
_STATUSES = re.compile(r"[1-5]\d\d(?:-[1-5]\d\d)?(?:,[1-5]\d\d(?:-[1-5]\d\d)?)*")
_TARGET = re.compile(r"/[\x21-\x7e]{0,2047}")  # RFC 9112 3.2.1: origin-form, printable ASCII only
_ALPN = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,255}")
_FINGERPRINT_ROUNDS = 100_000
_NETWORK = re.compile(r"(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})/(0|[1-9][0-9]?)", re.ASCII)
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


def is_name(given: str) -> bool:
    return bool(_NAME.fullmatch(given))


def node_name(given: str) -> str:
    """A host's name, which is the inventory's unless the user says otherwise."""
    try:
        return name(given)
    except ValueError as error:
        rule, way_out = error.args
        raise ValueError(rule, f"{way_out} Where the inventory's name of the host is none, set the variable tandem_node.") from None


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
    return _text(ip)


def listen_address(given: str) -> str:
    """The same where something listens: the unspecified address, which is every address of its family, may stand there too."""
    ip = _ip(given)
    if not ip.is_unspecified:
        _refuse_no_hosts(ip)
    return _text(ip)


def _refuse_no_hosts(ip: IPAddress) -> None:
    inner = (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip
    if inner.is_multicast or inner.is_unspecified or inner == _LIMITED_BROADCAST:
        raise ValueError("which no host can hold", "Give a unicast address.")
    if isinstance(ip, ipaddress.IPv6Address) and ip.is_link_local and not ip.scope_id:
        way_out = f'Add the interface as its zone, such as "{ip}%eth0", or give a global address.'
        raise ValueError("which every link may have, so it does not say where it is (RFC 4007 6)", way_out)


def _text(ip: IPAddress) -> str:
    """As people write it, the same on every Python: older ones show what an IPv4-mapped address holds in hexadecimal (RFC 5952 5)."""
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return f"::ffff:{mapped}" if mapped else str(ip)


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
    if interface.version == 6 and interface.ip.is_link_local:
        raise ValueError(
            "which is of one link only, so clients elsewhere cannot reach it", "Give a global address, or a unique local one (fd00::/8)."
        )
    _refuse_no_hosts(interface.ip)
    return f"{_text(interface.ip)}/{interface.network.prefixlen}"


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


def network(given: str) -> str:
    """The normal form of a network: "192.0.2.0/24"; a bare address is the network of that host alone, an IPv4-mapped one is the IPv4 network."""
    if _is_normal_network(given):
        return given
    try:
        found = ipaddress.ip_network(given, strict=False)
    except ValueError:
        raise ValueError("which is not a network", 'Give one such as "192.0.2.0/24" or "2001:db8::/32", or an address.') from None
    if "%" in given:
        raise ValueError("but a network has no zone", f'Give "{given.partition("%")[0]}".')
    if found.network_address != ipaddress.ip_address(given.partition("/")[0]):
        raise ValueError("which names a host and not its network", f'Give "{found}", or the address alone for that host.')
    if isinstance(found, ipaddress.IPv6Network) and found.subnet_of(_MAPPED):
        return str(ipaddress.IPv4Network((int(found.network_address) & 0xFFFFFFFF, found.prefixlen - 96)))
    return str(found)


def _is_normal_network(given: str) -> bool:
    """Whether it is an IPv4 network in its normal form, found out in a tenth of the time that ``ipaddress`` takes: lists may have thousands."""
    match = _NETWORK.fullmatch(given)
    if match is None:
        return False
    first, second, third, fourth, length = map(int, match.groups())
    number = first << 24 | second << 16 | third << 8 | fourth
    return max(first, second, third, fourth) < 256 and length <= 32 and not number & ((1 << 32 - length) - 1)


def upgrade(given: str) -> str:
    """A protocol that Upgrade may name (RFC 9110 7.8), in lower case, since names are compared without regard to it."""
    lowered = given.lower()
    if not _PROTOCOL.fullmatch(lowered):
        raise ValueError("which is not a protocol's name (RFC 9110 7.8)", 'Give one such as "websocket".')
    if lowered.partition("/")[0] in _PROTOCOLS_OF_REQUESTS:
        raise ValueError("but it carries requests again, which would pass the routes unread", "Leave it out; clients go on with HTTP/1.1.")
    return lowered


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
            raise ValueError("which is not a host name", _host_name_wanted(lowered)) from None
        return lowered
    return f"[{_text(literal)}]" if literal.version == 6 else str(literal)


def _host_name_wanted(lowered: str) -> str:
    """The way out for what is no host name; for one that people read, the form in which requests carry it (RFC 5890 2.3.2.1)."""
    try:
        punycode = lowered.encode("idna").decode()
    except UnicodeError:
        punycode = ""
    if punycode != lowered and _HOST.fullmatch(punycode):
        return f'Give its ASCII form (punycode), in which browsers send it: "{punycode}".'
    return 'Give one such as "shop.example.com", without scheme and port.'


def server_name(given: str) -> str:
    """A host name as TLS names it (RFC 6066 3: never an address), in lower case; "" is none."""
    found = host(given)
    if found and is_address(found):
        raise ValueError("but TLS names hosts and no addresses (RFC 6066 3)", "Give a host name, or leave it out.")
    return found


def server_name_pattern(given: str) -> str:
    """The same, or "*." before a domain, for each name directly below it (RFC 9525 6.3); "" is none."""
    if not given.startswith("*."):
        return server_name(given)
    below = server_name(given[2:])
    if "." not in below:
        raise ValueError("which is too wide for one site", 'Give a domain of two names or more, such as "*.example.com".')
    return f"*.{below}"


def verified_name(given: str) -> str:
    """What a certificate is asked for: a host name, or an address without brackets; "" is none."""
    return host(given).strip("[]")


def is_host_name(given: str) -> bool:
    """Whether a name of the user's own is that of a host, with its domain, too."""
    return "." in given and bool(_HOST.fullmatch(given.lower())) and not is_address(given)


def is_address(given: str) -> bool:
    try:
        ipaddress.ip_address(given.strip("[]"))
    except ValueError:
        return False
    return True


def application_protocol(given: str) -> str:
    """A protocol's name as ALPN offers it (RFC 7301 3.1), of those that can be written."""
    if not _ALPN.fullmatch(given):
        raise ValueError("which is not a protocol's name (RFC 7301)", 'Give one such as "http/1.1".')
    return given


def file_path(given: str) -> str:
    """An absolute path on a node; "" is none."""
    if given and (not given.startswith("/") or "\0" in given or len(given) > 4095):
        raise ValueError("which is not an absolute path", 'Give one that begins with "/", on the node.')
    return given


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


def cookie_path(given: str) -> str:
    """The path of a cookie (RFC 6265 4.1.1): no semicolon can stand in it."""
    if ";" in given:
        raise ValueError("which holds a semicolon, where a cookie's path would end (RFC 6265 4.1.1)", "Leave it out.")
    return path(given)


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


def command(given: str) -> str:
    """A program by its whole path, and its arguments as a shell would split them; there is no shell."""
    try:
        words = shlex.split(given)
    except ValueError as error:
        raise ValueError(f"which cannot be split into words ({error})", "Close the quotation.") from None
    if not words or not words[0].startswith("/") or any(ord(sign) < 32 for sign in given):
        raise ValueError("which does not begin with the whole path of a program", 'Give one such as "/usr/local/bin/probe --fast".')
    return given


def notified_event(given: str) -> str:
    if given not in ("state", "server"):
        raise ValueError("which is no event", "Give state or server.")
    return given


def interface(given: str) -> str:
    if not 0 < len(given.encode()) < 16 or "/" in given or any(sign.isspace() for sign in given):
        raise ValueError("which is no name of an interface", 'Give one as "ip link" shows it.')
    return given


def optional_address(given: str) -> str:
    return address(given) if given else ""


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
