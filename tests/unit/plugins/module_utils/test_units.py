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
EXPOSURE_MAX = {"tandem-proxy": 2.0, "tandem-keepalive": 2.5, "tandem-forward": 2.0}

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
@pytest.mark.parametrize("service", _units.ACCOUNTS)
def test_the_services_are_exposed_no_more_than_is_promised(units, service, figure):
    told = analyze("security", "--offline=true", "--no-pager", units[service])
    exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", told.stdout + told.stderr).group(1))
    figure(f"systemd-analyze security: {service} {exposure}")
    assert exposure <= EXPOSURE_MAX[service]


@pytest.mark.parametrize(
    ("service", "capabilities"),
    [("tandem-proxy", "CAP_NET_BIND_SERVICE"), ("tandem-keepalive", "CAP_NET_RAW CAP_NET_ADMIN"), ("tandem-forward", "CAP_NET_ADMIN")],
)
def test_each_service_has_an_account_and_only_the_capabilities_it_needs(units, service, capabilities):
    text = units[service].read_text()
    assert f"\nUser={service}\n" in text
    assert f"\nCapabilityBoundingSet={capabilities}\n" in text
    assert f"\nAmbientCapabilities={capabilities}\n" in text
    assert f"\nu {service} " in _units.files(Paths("/"))[_units.SYSUSERS]


@pytest.mark.parametrize("service", _units.ACCOUNTS)
def test_no_core_of_a_service_holds_its_memory_neither_in_a_file_nor_where_a_program_takes_it(units, service):
    text = units[service].read_text()
    assert "\nLimitCORE=0\n" in text
    assert "\nCoredumpFilter=0\n" in text


def test_the_forward_service_is_started_by_the_file_that_the_proxy_makes_and_by_nothing_else():
    path = _units.files(Paths("/"))[_units.UNITS / "tandem-forward.path"]
    assert "\nPathExists=/run/tandem/forward.wanted\n" in path
    assert "[Install]" not in _units.files(Paths("/"))[_units.UNITS / "tandem-forward.service"]
    assert _units.ENABLED == ("tandem-proxy", "tandem-keepalive", "tandem-forward.path")


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


def test_units_are_readable_whatever_the_umask_and_written_again_where_they_are_not(tmp_path, monkeypatch):
    for command in ("systemd-sysusers", "systemd-tmpfiles", "systemctl"):
        (tmp_path / command).write_text("#!/bin/sh\n")
        (tmp_path / command).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(_services.SystemdManager, "_missing_accounts", staticmethod(list))
    manager = _services.SystemdManager(Paths(str(tmp_path / "node")))
    unit = tmp_path / "system/tandem-proxy.service"
    manager._files = {unit: "[Unit]\n"}
    before = os.umask(0o077)
    try:
        manager.prepare()
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o7777 for path in (unit, unit.parent, tmp_path / "node/etc/tandem")] == [0o644, 0o755, 0o755]
    assert manager.prepared()
    unit.chmod(0o600)
    assert not manager.prepared()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("systemd-tmpfiles") is None, reason="needs root, and systemd-tmpfiles")
def test_each_folder_of_secrets_and_what_is_in_it_belongs_to_the_account_that_reads_it(tmp_path):
    numbers = {"tandem-proxy": 991, "tandem-keepalive": 992}
    etc = tmp_path / "etc/tandem"
    for name in ("secrets", "keys"):
        (etc / name).mkdir(parents=True)
        (etc / name / "some").write_text("a secret")
    (tmp_path / "etc/passwd").write_text("".join(f"{name}:x:{number}:990::/:/bin/false\n" for name, number in numbers.items()))
    (tmp_path / "etc/group").write_text("root:x:0:\ntandem:x:990:\n")
    rules = tmp_path / "tandem.conf"
    rules.write_text(_units.files(Paths("/"))[_units.TMPFILES])
    subprocess.run(["systemd-tmpfiles", f"--root={tmp_path}", "--create", rules], check=True, capture_output=True, timeout=60)
    for name, account in (("secrets", "tandem-keepalive"), ("keys", "tandem-proxy")):
        for path, mode in ((etc / name, 0o700), (etc / name / "some", 0o600)):
            found = path.stat()
            assert (found.st_uid, found.st_mode & 0o777) == (numbers[account], mode), path


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files away")
def test_what_stays_when_the_accounts_go_belongs_to_root_again(tmp_path):
    paths = Paths(str(tmp_path))
    kept = [paths.secrets / "some", paths.keys / "some"]
    for path in kept:
        path.parent.mkdir(parents=True)
        path.write_text("a secret")
    everything = [paths.etc, *(path.parent for path in kept), *kept]
    for path in everything:
        os.chown(path, 991, 991)
    _services._give_back(paths)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in everything} == {(0, 0)}
    for path in (kept[0], kept[0].parent):
        path.unlink() if path.is_file() else path.rmdir()
    _services._give_back(paths)
