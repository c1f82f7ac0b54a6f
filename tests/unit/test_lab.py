"""What the lab does before there is a host: it installs what it lacks, and says so first."""

from __future__ import annotations

import pytest

from tests.lab import machines
from tests.lab.machines import LabError, ensure_packages
from tests.support.node import alive, until

ALL = ["debootstrap", "iproute2", "openssh-client", "systemd-container", "util-linux"]


def program(path, *lines):
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(0o755)


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine whose path has nothing; the folder that is its path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def apt(folder, *lines):
    """An apt-get that notes what it is asked for."""
    program(folder / "apt-get", f'echo "$@" >>{folder.parent}/asked', *lines)


def asked(folder):
    path = folder.parent / "asked"
    return path.read_text().splitlines() if path.exists() else []


def test_what_is_missing_is_said_and_then_installed_from_fresh_lists(bare):
    apt(bare)
    said = []

    def say(text):
        said.append((text, asked(bare)))

    ensure_packages(say)
    assert said == [(f"Installing what the lab needs from the distribution: {', '.join(ALL)}.", [])]
    assert asked(bare) == ["update -qq", f"install -y -qq --no-install-recommends {' '.join(ALL)}"]


def test_only_what_is_missing_is_installed_and_nothing_when_all_is_there(bare):
    apt(bare)
    for name in ("ssh", "ip", "unshare", "systemd-nspawn"):
        program(bare / name)
    ensure_packages(lambda _text: None)
    assert asked(bare)[-1].endswith("--no-install-recommends debootstrap")
    program(bare / "debootstrap")
    (bare.parent / "asked").unlink()
    ensure_packages(pytest.fail)
    assert asked(bare) == []


def test_what_some_tests_need_besides_is_installed_for_them_alone(bare):
    apt(bare)
    ensure_packages(lambda _text: None, {"chromium": "chromium", "certutil": "libnss3-tools"})
    assert asked(bare)[-1].endswith("--no-install-recommends chromium libnss3-tools")


def test_an_installation_that_fails_says_what_apt_said(bare):
    apt(bare, "echo no room >&2", "exit 100")
    with pytest.raises(LabError, match=r"apt-get update -qq failed:\nno room"):
        ensure_packages(lambda _text: None)


def test_a_machine_without_apt_is_told_what_it_lacks(bare):
    with pytest.raises(LabError, match=r"needs debootstrap, .* no apt-get"):
        ensure_packages(lambda _text: None)


def test_an_installation_that_hangs_is_ended_with_what_it_has_started(bare, monkeypatch):
    apt(bare, f"/usr/bin/tail -f /dev/null & echo $! >{bare.parent}/child", "wait")
    monkeypatch.setattr(machines, "_INSTALL_S", 0.5)
    with pytest.raises(LabError, match=r"apt-get update -qq: it has not ended within 0\.5 s"):
        ensure_packages(lambda _text: None)
    child = (bare.parent / "child").read_text().strip()
    until(lambda: not alive(int(child)))


@pytest.mark.parametrize("action", ["up", "down"])
def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, monkeypatch, action):
    monkeypatch.setattr(machines.Lab, "_require_root", lambda _lab: None)
    monkeypatch.setattr(machines, "ensure_packages", lambda _say: pytest.fail("it has begun"))
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(LabError, match="holds what is not a lab's"):
        getattr(machines.Lab(tmp_path), action)()
    assert (tmp_path / "precious").read_text() == "mine"
