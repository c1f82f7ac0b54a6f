"""Releases on a node: unpacked beside, checked with the node's Python, switched to by one rename; what goes wrong leaves the former one in use."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from plugins.module_utils._paths import Paths
from plugins.module_utils._process import recorded
from plugins.plugin_utils._bundle import RUNTIME, digest, pack
from tests.support.collection import Host, packed_bundle
from tests.support.node import until

FULL_DISK = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))"
SERVICES = "from ansible_collections.tandem.lb.plugins.module_utils import _services; _services"
# capset(2) with empty sets: what root's file modes say counts for root as well
NO_PRIVILEGE = "import ctypes; ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())"


@pytest.fixture
def made(tmp_path):
    """``made(mark, broken)``: the bundle of other sources, as the controller of another release would hand it over."""

    def make(mark, program=None):
        root = tmp_path / f"sources-{mark}" / "tandem"
        for path in RUNTIME.rglob("*.py"):
            target = root / path.relative_to(RUNTIME)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
        (root / "mark.py").write_text(f'"""{mark}"""\n')
        if program is not None:
            (root / "cli" / "main.py").write_text(program)
        bundle = tmp_path / f"{mark}.tar.gz"
        bundle.write_bytes(pack(root))
        return {"digest": digest(root), "path": str(bundle)}

    return make


def links(host):
    opt = host.prefix / "opt/tandem"
    return {name: os.readlink(opt / name) if (opt / name).is_symlink() else "" for name in ("current", "previous")}


def status(host):
    command = [str(host.prefix / "opt/tandem/current/bin/tandem"), "--prefix", str(host.prefix), "status", "--json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout)


def releases(host):
    return sorted(path.name for path in (host.prefix / "opt/tandem/releases").iterdir())


def test_a_bare_host_asks_for_the_bundle_only_when_it_is_needed_and_has_it_once(host):
    asked = host.run("runtime", bundle={"digest": digest()})
    asked.result.pop("invocation", None)  # ansible-core before 2.21 repeats the arguments
    assert asked.result == {"changed": False, "needs_bundle": True}
    done = host.run("runtime").result
    assert (done["changed"], done["release"], done["previous"]) == (True, digest(), "")
    assert "release switched" in done["done"]
    folder = host.prefix / "opt/tandem/releases" / digest()
    assert (folder / "tandem/cli/__pycache__").is_dir(), "byte-compiled"
    assert links(host)["current"] == f"releases/{digest()}"
    again = host.run("runtime", bundle={"digest": digest()}).result
    assert (again["changed"], again["done"]) == (False, [])


def test_a_new_release_is_used_after_a_restart_and_the_former_one_is_kept_for_going_back(host, made):
    first, second, third = packed_bundle(), made("second"), made("third")
    host.run("runtime")
    switched = host.run("runtime", bundle=second).result
    assert (switched["release"], switched["previous"], switched["restart_needed"]) == (second["digest"], first["digest"], True)
    assert set(switched["running_release"].values()) == {first["digest"]}, "nothing was restarted"
    restarted = host.run("runtime", bundle=second, restart=True).result
    assert (restarted["changed"], restarted["restart_needed"]) == (True, False)
    assert set(restarted["running_release"].values()) == {second["digest"]}
    host.run("runtime", bundle=third, restart=True)
    assert releases(host) == sorted([second["digest"], third["digest"]]), "the oldest is gone"
    back = host.run("runtime", bundle={"digest": second["digest"]}, restart=True).result
    assert (back["release"], back["previous"]) == (second["digest"], third["digest"]), "going back needs no bundle"
    assert set(back["running_release"].values()) == {second["digest"]}


def at_once(host, *runs):
    """The results of runs of the module runtime that begin at the same time."""
    with ThreadPoolExecutor(len(runs)) as pool:
        started = [pool.submit(host.run, "runtime", **options) for options in runs]
        return [run.result().result for run in started]


def test_of_two_runs_at_the_same_time_one_deploys_and_the_other_finds_it_done(host):
    results = at_once(host, {}, {})
    assert [result.get("msg") for result in results] == [None, None]
    assert sorted(result["changed"] for result in results) == [False, True]
    assert [set(result["running_release"].values()) for result in results] == [{digest()}] * 2
    assert host.run("runtime").result["changed"] is False


def test_a_removal_and_a_deployment_at_the_same_time_leave_one_or_the_other_whole(host):
    host.run("runtime")
    results = at_once(host, {"state": "absent"}, {})
    assert [result.get("msg") for result in results] == [None, None]
    there = host.run("runtime", check=True).result
    assert there["done"] == [] or links(host) == {"current": "", "previous": ""}


def test_a_release_that_another_run_has_installed_meanwhile_is_left_as_it_is(host):
    installed = host.prefix / "opt/tandem/releases" / digest()
    # It comes in the moment between unpacking and renaming, when compiling is done.
    meanwhile = f"""
