# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What only the controller can do for every module of the collection: name the node, hand over the bundle, carry assumptions in check mode,
and tell the nodes of one load balancer of each other's hardware."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import Any, Optional

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader
from ansible_collections.tandem.lb.plugins.module_utils._model import ModelError, Problem, refuse_unencodable
from ansible_collections.tandem.lb.plugins.plugin_utils._accelerators import Accelerators
from ansible_collections.tandem.lb.plugins.plugin_utils._assumed import Assumed
from ansible_collections.tandem.lb.plugins.plugin_utils._bundle import digest, pack
from ansible_collections.tandem.lb.plugins.plugin_utils._peers import Peers
from ansible_collections.tandem.lb.plugins.plugin_utils._target import Target
from ansible_collections.tandem.lb.plugins.plugin_utils._texts import with_files, without_pem


class ActionModule(ActionBase):
    """Runs the task's own module; once more with the bundle, or the accelerator, at hand if the node says that it lacks it."""

    _supports_check_mode = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        variables = task_vars or {}
        try:
            self._refuse_async()
            super().run(tmp, task_vars)
            target = Target(variables, self._task.delegate_to)
            arguments = target.complete(self._task.args, self._template)
            arguments = with_files(self._task.action.rpartition(".")[2], arguments, self._text)
            refuse_unencodable(arguments)  # ansible-core's own part of a module could not say what is wrong
            accelerators = self._accelerators(variables)
        except ModelError as error:
            return {"failed": True, "msg": str(error)}
        assumed = Assumed(target.host)
        if self._task.check_mode:
            arguments["tandem_assumed"] = assumed.read()
        arguments["bundle"] = {"digest": digest(), "acceleration": accelerators.offered()}
        result = self._run_among_peers(arguments, variables)
        needed = {name: result.pop(name, None) for name in ("needs_bundle", "needs_accelerator")}
        if any(needed.values()):
            try:
                self._send(needed, arguments["bundle"], accelerators)
            except ModelError as error:
                return {"failed": True, "msg": str(error)}
            result = self._run_module(arguments, variables)
        result.pop("tandem_hardware", None)
        if "invocation" in result:
            result["invocation"] = without_pem(result["invocation"])
        assumed.add(result.pop("tandem_assumed", None))
        return result

    def _refuse_async(self) -> None:
        """A module may have to be run more than once, with what the controller finds out in between; a job in the background could not ask for it."""
        if self._task.async_val:
            rule = "but a task of tandem.lb may need the controller more than once while it runs"
            way_out = "Leave async and poll out; throttle, serial and lock_timeout say how hosts and runs wait for each other."
            raise ModelError(Problem("", "async", self._task.async_val, rule, way_out))

    def _accelerators(self, variables: Mapping[str, Any]) -> Accelerators:
        folder = variables.get("tandem_accelerators")
        return Accelerators(self._template(folder, variables) if folder else None)

    def _template(self, value: Any, variables: Mapping[str, Any]) -> Any:
        return self._templar.copy_with_new_env(available_variables=variables).template(value)

    def _text(self, path: str) -> str:
        """The text of a file as the lookup ``file`` finds it, in the folders of the play and of the role, decrypted where it is a vault's.
        Raises ValueError."""
        lookup = lookup_loader.get("ansible.builtin.file", loader=self._loader, templar=self._templar)
        search = [*self._task.get_search_path(), self._loader.get_basedir()]
        try:
            text: str = lookup.run([path], variables={"ansible_search_path": search}, rstrip=False)[0]
        except AnsibleError as error:
            raise ValueError(str(error)) from None
        return text

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

    def _send(self, needed: Mapping[str, Any], bundle: dict[str, Any], accelerators: Accelerators) -> None:
        """Raises ModelError."""
        if needed["needs_accelerator"]:
            bundle["acceleration"]["path"] = self._sent("tandem-accelerator.tar.gz", accelerators.read(needed["needs_accelerator"]))
        if needed["needs_bundle"]:
            bundle["path"] = self._sent("tandem-bundle.tar.gz", pack())

    def _sent(self, name: str, content: bytes) -> str:
        """Where on the node a file with that content lies until the task has ended."""
        # One temporary folder for the whole task: its end removes the one that the connection knows, and the module's arguments, with their
        # secrets, may lie there already. A second one would make it forget the first.
        folder = self._connection._shell.tmpdir or self._make_tmp_path()
        remote: str = self._connection._shell.join_path(folder, name)
        with tempfile.NamedTemporaryFile(dir=constants.DEFAULT_LOCAL_TMP, prefix="tandem-", suffix=".tar.gz") as local:
            local.write(content)
            local.flush()
            self._transfer_file(local.name, remote)
        self._fixup_perms2((folder, remote))
        return remote
