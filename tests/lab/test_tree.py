"""A file system that is not finished leaves nothing: neither what was to make it, nor what is mounted in it, nor its files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.lab import tree
from tests.lab.tree import LabError, cache, ensure_tree
from tests.support.node import alive
from tests.support.waiting import until

# As debootstrap is half-way: something is mounted in the tree, and a child works.
DEBOOTSTRAP = """\
#!/bin/sh
for fresh in "$@"; do case "$fresh" in *.new) break ;; esac; done
mkdir -p "$fresh/proc/sys" "$fresh/usr"
mount -t tmpfs tmpfs "$fresh/proc"
mount --bind {outside} "$fresh/usr"
tail -f /dev/null &
echo $! >{child}
{end}
"""


@pytest.fixture
def half_way(tmp_path, monkeypatch):
    """Makes debootstrap end as told; ``outside`` is a folder of the machine that it has mounted in the tree."""
    programs, outside = tmp_path / "bin", tmp_path / "outside"
    for folder in (programs, outside):
        folder.mkdir()
    (outside / "kept").touch()
    monkeypatch.setenv("TANDEM_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(tree, "_BUILD_S", 5)

    def make(end):
        program = programs / "debootstrap"
        program.write_text(DEBOOTSTRAP.format(outside=outside, child=tmp_path / "child", end=end))
        program.chmod(0o755)
        return outside

    return make


@pytest.mark.parametrize(("end", "reason"), [("wait", "has not ended within 5 s"), ("kill $!; exit 1", "exit status 1")], ids=["hangs", "fails"])
def test_a_tree_that_is_not_finished_is_removed_and_nothing_beside_it(half_way, tmp_path, end, reason):
    outside = half_way(end)
    with pytest.raises(LabError, match=reason):
        ensure_tree(lambda _text: None)
    until(lambda: not alive(int((tmp_path / "child").read_text())))
    assert (outside / "kept").exists()
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert [path.suffix for path in cache().iterdir() if path.suffix == ".new"] == []
