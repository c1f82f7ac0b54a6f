"""What is written for systemd, held to systemd's own tools."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from plugins.module_utils import _services, _units
from plugins.module_utils._paths import Paths
from plugins.module_utils._store import StoreError

ANALYZE = shutil.which("systemd-analyze")
EXPOSURE_MAX = {"tandem-proxy": 2.0, "tandem-keepalive": 2.5}

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="needs systemd-analyze, of the distribution's package systemd")


@pytest.fixture
def units(tmp_path):
    """The units of a node whose program is there, as files by service name."""
    paths = Paths(str(tmp_path / "node"))
    paths.program.parent.mkdir(parents=True)
    paths.program.write_text("#!/bin/sh\n")
    paths.program.chmod(0o755)
    found = {}
    for path, text in _units.files(paths).items():
        if path.suffix == ".service":
            found[path.stem] = tmp_path / path.name
            found[path.stem].write_text(text)
    return found


def analyze(*arguments):
    return subprocess.run([str(ANALYZE), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_units(units):
    verified = analyze("verify", "--man=no", *units.values())
    ours = [line for line in f"{verified.stdout}{verified.stderr}".splitlines() if "tandem" in line]
    assert ours == []


@needs_systemd
@pytest.mark.parametrize("service", _units.SERVICES)
def test_the_services_are_exposed_no_more_than_is_promised(units, service, figure):
    told = analyze("security", "--offline=true", "--no-pager", units[service])
    exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", told.stdout + told.stderr).group(1))
    figure(f"systemd-analyze security: {service} {exposure}")
    assert exposure <= EXPOSURE_MAX[service]


@pytest.mark.parametrize(("service", "capabilities"), [("tandem-proxy", "CAP_NET_BIND_SERVICE"), ("tandem-keepalive", "CAP_NET_RAW CAP_NET_ADMIN")])
def test_each_service_has_an_account_and_only_the_capabilities_it_needs(units, service, capabilities):
    text = units[service].read_text()
    assert f"\nUser={service}\n" in text
    assert f"\nCapabilityBoundingSet={capabilities}\n" in text
    assert f"\nAmbientCapabilities={capabilities}\n" in text
    assert f"\nu {service} " in _units.files(Paths("/"))[_units.SYSUSERS]


def test_every_unit_gives_its_service_the_mark_of_all_units_which_another_text_changes(units, tmp_path, monkeypatch):
    paths = Paths(str(tmp_path / "node"))
    mark = _units.mark(paths)
    assert {unit.read_text().count(f"\nEnvironment={_units.MARK}={mark}\n") for unit in units.values()} == {1}
    monkeypatch.setattr(_units, "_SANDBOX", _units._SANDBOX + "PrivateIPC=yes\n")
    assert _units.mark(paths) != mark


@pytest.mark.parametrize(("given", "outdated"), [("{mark}", False), ("another", True), (None, True)], ids=["the mark", "another", "none"])
def test_a_service_that_was_not_given_the_mark_of_the_units_is_outdated(given, outdated):
    paths = Paths("/")
    marked = {} if given is None else {_units.MARK: given.format(mark=_units.mark(paths))}
    waiting = [sys.executable, "-c", "print(flush=True); input()"]
    service = subprocess.Popen(waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PATH": os.environ["PATH"], **marked})
    try:
        assert service.stdout.readline() == b"\n"
        assert _services.SystemdManager(paths).outdated([service.pid]) is outdated
    finally:
        service.communicate(b"\n", timeout=30)
    assert _services.SystemdManager(paths).outdated([service.pid]) is False, "it has ended"


def test_a_systemd_that_does_not_answer_is_told_in_words(tmp_path, monkeypatch):
    systemctl = tmp_path / "systemctl"
    systemctl.write_text("#!/bin/sh\nexec sleep 60\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(_services, "_COMMAND_S", 0.2)
    with pytest.raises(StoreError, match=r"systemctl is-active .* did not end within 0\.2 s\. Look at"):
        _services.SystemdManager(Paths("/")).running()
