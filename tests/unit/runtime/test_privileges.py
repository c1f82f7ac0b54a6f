"""What a service may is not handed on to what it starts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.node import PROGRAM

CODE = """
import subprocess, sys
sys.path.insert(0, {place!r})
from tandem.privileges import keep_capabilities
def said(path):
    with open(path, encoding='ascii') as status:
        return [line.split()[1] for line in status if line.startswith(("CapEff", "CapAmb"))]
def child():
    return subprocess.run(["grep", "-E", "^Cap(Eff|Amb)", "/proc/self/status"], capture_output=True, text=True).stdout.split()[1::2]
print(*child())
keep_capabilities()
print(*said("/proc/self/status"))
print(*child())
"""
NONE, BIND = "0" * 16, "0" * 13 + "400"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to hand a capability to somebody else")
def test_what_a_service_starts_has_none_of_its_capabilities(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(CODE.format(place=str(PROGRAM.parent.parent)), encoding="utf-8")
    # As the unit says; root's own capabilities are taken for nothing, and a Python that only root can read is one too.
    one = "-all,+net_bind_service"
    command = ["setpriv", "--securebits", "+noroot", "--inh-caps", one, "--ambient-caps", one, sys.executable, "-"]
    with program.open(encoding="utf-8") as code:
        run = subprocess.run(command, stdin=code, capture_output=True, text=True, timeout=30, check=False)
    assert run.stdout.split() == [BIND, BIND, BIND, NONE, NONE, NONE], run.stderr
