# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The argument_specs of the role ``balancer``: the options of ``config`` as variables."""

from __future__ import annotations

from pathlib import Path

from .objects import of_many, options_of
from .words import Options, dumped, with_references

_PREFIX = "balancer_"
_OWN = ("state", "allow_empty", "lock_timeout")
_DEFAULTS = {"state": "overridden"}  # a role states everything; the module adds
_HEAD = "# Written by `make docs` from the documentation of the modules. Do not edit it here.\n---\n"


def render(root: Path) -> str:
    """The whole file."""
    objects = of_many(root, _PREFIX, others="tandem.lb.config#module:{}")
    options = {name: {**_specified(option), "default": []} for name, option in objects.items()}
    documented = options_of(root, "config")
    for name in _OWN:
        description = [with_references(line, lambda first: f"{_PREFIX}{first}") for line in documented[name]["description"]]
        options[f"{_PREFIX}{name}"] = {**documented[name], "description": description}
        options[f"{_PREFIX}{name}"].update({"default": _DEFAULTS[name]} if name in _DEFAULTS else {})
    main_entry = {
        "short_description": "State the load balancers of the hosts, whole",
        "description": [
            "One task of M(tandem.lb.config), from variables. Objects that the variables do not name are removed, unless O(balancer_state) says else."
        ],
        "options": options,
    }
    return _HEAD + dumped({"argument_specs": {"main": main_entry}})


def _specified(option: Options) -> Options:
    """A documented option in the words of argument_specs."""
    spec = {fact: value for fact, value in option.items() if fact != "suboptions"}
    if "suboptions" in option:
        spec["options"] = {name: _specified(below) for name, below in option["suboptions"].items()}
    return spec
