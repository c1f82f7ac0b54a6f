"""What one request of a frontend, and one client, may: made of the options once, and asked only where there are any."""

from __future__ import annotations

from typing import NamedTuple, Optional

from ..._model import Frontend
from ...balance.rates import Counted, RateTable, network_of
from ...http.networks import Networks
from .peer import Peer


class Over(NamedTuple):
    """Why a request is refused. ``wait_s``: in so many seconds it would not be, by the rate."""

    status: int
    why: str
    wait_s: float


class Limits:
    """``max_body`` is 0 for none. The table is needed where clients are counted."""

    def __init__(self, config: Frontend, key: str, table: Optional[RateTable]) -> None:
        of_clients = config.client_limits
        rate = of_clients.requests_per_second
        self.max_body = config.max_body
        self._key = key
        self._table = table
        self._connections = of_clients.connections
        self._interval_s = 1 / rate if rate else 0.0
        self._burst_s = (of_clients.burst or rate) * self._interval_s
        self._exempt = Networks(of_clients.exempt)

    def enter(self, peer: Peer) -> bool:
        """Whether a client may come in. Its connection counts until ``Peer.left``."""
        account = self._account(peer)
        if account is None or not self._connections:
            return True
        if not account.enter(self._connections):
            return False
        peer.entered = account
        return True

    def over(self, peer: Peer, length: int, now: float) -> Optional[Over]:
        """Why a request is refused whose body has so many bytes; None: it is not, and counts."""
        if self._interval_s:
            account = peer.account if peer.limits is self else self._account(peer)
            wait_s = account.take(self._interval_s, self._burst_s, now) if account is not None else 0.0
            if wait_s:
                return Over(429, "more than client_limits.requests_per_second", wait_s)
        if self.max_body and length > self.max_body:
            return Over(413, "a body that is longer than max_body", 0.0)
        return None

    def _account(self, peer: Peer) -> Optional[Counted]:
        """None for who is exempt."""
        account = None
        table = self._table
        if table is not None and not self._exempt.holds(peer.address):
            account = table.counted(self._key, network_of(peer.address))
        peer.limits, peer.account = self, account
        return account


class ConnectionRate:
    """How many connections a frontend accepts in a second, at all workers together; who comes meanwhile waits in the kernel's queue."""

    def __init__(self, rate: int, key: str, table: RateTable) -> None:
        self._interval_s = 1 / rate
        self._account = table.counted(key, b"")

    def wait_s(self, now: float) -> float:
        """Seconds until one more may be accepted."""
        return self._account.wait_s(self._interval_s, 1.0, now)

    def accepted(self, now: float) -> None:
        self._account.take(self._interval_s, 1.0, now)


def counts_clients(config: Frontend) -> bool:
    """Whether a frontend needs the table."""
    return bool(config.client_limits.requests_per_second or config.client_limits.connections or config.connection_rate_limit)


def limits_of(config: Frontend, key: str, table: Optional[RateTable]) -> Optional[Limits]:
    """None where a frontend has no limits."""
    of_clients = config.client_limits
    return Limits(config, key, table) if config.max_body or of_clients.requests_per_second or of_clients.connections else None
