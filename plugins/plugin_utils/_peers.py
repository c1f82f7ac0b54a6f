# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the hosts of one ansible-playbook run tell each other of their hardware.

Each node leaves its digests after every run of a module, so later tasks, batches and plays find them; who needs those of a node that is at the same
task waits.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Optional

from ansible import constants
from ansible_collections.tandem.lb.plugins.plugin_utils._run import leave, left, place

# As long as the first module run on one node of a batch may lag behind that on another. Spent in whole only where a peer never comes to the task.
WAIT_S = 10.0
_LOOK_S = 0.02


class Peers:
    """The other nodes, as one node at one task meets them."""

    def __init__(self, node: str, task: Any, variables: Mapping[str, Any]) -> None:
        self.node = node
        self._host: str = variables["inventory_hostname"]
        self._batch: list[str] = list(variables.get("ansible_play_batch") or [])
        self._inventory = set((variables.get("groups") or {}).get("all") or [])
        forks = int(variables.get("ansible_forks") or constants.DEFAULT_FORKS)
        self._at_once = 1 if task.run_once else min(forks, task.throttle or forks)

    def publish(self, identity: Optional[Mapping[str, Any]]) -> None:
        """Leaves this node's digests for the others; None says that the module came to no answer, unless there is one from before."""
        where = place("hardware", self.node)
        if identity is not None or not where.exists():
            leave(where, identity)

    def known(self, names: Iterable[str]) -> dict[str, Any]:
        """The digests that nodes have left, of those named."""
        found = {name: self._left(name) for name in set(names) - {self.node}}
        return {name: identity for name, (_there, identity) in found.items() if identity}

    def wait_for(self, names: Iterable[str]) -> dict[str, Any]:
        """The same, once all that are at this task beside us have answered, or after WAIT_S."""
        wanted = list(names)
        coming = [name for name in wanted if self._may_come(name)]
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline and not all(self._left(name)[0] for name in coming):
            time.sleep(_LOOK_S)
        return self.known(wanted)

    def named_in(self, arguments: Mapping[str, Any]) -> set[str]:
        """The nodes of the load balancers that a task's arguments state. What is wrong in them is the module's to tell."""
        given = arguments.get("load_balancers")
        return {name for one in (arguments, *(given if isinstance(given, list) else ())) if isinstance(one, Mapping) for name in _nodes(one)}

    def _may_come(self, name: str) -> bool:
        """Whether a node can be at this task while this one waits: workers take the hosts of a batch in turn, so many at once."""
        if self._at_once < 2 or len(self._batch) < 2:
            return False
        if name not in self._batch:
            return name not in self._inventory  # a name of its own (tandem_node), so it may be any host of the batch
        return self._host in self._batch and abs(self._batch.index(name) - self._batch.index(self._host)) < self._at_once

    def _left(self, name: str) -> tuple[bool, Any]:
        try:
            return True, left(place("hardware", name))
        except FileNotFoundError:
            return False, None


def _nodes(load_balancer: Mapping[str, Any]) -> Iterator[str]:
    for role in ("master", "backup"):
        member = load_balancer.get(role)
        if isinstance(member, Mapping) and isinstance(member.get("node"), str):
            yield str(member["node"])
