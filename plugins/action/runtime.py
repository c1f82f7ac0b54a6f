# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What only the controller can do for every module of the collection: name the node, hand over the bundle, carry assumptions in check mode,
and tell the nodes of one load balancer of each other's hardware."""

from __future__ import annotations

import tempfile
from typing import Any, Optional

from ansible.plugins.action import ActionBase
from ansible_collections.tandem.lb.plugins.plugin_utils._bundle import digest, pack
from ansible_collections.tandem.lb.plugins.plugin_utils._peers import Peers

# What one item of a loop would have left is no fact yet when the next item runs. All items of a task are run by one process, so it is kept here.
_assumed: dict[tuple[str, str], dict[str, Any]] = {}


class ActionModule(ActionBase):
    """Runs the task's own module; once more with the bundle at hand if the node says that it lacks it."""

    _supports_check_mode = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = dict(self._task.args)
        for option in ("node", "prefix"):
            if option not in arguments and f"tandem_{option}" in variables:
                arguments[option] = self._templar.template(variables[f"tandem_{option}"])
        arguments.setdefault("node", variables["inventory_hostname"])
        turn = (self._task._uuid, variables["inventory_hostname"])
        if self._task.check_mode:
            arguments["tandem_assumed"] = _assumed.get(turn) or variables.get("ansible_facts", {}).get("tandem_assumed")
        arguments["bundle"] = {"digest": digest()}
        result = self._run_among_peers(arguments, variables)
        if result.pop("needs_bundle", False):
            result = self._run_with_bundle(arguments, variables)
        result.pop("tandem_hardware", None)
        if "tandem_assumed" in result.get("ansible_facts", {}):
            _assumed[turn] = result["ansible_facts"]["tandem_assumed"]
        return result

    def _run_among_peers(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Runs the module with what is known of its peers; once more with their answers if it asks for them before it changes anything."""
        peers = Peers(str(arguments["node"]), self._task, variables)
        arguments["tandem_peers"] = {"known": peers.known(peers.named_in(arguments)), "ask": True}
        result: dict[str, Any] = {}
        try:
            result = self._run_module(arguments, variables)
        finally:
            peers.publish(result.get("tandem_hardware"))
        arguments["tandem_peers"]["ask"] = False
        if "needs_peers" in result:
            arguments["tandem_peers"]["known"] = peers.wait_for(result["needs_peers"])
            result = self._run_module(arguments, variables)
        return result

    def _run_module(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=variables)
        return answer

    def _run_with_bundle(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        folder = self._make_tmp_path()
        try:
            remote = self._connection._shell.join_path(folder, "tandem-bundle.tar.gz")
            with tempfile.NamedTemporaryFile(prefix="tandem-", suffix=".tar.gz") as local:
                local.write(pack())
                local.flush()
                self._transfer_file(local.name, remote)
            self._fixup_perms2((folder, remote))
            arguments["bundle"] = {**arguments["bundle"], "path": remote}
            return self._run_module(arguments, variables)
        finally:
            self._remove_tmp_path(folder)
