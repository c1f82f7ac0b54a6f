"""What the roles accept, set and document is one thing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from plugins.module_utils import _model as model
from tools.docs.objects import options_of

TOP = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (TOP / "roles").iterdir() if path.is_dir())


def specs(role):
    return yaml.safe_load((TOP / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]


# Variables without a default: left out, the host keeps what it has.
LEFT_AS_IT_IS = {"node_acceleration", "node_workers"}


def defaults(role):
    return yaml.safe_load((TOP / "roles" / role / "defaults/main.yml").read_text())


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_is_specified_has_the_roles_prefix_and_the_default_that_is_documented(role):
    assert set(specs(role)) - LEFT_AS_IT_IS == set(defaults(role))
    assert all(name.startswith(f"{role}_") for name in specs(role))
    documented = {name: option["default"] for name, option in specs(role).items() if "default" in option}
    assert {name: defaults(role)[name] for name in documented} == documented


def test_every_default_of_the_node_is_documented_but_the_one_that_depends_on_the_host():
    documented = {name for name, option in specs("node").items() if "default" in option}
    assert set(defaults("node")) - documented == {"node_kernel_settings"}


def test_the_node_takes_what_the_runtime_module_takes():
    facts = ("type", "choices", "default")
    module = {name: [option.get(fact) for fact in facts] for name, option in options_of(TOP, "runtime").items()}
    role = {name: [option.get(fact) for fact in facts] for name, option in specs("node").items() if not name.startswith("node_kernel")}
    assert role == {f"node_{name}": told for name, told in module.items()}


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_is_used(role):
    used = "".join(path.read_text() for folder in ("tasks", "handlers", "templates") for path in (TOP / "roles" / role).glob(f"{folder}/*"))
    assert [name for name in specs(role) if name not in used] == []


@pytest.mark.parametrize(
    ("variable", "kind"),
    [
        ("balancer_floating_ips", model.FloatingIP),
        ("balancer_load_balancers", model.LoadBalancer),
        ("balancer_backends", model.Backend),
        ("balancer_frontends", model.Frontend),
    ],
)
def test_the_balancers_variables_are_declared_as_the_model_declares_them(variable, kind):
    def shape(options):
        """Names, types, choices and secrecy, without words."""
        return {
            name: (option.get("type"), option.get("elements"), option.get("choices"), option.get("no_log", False), shape(option.get("options") or {}))
            for name, option in options.items()
        }

    assert shape(specs("balancer")[variable]["options"]) == shape(model.argument_spec(kind))
