"""What is done when the service has ended, however it did: a node that takes no part in elections must not keep floating IPs.

The other node does not know yet that this one is gone, and would find out after its down interval. To take the addresses off at once, in silence,
would make an outage of nothing: the proxy still serves them. So this node resigns, and lets go once the other one has said that it has them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from .._model import Document, FloatingIP, LoadBalancer, ModelError
from .._paths import Paths
from .._store import Store, StoreError
from ..control import Refusal
from ..log import say
from .addresses import Seen, look, take_off
from .events import RESIGNATION, State
from .instance import Outside
from .leftovers import clear_leftovers
from .settings import Settings, settings_of
from .transport import CannotOpen, Outgoing, Received

_TAKES_S = 0.05  # from an advertisement until the addresses that it speaks of are there and announced
_ANSWER_S, _ANSWER_MAX_S = 0.3, 5.0  # beyond the interval, which no skew exceeds; the service manager waits for 15 s


def main(paths: Paths) -> int:
    """For the service manager to run before it starts the service anew. Exit status 1 where something is left that only ends with its lease."""
    return asyncio.run(end(paths, Outside()))


async def end(paths: Paths, outside: Outside) -> int:
    try:
        document = Store(paths).read()
    except (ModelError, StoreError) as error:
        say("error", f"the floating IPs are not known, so their leases run out by themselves: {error}")
        return 1
    await clear_leftovers(paths, document, outside.kernel, outside.nft)
    seen = look(outside.kernel)
    held = [one for one in document.load_balancers.values() if _holds(seen, _floating_ips(document, one))]
    await asyncio.gather(*(_resign(paths, document, load_balancer, outside) for load_balancer in held))
    return 0 if take_off(outside.kernel, document.floating_ips.values(), {}) else 1


def _floating_ips(document: Document, load_balancer: LoadBalancer) -> list[FloatingIP]:
    """None where the document, which was not held against the rules, does not have them all."""
    known = document.floating_ips
    return [known[name] for name in load_balancer.floating_ips] if known.keys() >= set(load_balancer.floating_ips) else []


def _holds(seen: Seen, floating_ips: Iterable[FloatingIP]) -> bool:
    """Whether one is there as a lease, which only the service makes: then it was active, and has not ended in order."""
    return any(there.cidr == one.address and there.valid_s is not None for one in floating_ips for there in seen.addresses.get(one.ip, ()))


async def _resign(paths: Paths, document: Document, load_balancer: LoadBalancer, outside: Outside) -> None:
    """Returns when a peer has become active, or none will in time."""
    taken = asyncio.Event()

    def receive(received: Received) -> None:
        if received.heard is not None and received.heard.priority != RESIGNATION:
            taken.set()

    try:
        settings: Settings = settings_of(paths, document, "", load_balancer.name)
        transport = outside.open_transport(settings, receive, outside.kernel, outside.clock)
    except (CannotOpen, StoreError, OSError, Refusal) as error:
        say("error", f'load balancer "{load_balancer.name}": it could not resign, so its peers wait for their down interval: {error}')
        return
    try:
        transport.send(Outgoing(RESIGNATION, State.ACTIVE, "", tuple(one.ip for one in settings.floating_ips)))
        within_s = min(_ANSWER_MAX_S, settings.load_balancer.heartbeat.interval_ms / 1000 + _ANSWER_S)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(taken.wait(), within_s)
            await asyncio.sleep(_TAKES_S)
    finally:
        transport.close()
    say("info", f'load balancer "{load_balancer.name}": resigned, {"and a peer is active" if taken.is_set() else "but no peer became active"}')
