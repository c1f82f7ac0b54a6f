"""The accelerator of a node as its modules deploy it. Those of these tests cannot be loaded; real ones are in tests/unit/accelerated."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from plugins.module_utils._accelerator import VERDICT, sources_digest, tag
from plugins.module_utils._model import ModelError
from plugins.plugin_utils._accelerators import Accelerators
from plugins.plugin_utils._bundle import RUNTIME
from tests.support.collection import packed_bundle

SOURCES = sources_digest(RUNTIME)
OTHER = "cp399-x86_64-gnu"


def offering(*tags, path=None):
    """The bundle as the action plugin hands it over, with accelerators for these tags."""
    offered = {"sources": SOURCES, "tags": list(tags), **({"path": str(path)} if path else {})}
    return {**packed_bundle(), "acceleration": offered}


@pytest.fixture
def sent(tmp_path):
    """An accelerator's file on the node, with nothing in it that can be loaded."""
    path = tmp_path / "tandem-accelerator.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("tandem.http.head.so")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"none"))
    return path


def folder(host):
    return host.prefix / f"opt/tandem/accelerators/{SOURCES}-{tag()}"


def recorded(host):
    return json.loads((host.prefix / "etc/tandem/node.json").read_text())["acceleration"]


def test_a_node_asks_for_the_accelerator_that_fits_its_python_and_for_no_other(host):
    asked = host.run("runtime", bundle=offering(tag(), OTHER)).result
    assert (asked["changed"], asked["needs_accelerator"]) == (False, tag())
    done = host.run("runtime", bundle=offering(OTHER)).result
    assert done["changed"] is True
    assert "accelerator installed" not in done["done"]


def test_what_does_not_pass_its_check_is_said_and_not_used_and_not_sent_again(host, sent):
    planned = host.run("runtime", check=True, bundle=offering(tag())).result
    assert "accelerator installed" in planned["done"]
    assert not folder(host).exists(), "check mode changes nothing"
    done = host.run("runtime", bundle=offering(tag(), path=sent)).result
    assert done["done"] == planned["done"]
    assert "its check failed: it has no tandem." in json.dumps(done["warnings"])
    assert json.loads((folder(host) / VERDICT).read_text())["passed"] is False
    again = host.run("runtime", bundle=offering(tag())).result
    assert (again["changed"], again.get("needs_accelerator")) == (False, None)
    told = host.run("load_balancer_info").result["services"]
    assert told["proxy"]["acceleration"].startswith("none: its check failed")
    assert "acceleration" not in told["keepalive"]


def test_one_that_was_changed_on_the_node_is_asked_for_again(host, sent):
    host.run("runtime", bundle=offering(tag(), path=sent))
    (folder(host) / "tandem.http.head.so").write_bytes(b"else")
    assert host.run("runtime", bundle=offering(tag())).result["needs_accelerator"] == tag()


@pytest.mark.parametrize("check", [True, False])
def test_required_without_one_that_fits_is_refused_with_the_way_out_and_changes_nothing(host, check):
    before = host.tree()
    refused = host.run("runtime", check=check, acceleration="required", bundle=offering(OTHER)).result
    assert refused["failed"] is True
    assert f"this node takes one for {tag()}, and the controller has for this release: {OTHER}" in refused["msg"]
    assert "make accelerators" in refused["msg"]
    assert "acceleration: auto" in refused["msg"]
    assert not (host.prefix / "opt").exists()
    assert not (host.prefix / "etc/tandem/node.json").exists()
    assert check is False or host.tree() == before


def test_required_with_one_that_fails_its_check_is_refused_and_the_node_is_as_before(host, sent):
    host.run("runtime")
    refused = host.run("runtime", acceleration="required", bundle=offering(tag(), path=sent)).result
    assert refused["failed"] is True
    assert "cannot be used on this node: its check failed: it has no tandem." in refused["msg"]
    assert recorded(host) == "auto"


def test_the_setting_is_kept_until_another_one_is_stated(host):
    assert host.run("runtime").result["changed"] is True
    assert recorded(host) == "auto"
    planned = host.run("runtime", check=True, acceleration="none").result
    assert (planned["changed"], planned["done"]) == (True, ["acceleration set"])
    assert host.run("runtime", acceleration="none").result["done"] == ["acceleration set"]
    assert recorded(host) == "none"
    for options in ({}, {"acceleration": "none"}, {"bundle": offering(tag())}):
        assert host.run("runtime", **options).result["changed"] is False
    assert recorded(host) == "none"


def test_accelerators_of_releases_that_are_gone_go_with_them(host, sent):
    host.run("runtime", bundle=offering(tag(), path=sent))
    gone = folder(host).with_name(f"{'0' * 16}-{tag()}")
    gone.mkdir()
    host.run("runtime", acceleration="none")
    assert not gone.exists()
    assert folder(host).exists()


def test_the_controller_offers_what_was_made_of_its_own_sources(tmp_path):
    for name in (f"tandem-{SOURCES}-{OTHER}.tar.gz", f"tandem-{'0' * 16}-{tag()}.tar.gz", "README"):
        (tmp_path / name).write_bytes(b"packed")
    here = Accelerators(str(tmp_path))
    assert here.offered() == {"sources": SOURCES, "tags": [OTHER]}
    assert here.read(OTHER) == b"packed"


def test_a_release_of_other_sources_keeps_its_accelerator_and_one_that_had_none_is_no_trouble(host, sent):
    host.run("runtime", bundle=offering(tag(), path=sent))
    releases = host.prefix / "opt/tandem/releases"
    before = releases / ("b" * 64)
    (before / "tandem").mkdir(parents=True)  # of a time when other files counted
    (before / "accelerated-by").write_text("c" * 16 + "\n")
    (releases.parent / "previous").symlink_to(f"releases/{before.name}")
    former = folder(host).with_name(f"{'c' * 16}-{tag()}")
    former.mkdir()
    assert host.run("runtime", acceleration="none").result["changed"] is True
    assert former.exists()
    assert folder(host).exists()
    (before / "accelerated-by").unlink()
    assert host.run("runtime", acceleration="auto", bundle=offering(tag())).result["changed"] is True
    assert not former.exists()


def test_a_file_that_cannot_be_read_any_more_is_told_of(tmp_path):
    (tmp_path / f"tandem-{SOURCES}-{OTHER}.tar.gz").symlink_to(tmp_path / "gone")
    with pytest.raises(ModelError, match="the controller cannot read it: No such file"):
        Accelerators(str(tmp_path)).read(OTHER)
