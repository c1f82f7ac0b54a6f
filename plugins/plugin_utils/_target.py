# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which node a task means: the one of the host that it is run on, which is another than the play's where it is delegated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Optional

from ansible_collections.tandem.lb.plugins.module_utils._model import ModelError, Problem

# A value that may be a template, and the variables for it.
Template = Callable[[Any, Mapping[str, Any]], Any]


class Target:
    """The host that a task changes: the play's, or the one it is delegated to."""

    def __init__(self, variables: Mapping[str, Any], delegate_to: Optional[str]) -> None:
        self._own = variables
        self.host: str = delegate_to or variables["inventory_hostname"]
        self.delegated = self.host != variables["inventory_hostname"]
        # ansible-core leaves the play's host in inventory_hostname there, so that a name made of it would be the wrong one.
        self._variables: Mapping[str, Any] = variables
        if self.delegated:
            self._variables = {**variables.get("ansible_delegated_vars", {}).get(self.host, {}), "inventory_hostname": self.host}

    def complete(self, arguments: Mapping[str, Any], template: Template) -> dict[str, Any]:
        """The arguments, with this host's own ``node`` and ``prefix`` where they are left out. Raises ModelError where these are not certain."""
        given = {name: value for name, value in arguments.items() if value is not None or name not in ("node", "prefix")}
        for option in ("node", "prefix"):
            variable = f"tandem_{option}"
            if option not in given and variable in self._variables:
                given[option] = template(self._variables[variable], {**self._own, **self._variables})
        if "prefix" not in given and "tandem_prefix" in self._own:
            rule = f'which has no tandem_prefix, while "{self._own["inventory_hostname"]}" has one, so it is not certain which node is meant'
            raise _uncertain(self.host, rule, "Set tandem_prefix for both, or give the task node and prefix.")
        if "node" not in given:
            if self.delegated and self.host not in (self._own.get("groups") or {}).get("all", ()):
                rule = "which is no host of the inventory, so the name of its node is not known"
                raise _uncertain(self.host, rule, "Give that host's name in the inventory, or give the task node and prefix.")
            given["node"] = self.host
        return given


def _uncertain(host: str, rule: str, way_out: str) -> ModelError:
    return ModelError(Problem("", "delegate_to", host, rule, way_out))
