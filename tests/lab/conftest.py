"""A lab of the tests' own, with the pair of site.yml on it."""

from __future__ import annotations

import pytest

from tests.lab.lab_pair import LabPair, until
from tests.lab.layout import NODES
from tests.lab.machines import Lab, ensure_packages


@pytest.fixture(scope="session", autouse=True)
def packages(request):
    """What the lab needs from the distribution; what is installed is said where the tests' progress is shown."""
    ensure_packages(request.config.pluginmanager.get_plugin("terminalreporter").write_line)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("hosts") / "lab")
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module")
def pair(lab):
    made = LabPair(lab)
    made.play(made.playbook)
    until(lambda: sorted(map(made.node_state, NODES)) == ["active", "standby"], 20, "one node active, one standing by")
    until(lambda: made.up() == set(made.servers), 20, "all servers up")
    yield made
    made.stop()