import compileall, shutil
def compile_dir(folder, **options):
    shutil.copytree(str(folder)[:-len("/tandem")], {str(installed)!r})
    open({str(installed / "mark")!r}, "w").close()
compileall.compile_dir = compile_dir
"""
    done = dataclasses.replace(host, before=meanwhile).run("runtime").result
    assert (done["changed"], done["release"]) == (True, digest())
    assert (installed / "mark").exists()
    assert releases(host) == [digest()]


def test_removing_what_is_not_there_leaves_no_trace_of_having_looked(host):
    assert host.run("runtime", state="absent").result["changed"] is False
    assert list(host.prefix.iterdir()) == []


def test_a_manager_that_was_killed_is_a_problem_of_the_node_and_is_started_again_by_the_next_run(host):
    host.run("runtime")
    pid_file = Paths(str(host.prefix)).manager_pid
    killed = recorded(pid_file)
    os.kill(killed, signal.SIGKILL)
    until(lambda: recorded(pid_file) is None)
    assert [problem.partition(",")[0] for problem in status(host)["problems"]] == ["the manager is not running"]
    assert host.run("runtime", check=True).result["done"] == ["services started"]
    again = host.run("runtime").result
    assert (again["changed"], again["done"]) == (True, ["services started"])
    assert recorded(pid_file) not in (None, killed)
    assert status(host)["problems"] == []
    assert host.run("runtime").result["changed"] is False


def test_services_that_were_started_in_another_way_are_restarted_as_those_of_another_release_are(host):
    host.run("runtime")
    outdated = dataclasses.replace(host, before=f"{SERVICES}.ProcessManager.outdated = lambda manager, pids: len(list(pids)) == 2")
    told = outdated.run("runtime").result
    assert (told["changed"], told["restart_needed"]) == (False, True)
    before = {service: status(host)[service]["pid"] for service in ("proxy", "keepalive")}
    assert outdated.run("runtime", restart=True).result["done"] == ["services restarted"]
    after = {service: status(host)[service]["pid"] for service in ("proxy", "keepalive")}
    assert set(before.values()) & set(after.values()) == set()


def test_a_program_that_hangs_when_it_is_checked_is_told_in_words(host, made):
    quick = dataclasses.replace(host, before=f"{SERVICES}._COMMAND_S = 1")
    answer = quick.run("runtime", bundle=made("hangs", "import time\ntime.sleep(60)\n"))
    assert answer.result.get("failed") is True
    assert "version did not end within 1 s" in answer.result["msg"]
    assert links(host)["current"] == ""


def old_pythons():
    """Real ones, where there are any, and one that only says so."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    real = [path for minor in (6, 7, 8) for path in sorted(pyenv.glob(f"versions/3.{minor}.*/bin/python3"))[:1]]
    saying = "import runpy, sys; sys.version_info = (3, 8, 18, 'final', 0); sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
    return {"one that says so": [sys.executable, "-c", saying], **{path.parts[-3]: [str(path), "-I"] for path in real}}


@pytest.fixture(scope="module")
def program(collections, tmp_path_factory):
    """The program as it is written on nodes."""
    host = Host(collections, tmp_path_factory.mktemp("nodes") / "host")
    host.prefix.mkdir()
    assert host.run("runtime").result["changed"]
    yield host.prefix / "opt/tandem/current/bin/tandem"
    host.stop()


