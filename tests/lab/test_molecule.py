"""Every scenario of extensions/molecule, as `make molecule` runs them, on hosts of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.layout import TOP
from tests.lab.tree import cache

SCENARIOS = sorted(path.parent.name for path in (TOP / "extensions/molecule").glob("*/molecule.yml"))
_SCENARIO_S_MAX = 600


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_scenario_passes(scenario, tmp_path):
    programs, home = Path(sys.executable).parent, tmp_path / "home"
    home.mkdir()
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "HOME": str(home),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path / "molecule"),
        "TANDEM_LAB_CACHE": str(cache()),
    }
    run = subprocess.run(
        [str(programs / "molecule"), "test", "--scenario-name", scenario, "--report"],
        cwd=TOP,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SCENARIO_S_MAX,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-8000:]
    # A playbook that is not there is a remark to molecule, and a hole to us.
    assert "Missing playbook" not in run.stdout
    assert not (TOP / ".lab-molecule").exists()
    assert list(home.iterdir()) == []
