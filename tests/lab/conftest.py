"""One lab for all tests that look at hosts: first with the pair of site.yml on it, and at last for the scenarios, which give it fresh disks."""

from __future__ import annotations

import pytest

from tests.lab.lab_pair import LabPair
from tests.lab.layout import NODES
from tests.lab.machines import Lab, ensure_packages
from tests.support.waiting import until


@pytest.fixture(scope="session", autouse=True)
def packages(request):
    """What the lab needs from the distribution; what is installed is said where the tests' progress is shown."""
    ensure_packages(request.config.pluginmanager.get_plugin("terminalreporter").write_line)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name == "test_molecule.py")


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("hosts") / "lab")
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture(scope="session")
def pair(lab):
    made = LabPair(lab)
    made.play(made.playbook)
    until(lambda: sorted(map(made.node_state, NODES)) == ["active", "standby"], 20, "one node active, one standing by")
    until(lambda: made.up() == set(made.servers), 20, "all servers up")
    yield made
    made.stop()
