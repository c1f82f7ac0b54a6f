"""The lab leaves nothing behind, whatever happened to it meanwhile: a power cut, an `up` that was killed half-way, a machine that was rebooted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.layout import HOSTS, TOP
from tests.lab.machines import Lab
from tests.lab.tree import LabError, cache
from tests.support.ssh import Hosts
from tests.support.waiting import until


def traces(state, number):
    """What there is of this lab on the machine: links, mounts in any process' view, processes, control groups, files."""
    found = [link for link in os.listdir("/sys/class/net") if link == f"tandem-lab{number}" or link.startswith(f"vb-tl{number}-")]
    for process in [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]:
        for view in ("mountinfo", "cmdline", "cgroup"):
            try:
                text = Path("/proc", process, view).read_text(errors="replace")
            except OSError:
                continue
            if str(state) in text or f"/tandem-lab{number}/" in text:
                found.append(f"{view} of process {process}: {text[:200]}")
    # Groups of others come and go meanwhile, which os.walk does not mind.
    found += [folder for folder, _folders, _files in os.walk("/sys/fs/cgroup") if folder.endswith(f"/tandem-lab{number}")]
    found += [str(path) for path in Path("/run/systemd").glob(f"**/*tl{number}-*")]
    return found + [str(path) for path in state.parent.iterdir()]


def nothing_left(state, number):
    """What was killed is a zombie until the machine's first process has looked at it; all else is gone when ``down`` returns."""
    living = [trace for trace in traces(state, number) if "(deleted)" not in trace]
    assert living == []
    until(lambda: not traces(state, number), 60, "the last process being waited for")


def around():
    """What the lab must leave as it was: folders where tools like to leave things, and the cache."""
    return {str(folder): sorted(os.listdir(folder)) for folder in map(Path, ("/run/systemd/nspawn", "/var/lib/machines", cache())) if folder.is_dir()}


@pytest.fixture
def hosts_lab(tmp_path):
    made = Lab(tmp_path / "state" / "lab")
    made.state.parent.mkdir()
    try:
        yield made
    finally:
        made.down()


def test_hosts_keep_their_disks_and_down_leaves_nothing(hosts_lab):
    lab = hosts_lab
    lab.up()
    lab.up()
    number = lab.layout.number
    before = around()
    with Hosts(lab.state / "ssh_config") as hosts:
        assert hosts.run("lb-a", "hostname; sudo -n id -u").stdout.split() == ["lb-a", "0"]
        seen = {host: hosts.run(host, "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub").stdout for host in HOSTS}
        assert len(set(seen.values())) == len(HOSTS)
        for name in ("app-1", "app-2"):
            address = lab.layout.address6(HOSTS["client"])
            told = hosts.run("client", f"python3 -c 'import urllib.request as u; print(u.urlopen(\"http://{name}:8080/health\").headers)'").stdout
            assert f"X-Served-By: {name}" in told
            assert hosts.run(name, f"ping -c 1 -W 2 {address}").status == 0
        hosts.run("lb-a", "echo kept >kept && sync")
        lab.power_off("lb-a")
        assert not lab.is_on("lb-a")
        assert not hosts.reachable("lb-a")
        lab.power_on("lb-a")
        hosts.forget("lb-a")
        assert hosts.run("lb-a", "cat kept").stdout == "kept\n"
    assert traces(lab.state, number)
    lab.down()
    lab.down()
    nothing_left(lab.state, number)
    assert around() == before
    with pytest.raises(LabError, match="make lab-up"):
        lab.power_on("lb-a")


def test_what_a_newcomer_runs_brings_hosts_up_tells_the_story_on_them_and_takes_them_down(hosts_lab, tmp_path):
    home, before = tmp_path / "home", around()
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "TANDEM_LAB_CACHE": str(cache())}

    def make(target):
        command = ["make", "--silent", target, f"LAB={hosts_lab.state}"]
        run = subprocess.run(command, cwd=TOP, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    assert f"ssh -F {hosts_lab.state}/ssh_config lb-a" in make("lab-up")
    number = hosts_lab.layout.number
    assert all(map(hosts_lab.is_on, HOSTS))
    assert "That was the main job, on real hosts" in make("lab-demo")
    assert "nothing of it is left" in make("lab-down")
    nothing_left(hosts_lab.state, number)
    assert around() == before
    assert list(home.iterdir()) == []


def test_an_up_that_was_killed_can_be_gone_on_with_or_taken_down(hosts_lab):
    lab = hosts_lab
    command = [sys.executable, "-m", "tests.lab", "up", "--state", str(lab.state)]
    for go_on in (False, True):
        process = subprocess.Popen(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        until((lab.state / "hosts/lb-b/pid").exists, 90, "the second host being switched on")
        process.send_signal(signal.SIGKILL)
        process.wait()
        number = lab.layout.number
        if go_on:
            lab.up()
            assert all(map(lab.is_on, HOSTS))
        lab.down()
        nothing_left(lab.state, number)


def test_a_lab_from_before_the_machine_was_rebooted_comes_up_with_its_disks(hosts_lab):
    lab = hosts_lab
    lab.up()
    with Hosts(lab.state / "ssh_config") as hosts:
        hosts.run("lb-b", "echo kept >kept && sync")
    # What a reboot of the machine leaves: the files, and process ids that mean nothing, or by now something else.
    number = lab.layout.number
    for host in HOSTS:
        lab.power_off(host)
        (lab.layout.folder(host) / "pid").write_text(f"{os.getpid()} 1\n")
    subprocess.run(["ip", "link", "del", lab.layout.bridge], check=True)
    lab.up()
    with Hosts(lab.state / "ssh_config") as hosts:
        assert hosts.run("lb-b", "cat kept").stdout == "kept\n"
    lab.down()
    nothing_left(lab.state, number)
