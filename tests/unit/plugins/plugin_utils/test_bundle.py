"""The bundle: the same bytes for the same sources, whenever, wherever and by whom it is packed."""

from __future__ import annotations

import io
import os
import shutil
import tarfile

from plugins.plugin_utils._bundle import RUNTIME, digest, pack


def copied(folder):
    """The runtime as an installed collection has it: links followed, other times and modes, made in another order, with what Python leaves behind."""
    root = folder / "tandem"
    for path in sorted(RUNTIME.rglob("*"), reverse=True):
        if path.suffix == ".py":
            target = root / path.relative_to(RUNTIME)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(0o600)
            os.utime(target, (1, 1))
    (root / "__pycache__").mkdir(exist_ok=True)
    (root / "__pycache__" / "log.cpython-39.pyc").write_bytes(b"compiled")
    (root / "notes.txt").write_text("not a part of the program")
    return root


def test_equal_sources_give_equal_bytes_wherever_they_lie(tmp_path):
    assert pack() == pack()
    copy = copied(tmp_path)
    assert pack(copy) == pack()
    assert digest(copy) == digest()


def test_one_other_byte_or_name_is_another_release(tmp_path):
    copy = copied(tmp_path)
    known = {digest(copy)}
    (copy / "log.py").write_text((copy / "log.py").read_text() + "#")
    known.add(digest(copy))
    (copy / "log.py").rename(copy / "log2.py")
    known.add(digest(copy))
    assert len(known) == 3


def test_it_holds_python_files_and_nothing_about_who_packed_it(tmp_path):
    with tarfile.open(fileobj=io.BytesIO(pack(copied(tmp_path))), mode="r:gz") as archive:
        entries = archive.getmembers()
    assert {(entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime, entry.mode) for entry in entries} == {(0, 0, "", "", 0, 0o644)}
    assert all(entry.isreg() and entry.name.startswith("tandem/") and entry.name.endswith(".py") for entry in entries)
    names = [entry.name for entry in entries]
    assert len(names) == len(set(names))
    assert {"tandem/__main__.py", "tandem/_model/_document.py", "tandem/_store.py"} <= set(names)
