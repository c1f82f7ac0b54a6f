# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``switchover``: this node's part in moving a load balancer to a node on purpose. How it is moved is ``_handover``'s."""

from __future__ import annotations

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._access import read_document, seconds, told
from ._client import is_listening
from ._handover import Moved, NotMoved, Standing, Switchover
from ._model import LoadBalancer, ModelError, Problem, known
from ._node import NODE_ARGUMENTS
from ._paths import Paths
from ._store import Store

_ARGUMENTS: dict[str, Any] = {
    "load_balancer": {"type": "str", "required": True},
    "to": {"type": "str", "required": True},
    "force": {"type": "bool", "default": False},
    "grace": {"type": "str", "default": "5m"},
    "timeout": {"type": "str", "default": "10s"},
}


def run_switchover() -> None:
    """The whole module. It writes nothing on the node, so it needs no lock: keepalive takes what it is asked for in turn."""
    module = AnsibleModule({**_ARGUMENTS, **NODE_ARGUMENTS}, supports_check_mode=True)
    paths, params = Paths(module.params["prefix"]), module.params
    with told(module):
        timeout_s, grace_ms = seconds(module, "timeout", "1d"), round(1000 * seconds(module, "grace", "1d"))
        one = _found(module, Store(paths))
        switchover = Switchover(paths, one.name, to=params["to"], force=params["force"], grace_ms=grace_ms)
        try:
            moved = _foreseen(paths, switchover, params["to"]) if module.check_mode else switchover.carry_out(timeout_s, elsewhere=True)
        except NotMoved as error:
            module.fail_json(msg=str(error), **_result(one.name, error.moved))
    module.exit_json(**_result(one.name, moved))


def _found(module: AnsibleModule, store: Store) -> LoadBalancer:
    """The load balancer, which has the node ``to``. Raises ModelError, StoreError."""
    document, name, to = read_document(module, store), module.params["load_balancer"], module.params["to"]
    if name not in document.load_balancers:
        rule = f"but this node has no such load balancer; {known(document.load_balancers, name)}"
        raise ModelError(Problem("", "load_balancer", name, rule, "State it first, or correct the name."))
    one = document.load_balancers[name]
    nodes = [node.node for node in one.nodes]
    if to not in nodes:
        rule = f'but load balancer "{name}" has no such node; {known(nodes, to)}'
        raise ModelError(Problem("", "to", to, rule, "Give one of its nodes, as master.node and backup.node name them."))
    return one


def _foreseen(paths: Paths, switchover: Switchover, to: str) -> Moved:
    if not is_listening(paths.keepalive_socket):  # an earlier task of the play may be about to start it
        return Moved(False, Standing("", "unknown", ""))
    moved = switchover.foreseen()
    now = moved.standing
    if not now.node:
        return moved
    state = "active" if now.node == to else "standby" if moved.changed else now.state
    return Moved(moved.changed, Standing(now.node, state, to))


def _result(name: str, moved: Moved) -> dict[str, Any]:
    now = moved.standing
    before, after = (_text(name, active) for active in (now.node, now.active)) if moved.changed else ("", "")
    kept = {"kept": moved.kept, "kept_reason": moved.kept_reason}
    return {"changed": moved.changed, "active": now.active, "state": now.state, **kept, "diff": {"before": before, "after": after}}


def _text(name: str, active: str) -> str:
    return f'load balancer "{name}" active: {json.dumps(active)}\n'
