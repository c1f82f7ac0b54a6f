# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ``server``: sets the state of one server on this node, and waits until it is drained or healthy. What a state is, is ``_states``'s."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule

from ._access import LOCK_ARGUMENTS, locked, read_document, seconds, told
from ._model import ModelError, Problem
from ._node import NODE_ARGUMENTS
from ._paths import Paths
from ._states import (
    DRAIN_STICKY,
    STATES,
    WAITS,
    OperatedServer,
    Setting,
    found,
    is_reached,
    operator,
    read,
    same,
    signed,
    waited,
    wanted,
    why_not,
)
from ._store import Store

_ARGUMENTS: dict[str, Any] = {
    "load_balancer": {"type": "str", "required": True},
    "backend": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES)},
    "drain_sticky": {"type": "str", "choices": list(DRAIN_STICKY)},
    "wait": {"type": "str", "choices": list(WAITS), "default": "none"},
    "timeout": {"type": "str", "default": "5m"},
    "on_timeout": {"type": "str", "choices": ["fail", "continue"], "default": "fail"},
}


def run_server() -> None:
    """The whole module."""
    module = AnsibleModule({**_ARGUMENTS, **LOCK_ARGUMENTS, **NODE_ARGUMENTS}, supports_check_mode=True)
    store = Store(Paths(module.params["prefix"]))
    params = module.params
    with told(module):
        timeout_s = seconds(module, "timeout", "1d")
        server = OperatedServer(store, params["load_balancer"], params["backend"], params["name"])
        have, want = _planned(module, store)
        _refuse_waiting_in_vain(params["wait"], want, running=module.check_mode or server.running)
        changed = not same(have, want)
        if module.check_mode:
            view = server.foreseen(signed(want, operator(), time.time()) if changed else have)
        else:
            with locked(module, store):
                view = server.put(want, operator(), check=params["wait"] == "healthy")
            changed = bool(view.pop("changed"))
        result = {"changed": changed, "object": _object(params, want), "diff": _diff(server, have, want)}
        if not module.check_mode:
            view = waited(server, view, params["wait"], timeout_s)
    reached = module.check_mode or is_reached(view, params["wait"])
    result.update(server=view, reached=reached)
    if not reached:
        sentence = why_not(server, view, params["wait"], params["timeout"])
        if params["on_timeout"] == "fail":
            module.fail_json(msg=f"{sentence} With on_timeout: continue the play goes on all the same.", **result)
        module.warn(sentence)
    module.exit_json(**result)


def _planned(module: AnsibleModule, store: Store) -> tuple[Optional[Setting], Setting]:
    """What is said of the server now, and what is to be. Raises ModelError, StoreError; changes nothing."""
    params = module.params
    key = found(read_document(module, store), params["load_balancer"], params["backend"], params["name"])
    have = read(store.paths).get(key)
    return have, wanted(have, params["state"], params["drain_sticky"])


def _refuse_waiting_in_vain(wait: str, want: Setting, *, running: bool) -> None:
    if wait == "drained" and want.state == "ready":
        rule = "but the server is ready, so it goes on taking clients"
        raise ModelError(Problem("", "wait", wait, rule, "Give state: drain or state: maint, or wait: healthy."))
    if wait == "healthy" and not running:
        rule = "but the proxy does not run on this node, so nobody checks the server"
        raise ModelError(Problem("", "wait", wait, rule, "Start it (tandem.lb.runtime does), or give wait: none."))


def _object(params: Mapping[str, Any], setting: Setting) -> dict[str, Any]:
    named = {name: params[name] for name in ("load_balancer", "backend", "name")}
    return {**named, "state": setting.state, "drain_sticky": setting.drain_sticky if setting.state == "drain" else None}


def _diff(server: OperatedServer, have: Optional[Setting], want: Setting) -> dict[str, str]:
    if same(have, want):
        return {"before": "", "after": ""}
    return {"before": _text(server.words, have or Setting("ready")), "after": _text(server.words, want)}


def _text(words: str, setting: Setting) -> str:
    options = {"state": setting.state, **({"drain_sticky": setting.drain_sticky} if setting.state == "drain" else {})}
    return "".join(f"{words} {name}: {json.dumps(value)}\n" for name, value in sorted(options.items()))
