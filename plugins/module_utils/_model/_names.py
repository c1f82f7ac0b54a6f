# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where servers are, stated by name or by address, and who is asked for names. Readers, as those of ``_values``."""

from __future__ import annotations

import ipaddress

from . import _values as values

DNS_PORT = 53
_NAME_MAX = 253  # RFC 1035 2.3.4: 255 octets on the wire, with the length of the first label and the root


def server_address(given: str) -> str:
    """The normal form of an IPv4 or IPv6 address, or of a host name: lower case; a dot at its end, which keeps it out of the search list, stays."""
    bare = given.strip()
    if not is_name(bare):
        try:
            return values.address(bare)
        except ValueError as error:
            rule = error.args[0]
            if values.is_address(bare) or "/" in bare:
                raise
            raise ValueError(rule, "Give an IPv4 or IPv6 address, or a host name, which has no port and does not end in a number.") from None
    name = bare.lower()
    absolute = name.endswith(".")
    found = values.host(name)
    if not found or len(found) > _NAME_MAX:
        raise ValueError("which is neither an address nor a host name", 'Give one such as "192.0.2.21" or "db.internal.example.com".')
    return f"{found}." if absolute else found


def is_name(address: str) -> bool:
    """Whether a server's address is a host name. What ends in a number is none (RFC 3696 2: no domain of the top is one), but a mistyped address."""
    last = address.rstrip(".").rpartition(".")[2]
    return ":" not in address and not last.isdigit()


def is_localhost(host: str) -> bool:
    """Such names are of the host itself, whoever is asked (RFC 6761 6.3)."""
    return host.rstrip(".").rpartition(".")[2] == "localhost"


def name_server(given: str) -> str:
    """The normal form of who is asked for names: an address, with a port where that is not 53; IPv6 with a port in brackets."""
    bare = given.strip()
    host, port = bare, str(DNS_PORT)
    if bare.startswith("["):
        host, _bracket, rest = bare[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else str(DNS_PORT) if not rest else "?"
    elif bare.count(":") == 1:
        host, _colon, port = bare.partition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("whose port is none", 'Give an address, or one with a port such as "192.0.2.53:5353" or "[2001:db8::53]:5353".')
    address = values.address(host)
    if int(port) == DNS_PORT:
        return address
    return f"[{address}]:{int(port)}" if ":" in address else f"{address}:{int(port)}"


def name_server_place(normal: str) -> tuple[str, int]:
    """(address, port) of a name server in its normal form."""
    try:
        ipaddress.ip_address(normal)
    except ValueError:
        address, _colon, port = normal.rpartition(":")
        return address.strip("[]"), int(port)
    return normal, DNS_PORT
