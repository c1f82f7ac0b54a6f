# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a module comes at a node's document: under the lock, with words for what goes wrong, and in check mode as earlier tasks would have left it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule

from ._client import NotRunning, Refused
from ._model import Document, ModelError, Problem, duration_ms, readable, to_stored
from ._store import Store, StoreError

LOCK_ARGUMENTS: dict[str, Any] = {"lock_timeout": {"type": "str", "default": "30s"}}


@contextlib.contextmanager
def told(module: AnsibleModule) -> Iterator[None]:
    """Turns what a user or a host can do wrong into the task's failure. A programmer's error is not caught."""
    try:
        yield
    except ModelError as error:
        module.fail_json(msg=str(error), problems=[_problem(problem) for problem in error.problems])
    except (StoreError, NotRunning) as error:
        module.fail_json(msg=str(error))
    except Refused as error:
        module.fail_json(msg=f"The runtime refused: {error}", problems=error.problems)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        reason = os.strerror(error.errno) if error.errno else str(error)
        module.fail_json(msg=f"{where}{reason}. Mend that on the node (space, permissions, become), then run again.")


def read_document(module: AnsibleModule, store: Store) -> Document:
    """The document in force; in check mode with what the play's earlier tasks would have made of it."""
    have = store.read()
    assumed = (module.params.get("tandem_assumed") or {}).get(store.paths.prefix)
    if module.check_mode and assumed and assumed.get("generation") == have.generation:
        return Document.from_stored({"schema": 1, **assumed})
    return have


@contextlib.contextmanager
def locked(module: AnsibleModule, store: Store, look: Optional[Callable[[], object]] = None) -> Iterator[None]:
    """Holds the lock. On a host that has none yet, ``look`` may refuse first, so that what is refused leaves no trace."""
    wait_s = seconds(module, "lock_timeout", "1h")
    if module.check_mode:
        yield  # reads one whole document, so it needs no lock, and taking it would write
        return
    if look and not os.path.exists(store.paths.lock):
        look()
    with store.lock(wait_s):
        yield


def seconds(module: AnsibleModule, option: str, most: str) -> float:
    """What a duration option says, which is 0 to ``most``. Raises ModelError."""
    given = module.params[option]
    try:
        wait_ms = duration_ms(given)
    except ValueError as error:
        rule, way_out = error.args
        raise ModelError(Problem("", option, given, rule, way_out)) from None
    if wait_ms > duration_ms(most):
        raise ModelError(Problem("", option, given, f"which is outside 0 to {most}", "Give a value within the limits."))
    return wait_ms / 1000


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "where": problem.where,
        "option": problem.option,
        "value": readable(problem.value) if isinstance(problem.value, str) else to_stored(problem.value),
        "rule": problem.rule,
        "way_out": problem.way_out,
    }
