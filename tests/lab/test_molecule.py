"""All scenarios of extensions/molecule, one after the other on the same hosts, as `make molecule` runs them; these are the last that need the lab."""

from __future__ import annotations

import os
import re
import subprocess

from tests.lab.layout import TOP
from tests.lab.tree import cache

SCENARIOS = sorted(path.parent.name for path in (TOP / "extensions/molecule").glob("*/molecule.yml"))
_SCENARIO_S_MAX = 600


def test_all_scenarios_pass(lab, tmp_path, figure):
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "NO_COLOR": "1", "TANDEM_LAB_CACHE": str(cache())}
    run = subprocess.run(
        ["make", "--silent", "molecule", f"SCENARIO_LAB={lab.state}"],
        cwd=TOP,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SCENARIO_S_MAX * len(SCENARIOS),
        check=False,
    )
    assert run.returncode == 0, run.stdout[-8000:]
    # A playbook that is not there ("missing") is a remark to molecule, and a hole to us.
    recap = re.findall(r"^(\S+) +: actions=\d+ +(successful=\d+) .* missing=0 +failed=0$", run.stdout, re.MULTILINE)
    figure(f"lab, scenarios passed: {', '.join(f'{name} ({steps})' for name, steps in recap)}")
    assert {name for name, _steps in recap} == set(SCENARIOS)
    assert "Missing playbook" not in run.stdout
    assert not lab.state.exists(), "the last scenario takes the hosts down"
    assert list(home.iterdir()) == []