@pytest.mark.parametrize("python", old_pythons())
def test_a_python_that_is_too_old_for_the_program_is_told_in_words(program, python):
    for words in (["version"], ["status", "--json"]):
        ran = subprocess.run([*old_pythons()[python], str(program), *words], capture_output=True, text=True, timeout=60, check=False)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert re.fullmatch(r"Python 3\.[678] is too old: Tandem needs 3\.9 or newer\. Run tandem\.lb\.runtime with such a one\.\n", ran.stderr)


def damaged(bundle, tmp_path):
    content = bytearray(gzip.decompress(Path(bundle["path"]).read_bytes()))
    where = content.index(b"import")
    content[where : where + 6] = b"improt"
    path = tmp_path / "damaged.tar.gz"
    path.write_bytes(gzip.compress(bytes(content)))
    return {**bundle, "path": str(path)}


def cut_short(bundle, tmp_path):
    path = tmp_path / "short.tar.gz"
    content = Path(bundle["path"]).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return {**bundle, "path": str(path)}


def leaving_its_folder(bundle, tmp_path):
    path = tmp_path / "leaving.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("../../outside.py")
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"#"))
    return {**bundle, "path": str(path)}


def test_what_cannot_be_used_is_refused_and_the_release_in_use_stays(host, made, tmp_path):
    host.run("runtime")
    before, stood = links(host), releases(host)
    fine = made("second")
    cases = [
        (damaged(fine, tmp_path), {}, ["damaged on its way", "Run the task again"]),
        (cut_short(fine, tmp_path), {}, ["short.tar.gz", "Run the task again"]),
        (leaving_its_folder(fine, tmp_path), {}, ['"../../outside.py"', "does not belong"]),
        (made("raises", 'raise SystemExit("cannot run here")\n'), {}, ["does not run with", "nothing was switched", "cannot run here"]),
        (fine, {"before": FULL_DISK}, ["opt/tandem/releases", "File too large"]),
    ]
    for bundle, limits, words in cases:
        answer = dataclasses.replace(host, **limits).run("runtime", bundle=bundle)
        assert answer.result.get("failed") is True, answer.output
        assert [word for word in words if word not in answer.result["msg"]] == [], answer.result["msg"]
        assert (links(host), releases(host)) == (before, stood), "nothing switched, nothing half-unpacked left"
    assert host.run("runtime", bundle={"digest": digest()}).result["changed"] is False
    assert status(host)["proxy"]["release"] == digest()


def test_a_prefix_that_may_not_be_written_is_told_with_the_way_out(host):
    host.prefix.chmod(0o555)
    nobody = dataclasses.replace(host, before=NO_PRIVILEGE)
    answer = nobody.run("runtime")
    host.prefix.chmod(0o755)
    assert answer.result.get("failed") is True
    assert [word for word in (str(host.prefix), "Permission denied", "become") if word not in answer.result["msg"]] == [], answer.result["msg"]


def test_a_release_made_for_another_python_is_made_anew(host):
    host.run("runtime")
    program = host.prefix / "opt/tandem/releases" / digest() / "bin/tandem"
    program.write_text(program.read_text().replace("#!", "#!/gone", 1))
    assert "release installed" in host.run("runtime").result["done"]
    assert host.run("runtime").result["changed"] is False


def test_removing_the_runtime_leaves_the_document_alone(host):
    host.run("floating_ip", name="vip", address="192.0.2.100/24")
    host.run("runtime")
    document = (host.prefix / "etc/tandem/desired.json").read_bytes()
    removed = host.run("runtime", state="absent").result
    assert (removed["changed"], removed["release"]) == (True, "")
    assert "services stopped" in removed["done"]
    left = sorted(str(path.relative_to(host.prefix)) for path in host.prefix.rglob("*") if path.is_file())
    assert left == ["etc/tandem/desired.json", "etc/tandem/lock"]
    assert (host.prefix / "etc/tandem/desired.json").read_bytes() == document
    assert host.run("runtime", state="absent").result["changed"] is False
