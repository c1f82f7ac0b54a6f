"""What make accelerators writes: one file of libraries, the same bytes each time, named by its sources and what it was built for."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

from plugins.module_utils._accelerator import hot_files, sources_digest, tag
from tests.support.accelerated import BUILT, TOP, packed
from tools.accelerators import compilers
from tools.accelerators.__main__ import _write

PACKAGE = TOP / "runtime/tandem"


def tool(*arguments):
    return subprocess.run([sys.executable, "-m", "tools.accelerators", *arguments], cwd=TOP, capture_output=True, text=True, timeout=60, check=False)


def test_the_file_is_named_by_its_sources_and_its_tag_and_holds_a_library_for_each_hot_module():
    assert packed() == BUILT / f"tandem-{sources_digest(PACKAGE)}-{tag()}.tar.gz"
    with tarfile.open(packed()) as archive:
        names, entries = archive.getnames(), archive.getmembers()
    modules = {f"tandem.{name[:-3].replace('/', '.')}.so" for name, _path in hot_files(PACKAGE)}
    assert set(names) == {*modules, f"tandem_{sources_digest(PACKAGE)}__mypyc.so"}
    assert names == sorted(names)
    assert {(entry.mtime, entry.uid, entry.mode) for entry in entries} == {(0, 0, 0o644)}


def test_what_is_built_already_is_left_as_it_is():
    before = packed().stat()
    run = tool("--compiler", "system", "--python", sys.executable, "--output", str(BUILT))
    assert (run.returncode, run.stdout) == (0, f"{packed()}\n")
    assert packed().stat() == before


def test_the_same_libraries_are_packed_as_the_same_bytes(tmp_path):
    libraries = {"b.so": b"two", "a.so": b"one"}
    for name, given in (("first", libraries), ("second", dict(reversed(libraries.items())))):
        _write(given, tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_what_cannot_be_built_is_refused_in_a_sentence(tmp_path):
    other = next(machine for machine in compilers.ARCHITECTURES if machine not in tag())
    for arguments, said in (
        (["--compiler", "system", "--architecture", other], "builds for this machine"),
        (["--python", str(tmp_path / "none")], "it is no CPython from 3.10 up"),
    ):
        run = tool(*arguments, "--output", str(tmp_path))
        assert (run.returncode, list(tmp_path.iterdir())) == (1, [])
        assert said in run.stderr
        assert "Traceback" not in run.stderr


def test_headers_for_another_architecture_hold_the_whole_pyconfig(tmp_path):
    python = compilers.described(sys.executable)
    place = compilers.headers_for(python, tmp_path)
    assert place.parent == tmp_path
    assert "SIZEOF_LONG 8" in Path(place / "pyconfig.h").read_text()
    assert (place / "Python.h").exists()
