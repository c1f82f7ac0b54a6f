"""A worker uses the compiled modules where they fit and passed their check on this node; after any mismatch it runs the sources, and says why."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from plugins.module_utils._accelerator import VERDICT, hot_files, sources_digest, tag
from tests.support.accelerated import TOP, unpack
from tests.support.node import Node, Shop, backend, free_port, frontend, get

FITS = tag()


@pytest.fixture
def node(tmp_path):
    made = Node(tmp_path / "lb-a", "lb-a")
    yield made
    made.close()


@pytest.fixture
def folder(node):
    """An accelerator that lies where it should and has passed its check."""
    place = unpack(node.paths.accelerator(sources_digest(TOP / "runtime/tandem"), FITS))
    checked = node.run("acceleration", "--check")
    assert (checked.returncode, checked.stdout) == (0, f"{FITS}\n"), checked.stderr
    return place


def library(folder):
    (shared,) = folder.glob("*__mypyc.so")
    return shared


def said(node):
    return json.loads(node.run("version", "--json").stdout)["acceleration"]


def test_workers_run_what_is_compiled_and_serve_with_it(node, folder):
    shop, port = Shop("shop"), free_port()
    try:
        node.start_proxy()
        node.load(backend(shop), frontend(port))
        told = node.proxy.status()
        assert told["acceleration"] == FITS
        maps = [Path(f"/proc/{worker['pid']}/maps").read_text() for worker in told["workers"]]
        assert [str(library(folder)) in one for one in maps] == [True], "it is this library that the process has"
        assert get(port) == (200, "shop")
        assert f"acceleration {FITS}\n" in node.run("status").stdout
    finally:
        shop.close()


def missing_verdict(folder):
    (folder / VERDICT).unlink()


def damaged(folder):
    content = bytearray(library(folder).read_bytes())
    content[len(content) // 2] ^= 1
    library(folder).write_bytes(content)


def torn_verdict(folder):
    (folder / VERDICT).write_text("{")


def other_sources(folder):
    folder.rename(folder.with_name(f"{'0' * 16}-{FITS}"))


def other_tag(folder):
    folder.rename(folder.with_name(folder.name.replace("cp3", "cp9")))


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (missing_verdict, "it has not passed its check on this node"),
        (damaged, "its files are not those that passed its check"),
        (torn_verdict, "what its check has found cannot be read"),
        (other_sources, "none lies here for this release and Python"),
        (other_tag, "none lies here for this release and Python"),
    ],
)
def test_after_any_mismatch_the_sources_are_run_and_it_is_said_why(node, folder, harm, why):
    assert said(node) == FITS
    harm(folder)
    assert said(node).startswith(f"none: {why}")


def test_one_that_does_not_load_fails_its_check_and_may_crash_without_harm(node, folder):
    library(folder).write_bytes(b"no library")
    checked = node.run("acceleration", "--check")
    assert checked.returncode == 1
    assert checked.stdout.startswith("none: its check failed: it cannot be loaded (ImportError: ")
    assert said(node) == checked.stdout.strip(), "and that is remembered"


def test_one_without_a_module_fails_its_check(node, folder):
    (folder / "tandem.http.head.so").unlink()
    assert node.run("acceleration", "--check").stdout == "none: its check failed: it has no tandem.http.head\n"


def test_the_environment_and_the_node_turn_it_off(node, folder, monkeypatch):
    node.paths.node.write_text('{"node": "lb-a", "acceleration": "none"}')
    assert said(node) == "none: the node's setting is none"
    node.paths.node.unlink()
    assert said(node) == FITS
    monkeypatch.setenv("TANDEM_ACCELERATION", "none")
    assert said(node) == "none: TANDEM_ACCELERATION is none"


def test_a_worker_that_must_have_one_and_cannot_says_so_and_does_not_start(node, folder, monkeypatch):
    shutil.rmtree(folder)
    monkeypatch.setenv("TANDEM_ACCELERATION", "required")
    run = node.run("proxy-worker", "3")
    assert run.returncode == 1
    assert "acceleration is required on this node, but none lies here" in run.stderr
    assert "make accelerators" in run.stderr


def test_the_tests_themselves_run_on_the_compiled_modules():
    assert os.environ["TANDEM_ACCELERATED"] == "1"
    names = [f"tandem.{name[:-3].replace('/', '.')}" for name, _path in hot_files(TOP / "runtime/tandem")]
    assert [name for name in names if not str(sys.modules[name].__file__).endswith(".so")] == []
