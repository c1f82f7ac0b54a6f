# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tasks of one run in check mode would have left on a node, for those that come after them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from ansible_collections.tandem.lb.plugins.plugin_utils._run import leave, left, place


class Assumed:
    """The objects that a host would have by now, by the prefix of the node. ``host`` is the one that is changed, whoever the task is delegated by."""

    def __init__(self, host: str) -> None:
        self._place = place("assumed", host)

    def read(self) -> dict[str, Any]:
        try:
            return dict(left(self._place))
        except FileNotFoundError:
            return {}

    def add(self, assumed: Optional[Mapping[str, Any]]) -> None:
        if assumed:
            leave(self._place, {**self.read(), **assumed})
