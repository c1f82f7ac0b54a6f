"""What the roles accept, set and document is one thing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import yaml

from plugins.module_utils import _model as model

TOP = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (TOP / "roles").iterdir() if path.is_dir())


def specs(role):
    return yaml.safe_load((TOP / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]


def defaults(role):
    return yaml.safe_load((TOP / "roles" / role / "defaults/main.yml").read_text())


def documentation(module):
    """The options of a module, as its DOCUMENTATION has them."""
    text = (TOP / f"plugins/modules/{module}.py").read_text().partition('DOCUMENTATION = r"""')[2].partition('"""')[0]
    return yaml.safe_load(text)["options"]


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_is_specified_has_the_roles_prefix_and_the_default_that_is_documented(role):
    assert set(specs(role)) == set(defaults(role))
    assert all(name.startswith(f"{role}_") for name in specs(role))
    documented = {name: option["default"] for name, option in specs(role).items() if "default" in option}
    assert {name: defaults(role)[name] for name in documented} == documented


def test_every_default_of_the_node_is_documented_but_the_one_that_depends_on_the_host():
    documented = {name for name, option in specs("node").items() if "default" in option}
    assert set(defaults("node")) - documented == {"node_kernel_settings"}


def test_the_node_takes_what_the_runtime_module_takes():
    facts = ("type", "choices", "default")
    module = {name: [option.get(fact) for fact in facts] for name, option in documentation("runtime").items()}
    role = {name: [option.get(fact) for fact in facts] for name, option in specs("node").items() if not name.startswith("node_kernel")}
    assert role == {f"node_{name}": told for name, told in module.items()}


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_is_used(role):
    used = "".join(path.read_text() for folder in ("tasks", "handlers", "templates") for path in (TOP / "roles" / role).glob(f"{folder}/*"))
    assert [name for name in specs(role) if name not in used] == []


def test_the_balancer_takes_what_the_config_module_takes():
    spec = importlib.util.spec_from_file_location("render_role_specs", TOP / "tools/render_role_specs.py")
    renderer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(renderer)
    assert (TOP / "roles/balancer/meta/argument_specs.yml").read_text() == renderer.render(TOP), "run tools/render_role_specs.py"


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
