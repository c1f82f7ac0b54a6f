#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runtime of one node: deployed, or removed. The work is in module_utils._release."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runtime
short_description: Deploy the runtime on a node
version_added: 0.1.0
author:
  - The Tandem authors (@tandem-lb)
description:
  - Packs the program that the collection carries, sends it where it is missing, unpacks it under its digest, checks it with the node's Python, and
    switches to it by one rename. The former release is kept for going back.
  - Services that do not run are started. Services that run are not restarted unless asked for, so a new release comes into use when you decide.
  - M(tandem.lb.load_balancer) and M(tandem.lb.config) do the same by themselves; this module is for doing it at another time, or with other options.
options:
  state:
    description:
      - V(present) makes the controller's release the one in use; it is refused where the stated load balancers do not know the node by its name.
        V(absent) stops the services and removes the program, its logs and units; it is refused while load balancers are stated. The document of
        the node is kept.
    type: str
    choices: [present, absent]
    default: present
  service_manager:
    description:
      - What keeps the services running. V(systemd) writes and enables units. V(process) is a small manager of its own, for containers and for users
        without root.
      - V(auto) keeps what the node has; on a new node it is V(systemd) where that booted the host and O(prefix) is V(/), and else V(process).
    type: str
    choices: [auto, systemd, process]
    default: auto
  acceleration:
    description:
      - Whether workers run the most used parts of the runtime compiled, so that a request takes less processor time. The accelerator for the node's
        Python and architecture is sent where the controller has it, in C(accelerators/) of the collection or in the folder that the variable
        C(tandem_accelerators) names; C(make accelerators) in a checkout builds them.
      - V(auto) uses one that fits and has passed its check on the node, and else the sources, which are always complete. With V(required) the task
        fails where there is none, and workers do not start without it. V(none) uses none.
      - Left out, it stays as the node has it; on a new node it is V(auto). What runs already goes on as it was started; see O(restart).
    type: str
    choices: [auto, required, none]
  workers:
    description:
      - How many workers the proxy has, up to 256, each a process that serves clients on one core. V(0) means one for each core that the proxy may
        use. Some limits have a part in each worker, see the collection's limits.
      - Left out, it stays as the node has it; on a new node it is V(0). What runs already goes on as it was started; see O(restart).
    type: int
  restart:
    description:
      - Restart services that run another release than the deployed one, or that were started by units which have changed since, or before the
        accelerator that they could use was there or was turned off, or with another number of O(workers). The node gives up its floating IPs
        first; do it on the standby node first.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Writes nothing and sends nothing, and says what would be done.
  diff_mode:
    support: full
    description: Shows the release and what would be done.
extends_documentation_fragment:
  - tandem.lb.node
  - tandem.lb.change
seealso:
  - module: tandem.lb.load_balancer
"""

EXAMPLES = r"""
- name: Deploy the new release; what runs goes on with the former one
  tandem.lb.runtime:

- name: Use it now
  tandem.lb.runtime:
    restart: true

- name: Two workers, though the node has more cores
  tandem.lb.runtime:
    workers: 2
    restart: true

- name: Take the program off the node
  tandem.lb.runtime:
    state: absent
"""

RETURN = r"""
release:
  description: The digest of the release in use for what is started from now on; empty when the runtime is absent.
  returned: success
  type: str
previous:
  description: The digest of the release before, kept for going back; empty without one.
  returned: success
  type: str
running_release:
  description: The digest of the release that each running service was started from.
  returned: success
  type: dict
restart_needed:
  description: Whether a running service still uses another release or acceleration, or was started by units that have changed since.
  returned: success
  type: bool
done:
  description: What was done, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [release installed, release switched, services started]
"""

import contextlib
import json
from typing import Any

from ansible_collections.tandem.lb.plugins.module_utils import _floor  # noqa: F401  pylint: disable=unused-import

# isort: split
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.tandem.lb.plugins.module_utils._accelerator import SETTINGS
from ansible_collections.tandem.lb.plugins.module_utils._access import LOCK_ARGUMENTS, locked, read_document, told
from ansible_collections.tandem.lb.plugins.module_utils._change import refuse_bad_name, refuse_other_name, refuse_stranger
from ansible_collections.tandem.lb.plugins.module_utils._model import Document, ModelError, Problem
from ansible_collections.tandem.lb.plugins.module_utils._node import NODE_ARGUMENTS
from ansible_collections.tandem.lb.plugins.module_utils._paths import Paths
from ansible_collections.tandem.lb.plugins.module_utils._release import Deployment
from ansible_collections.tandem.lb.plugins.module_utils._services import frontend_problems
from ansible_collections.tandem.lb.plugins.module_utils._store import Store

_WORKERS_MAX = 256


def main() -> None:
    arguments = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "service_manager": {"type": "str", "choices": ["auto", "systemd", "process"], "default": "auto"},
        "restart": {"type": "bool", "default": False},
        "acceleration": {"type": "str", "choices": list(SETTINGS)},
        "workers": {"type": "int"},
    }
    module = AnsibleModule({**arguments, **LOCK_ARGUMENTS, **NODE_ARGUMENTS}, supports_check_mode=True)
    if module.params["service_manager"] == "auto":
        module.params["service_manager"] = None
    paths = Paths(module.params["prefix"])
    with told(module):
        _refuse_workers(module.params["workers"])
        # Taking the lock leaves its file, which must not appear where there is nothing to remove.
        idle = module.params["state"] == "absent" and not Deployment(module, paths).remains()
        store = Store(paths)
        with contextlib.nullcontext() if idle else locked(module, store):
            deployment = Deployment(module, paths)
            before = {"release": deployment.release}
            document = read_document(module, store)
            if module.params["state"] == "present":
                # Under a name that its document does not know, keepalive would refuse the document when it is next started.
                refuse_bad_name(module.params["node"])
                refuse_stranger(document, module.params["node"], sorted(document.load_balancers))
                renamed = refuse_other_name(document, module.params["node"], deployment.node_file.name, str(paths.node))
                if renamed:
                    module.warn(renamed)
                done = deployment.ensure(module.params["restart"])
                release = deployment.digest
                for sentence in [] if module.check_mode else frontend_problems(paths):
                    module.warn(sentence)
            else:
                _refuse_while_stated(document)
                done = [] if idle else deployment.remove()
                release = ""
            after = {"release": release, **({"done": done} if done else {})}
            module.exit_json(
                changed=bool(done),
                done=done,
                release=release,
                previous=deployment.previous,
                running_release=deployment.running_releases,
                restart_needed=bool(release) and deployment.restart_needed,
                diff={"before": _text(before), "after": _text(after)} if done else {"before": "", "after": ""},
            )


def _text(side: dict[str, Any]) -> str:
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in side.items())


def _refuse_workers(given: Any) -> None:
    if given is not None and not 0 <= given <= _WORKERS_MAX:
        rule = f"which is outside 0 to {_WORKERS_MAX}"
        raise ModelError(Problem("", "workers", given, rule, "Give as many as the node has cores, or 0 for just that."))


def _refuse_while_stated(document: Document) -> None:
    stated = sorted(document.load_balancers)
    if stated:
        named = ", ".join(f'"{name}"' for name in stated)
        rule = f"but this node still belongs to load balancer {named}"
        raise ModelError(Problem("", "state", "absent", rule, "Remove it first: tandem.lb.load_balancer with state: absent and cascade: true."))


if __name__ == "__main__":
    main()
