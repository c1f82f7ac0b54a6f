"""The store: whole documents or none, a short history, one writer at a time, secrets apart."""

from __future__ import annotations

import dataclasses
import errno
import os
import resource
import stat
import subprocess
import sys

import pytest

from tandem import _model as model
from tandem._paths import Paths
from tandem._store import Store, StoreError
from tests.support.disk import fill, small_disk


def generation(number, name="vip"):
    thing = model.from_options(model.FloatingIP, {"name": name, "address": "192.0.2.100/24"})
    return dataclasses.replace(model.Document().with_object(thing), generation=number)


@pytest.fixture
def store(tmp_path):
    return Store(Paths(str(tmp_path)))


def test_no_document_reads_as_an_empty_one(store):
    assert store.read() == model.Document()


def test_what_is_written_is_read_and_only_the_last_five_former_ones_are_kept(store):
    for number in range(1, 9):
        store.write(generation(number))
        store.prune_history()
    assert store.read() == generation(8)
    assert sorted(path.name for path in store.paths.history.iterdir()) == [f"desired-{n}.json" for n in range(3, 8)]
    assert store.paths.desired.stat().st_mode & 0o777 == 0o640


def test_what_people_put_beside_former_documents_stays_and_is_no_trouble(store):
    store.paths.history.mkdir(parents=True)
    mine = store.paths.history / "desired-before.json"
    mine.write_text("{}")
    for number in range(1, 9):
        store.write(generation(number))
    store.prune_history()
    assert mine.exists()
    assert len(list(store.paths.history.iterdir())) == 6


@pytest.mark.parametrize("former", [0, 1])
def test_a_refused_document_leaves_no_trace(store, former):
    if former:
        store.write(generation(1))
    before = store.read()
    store.write(generation(former + 1, "other"))
    store.restore(before)
    assert store.read() == before
    assert store.paths.desired.exists() == bool(former)
    assert list(store.paths.history.glob("*")) == []


def test_a_document_that_is_not_json_is_told_with_its_path(store):
    store.write(generation(1))
    store.paths.desired.write_text("{")
    with pytest.raises(model.ModelError, match=r"desired\.json is \"broken\", for it is not JSON"):
        store.read()


def test_a_second_writer_waits_and_then_says_who_holds_the_lock(store):
    # flock belongs to the open file, so a second open in this process competes as another process would.
    second = Store(store.paths)
    with (
        store.lock(0),
        pytest.raises(StoreError, match=rf"process {os.getpid()}\), and was not released within 0.1 s"),
        second.lock(0.1),
    ):
        pytest.fail("the lock was given twice")
    with second.lock(0):
        assert store.paths.lock.exists()


def test_a_write_that_does_not_fit_leaves_the_former_document_and_no_rest(store):
    store.write(generation(1))
    script = (
        "import resource, signal, sys; sys.path[:0] = sys.argv[1:2]\n"
        "from tests.unit.plugins.module_utils.test_store import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
        "try:\n    Store(Paths(sys.argv[2])).write(generation(2))\n"
        "except StoreError as error:\n    print(error); sys.exit(7)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", script, os.getcwd(), store.paths.prefix],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 7, run.stderr
    assert "cannot write it: File too large. The file size limit of the process is too low. What was in force stays in force." in run.stdout
    assert store.read() == generation(1)
    assert [path.name for path in store.paths.etc.iterdir() if path.name.startswith(".")] == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 64


@pytest.mark.parametrize("former", [0, 1])
def test_a_document_that_is_not_safe_on_the_disk_is_not_left_in_force(store, monkeypatch, former):
    if former:
        store.write(generation(1))
    before = store.read()
    sync = os.fsync

    def failing(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode) and os.path.samestat(os.fstat(handle), os.stat(store.paths.etc)):
            raise OSError(errno.EIO, "the disk fails")
        sync(handle)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StoreError, match=r"desired\.json: cannot write it: Input/output error.* What was in force stays in force\."):
        store.write(generation(former + 1, "other"))
    assert store.read() == before
    assert [path.name for path in store.paths.etc.rglob("*") if path.is_file()] == ["desired.json"][:former]


def test_a_former_document_that_cannot_be_put_back_is_told_with_its_place(store):
    store.write(generation(1))
    store.write(generation(2))
    (store.paths.history / "desired-1.json").unlink()
    with pytest.raises(StoreError, match=r"cannot put the former document back \(it lies in .*desired-1\.json\): No such file"):
        store.restore(generation(1))


def test_a_full_disk_has_room_for_the_lock_and_keeps_the_former_document_and_secrets(tmp_path):
    no_room = "cannot write it: No space left on device. Free some space on that file system, then run again. What was in force stays in force."
    with small_disk(tmp_path / "disk") as disk:
        store = Store(Paths(str(disk)))
        store.write_secret("abc", "hidden")
        store.write(generation(1))
        fill(disk)
        with store.lock(0):
            with pytest.raises(StoreError) as refusal:
                store.write_secret("def", "hidden too")
            assert str(refusal.value) == f"{store.paths.secrets / 'def'}: {no_room}"
            with pytest.raises(StoreError) as refusal:
                store.write(generation(2, "other"))
            assert str(refusal.value) == f"{store.paths.history / 'desired-1.json'}: {no_room}"
        assert store.read() == generation(1)
        assert store.secrets() == {"abc"}
        assert list(store.paths.etc.rglob(".*")) == list(store.paths.history.glob("*")) == []


@pytest.mark.parametrize("inodes", [1, 3])
def test_a_disk_without_room_for_a_single_file_more_is_told_with_the_path(tmp_path, inodes):
    with small_disk(tmp_path / "disk", f"size=64k,nr_inodes={inodes}") as disk:
        store = Store(Paths(str(disk)))
        with pytest.raises(StoreError, match=r"etc/tandem/lock: cannot open it: No space left on device\. Free some space"), store.lock(0):
            pytest.fail("there is no lock")
        with pytest.raises(StoreError, match=r"etc/tandem/\S+: cannot write it: No space left on device\. Free some space"):
            store.write_secret("abc", "hidden")


def test_what_the_new_document_replaced_is_put_back_on_a_full_disk_too(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        store = Store(Paths(str(disk)))
        store.write(generation(1))
        store.write(generation(2, "other"))
        fill(disk)
        store.restore(generation(1))
        assert store.read() == generation(1)


def test_secrets_lie_apart_and_for_their_owner_alone(store):
    store.write_secret("abc", "hidden")
    assert store.secrets() == {"abc"}
    assert store.read_secret("abc") == "hidden"
    assert (store.paths.secrets / "abc").stat().st_mode & 0o777 == 0o600
    assert store.paths.secrets.stat().st_mode & 0o777 == 0o700
    store.remove_secret("abc")
    assert store.secrets() == set()
    with pytest.raises(StoreError, match="State the objects again"):
        store.read_secret("abc")
