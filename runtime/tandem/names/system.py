"""How a node finds names by its own files: hosts(5) and resolv.conf(5). Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from .._model import server_address

_SERVERS_MAX = 3  # as resolv.conf(5) says; what follows is not used
_SEARCH_MAX = 6
_NDOTS_MAX, _TIMEOUT_MAX_S, _ATTEMPTS_MAX = 15, 30, 5


@dataclass(frozen=True)
class Asking:
    """Who is asked for a name, in order: ``servers`` as (address, port), each for ``timeout_s``, all of them ``attempts`` times. A name with fewer
    dots than ``ndots`` is looked for below the domains of ``search`` before it is taken as it is."""

    servers: tuple[tuple[str, int], ...]
    search: tuple[str, ...] = ()
    ndots: int = 1
    timeout_s: int = 2
    attempts: int = 2


def read_resolv_conf(text: str) -> Asking:
    """What the file says; without a name server that is the host itself."""
    servers: list[tuple[str, int]] = []
    search: list[str] = []
    numbers = {"ndots": 1, "timeout": 5, "attempts": 2}
    for line in text.splitlines():
        words = line.split()
        if not words or words[0][0] in "#;":
            continue
        if words[0] == "nameserver" and len(words) > 1 and _is_address(words[1]):
            servers.append((words[1], 53))
        elif words[0] == "domain" and len(words) > 1:
            search = [words[1]]
        elif words[0] == "search":
            search = words[1:]
        elif words[0] == "options":
            for word in words[1:]:
                name, colon, number = word.partition(":")
                if colon and name in numbers and number.isascii() and number.isdigit():
                    numbers[name] = int(number[:6])
    return Asking(
        tuple(servers[:_SERVERS_MAX]) or (("127.0.0.1", 53),),
        tuple(domain for domain in search[:_SEARCH_MAX] if _is_domain(domain)),
        min(numbers["ndots"], _NDOTS_MAX),
        min(max(numbers["timeout"], 1), _TIMEOUT_MAX_S),
        min(max(numbers["attempts"], 1), _ATTEMPTS_MAX),
    )


def _is_address(given: str) -> bool:
    try:
        ipaddress.ip_address(given)
    except ValueError:
        return False
    return True


def _is_domain(given: str) -> bool:
    try:
        return server_address(given).rstrip(".") == given.lower().rstrip(".") and not given[-1:].isdigit()
    except ValueError:
        return False


def names_to_ask(host: str, asking: Asking) -> list[str]:
    """The whole names that a host name may stand for, the first one first, as resolv.conf(5) has it with ``ndots`` and ``search``."""
    if host.endswith("."):
        return [host.rstrip(".")]
    below = [f"{host}.{domain.strip('.')}" for domain in asking.search if domain.strip(".")]
    return [host, *below] if host.count(".") >= asking.ndots else [*below, host]


def read_hosts(text: str) -> dict[str, tuple[str, ...]]:
    """Addresses by name in lower case, each in the order of the file; lines that cannot be read say nothing."""
    found: dict[str, dict[str, None]] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        for name in words[1:]:
            found.setdefault(name.lower().rstrip("."), {})[words[0]] = None
    return {name: tuple(addresses) for name, addresses in found.items()}
