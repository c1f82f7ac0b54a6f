"""Where a route leads: to a backend, or to several of which each request takes one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from ..._model import Route
from ...http.request import Request
from .backends import BackendState


class Target:
    """One backend, or several by their weights.

    The shares are exact over as many requests as the weights add up to, and each is spread evenly (nginx's smooth weighted round robin). Whoever is
    bound to a server of one of them goes there. A backend none of whose servers is up has no share while another has one.
    """

    def __init__(self, backend: Optional[BackendState], shares: list[tuple[BackendState, int]]) -> None:
        self.backend = backend
        self._backends = [one for one, _weight in shares]
        self._weights = [weight for _one, weight in shares]
        self._credits = [0] * len(shares)

    @staticmethod
    def of_route(route: Route, prefix: str, backends: Mapping[str, BackendState]) -> Target:
        """``prefix``: with which the keys of the load balancer's backends begin."""
        if not route.backends:
            return Target(backends[prefix + route.backend], [])
        return Target(None, [(backends[prefix + one.backend], one.weight) for one in route.backends])

    def choose(self, request: Request, client: str, now: float) -> BackendState:
        for backend in self._backends:
            if backend.binds(request, client, now):
                return backend
        total = 0
        best = -1
        all_down = not any(backend.balancer.usable() for backend in self._backends)
        for place, weight in enumerate(self._weights):
            if weight and (all_down or self._backends[place].balancer.usable()):
                total += weight
                self._credits[place] += weight
                if best < 0 or self._credits[place] > self._credits[best]:
                    best = place
        if best < 0:  # all that are up have weight 0
            return self._backends[self._weights.index(max(self._weights))]
        self._credits[best] -= total
        return self._backends[best]
