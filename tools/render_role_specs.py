# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes roles/balancer/meta/argument_specs.yml from what the config module documents and declares, so that the two cannot differ.

The same sources give the same bytes.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
SPECS = ROOT / "roles/balancer/meta/argument_specs.yml"
OBJECTS = ("floating_ips", "load_balancers", "backends", "frontends")
SECRETS = frozenset(("key",))  # of heartbeats; a test compares with the declared options
_HEAD = "# Written by tools/render_role_specs.py from the documentation of tandem.lb.config. Do not edit it here.\n---\n"


class _Indented(yaml.SafeDumper):
    """Lists are indented below their key, as ansible-lint wants them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def main() -> int:
    SPECS.parent.mkdir(parents=True, exist_ok=True)
    SPECS.write_text(render(ROOT), encoding="utf-8")
    return 0


def render(root: Path) -> str:
    """The whole file."""
    documented = _documentation(root)
    options = {f"balancer_{name}": {**_option(documented[name]), "default": []} for name in OBJECTS}
    options["balancer_state"] = {**_option(documented["state"]), "default": "overridden"}
    options["balancer_allow_empty"] = _option(documented["allow_empty"])
    options["balancer_lock_timeout"] = _option(documented["lock_timeout"])
    main_entry = {
        "short_description": "State the load balancers of the hosts, whole",
        "description": [
            "One task of M(tandem.lb.config), from variables. Objects that the variables do not name are removed, unless O(balancer_state) says else."
        ],
        "options": options,
    }
    return _HEAD + yaml.dump({"argument_specs": {"main": main_entry}}, Dumper=_Indented, sort_keys=False, width=120, allow_unicode=True)


def _documentation(root: Path) -> dict[str, Any]:
    tree = ast.parse((root / "plugins/modules/config.py").read_text())
    text = next(
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and getattr(node.targets[0], "id", "") == "DOCUMENTATION"
    )
    found: dict[str, Any] = yaml.safe_load(str(text))["options"]
    return found


def _option(documented: dict[str, Any], name: str = "") -> dict[str, Any]:
    option = {key: value for key, value in documented.items() if key != "suboptions"}
    if name in SECRETS:
        option["no_log"] = True
    if "suboptions" in documented:
        option["options"] = {inner: _option(value, inner) for inner, value in documented["suboptions"].items()}
    return option


if __name__ == "__main__":
    sys.exit(main())
