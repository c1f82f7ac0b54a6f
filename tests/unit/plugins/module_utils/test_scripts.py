"""The scripts of health checks, looked at on the node when they are stated."""

from __future__ import annotations

import json
import os
import pwd

import pytest

from plugins.module_utils._model import Backend, Document, HealthCheck
from plugins.module_utils._paths import Paths
from plugins.module_utils._scripts import foreseen

KEY = "edge/shop"


def told(paths, script, kind="script"):
    check = HealthCheck(type=kind, script=script)
    return list(foreseen(paths, Document().with_object(Backend("edge", "shop", health_check=check)), [KEY]))


@pytest.mark.parametrize("manager", ["process", "systemd"])
def test_what_the_proxy_would_not_run_is_told_when_it_is_stated(tmp_path, manager):
    paths = Paths(tmp_path)
    paths.etc.mkdir(parents=True)
    paths.node.write_text(json.dumps({"node": "lb-a", "service_manager": manager}), encoding="utf-8")
    script = tmp_path / "check"
    missing = f'backend "{KEY}": on this node {script} cannot be run: No such file or directory. Until that is mended all its checks fail.'
    assert told(paths, str(script)) == [missing]
    script.write_text("#!/bin/sh\n", encoding="utf-8")
    script.chmod(0o777)
    assert "can be changed by others than root and the account that runs it" in told(paths, str(script))[0]
    assert told(paths, "/bin/sh") == []
    assert told(paths, "", kind="tcp") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file to somebody else")
def test_under_systemd_it_is_the_account_of_the_proxy_that_must_be_able_to_run_it(tmp_path, monkeypatch):
    paths = Paths(tmp_path)
    paths.etc.mkdir(parents=True)
    paths.node.write_text('{"service_manager": "systemd"}', encoding="utf-8")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() != "root" or (folder.stat().st_mode & 0o022 and not folder.stat().st_mode & 0o1000):
            pytest.fail(f"{folder} is not root's alone")
    script = tmp_path / "check"
    script.write_text("#!/bin/sh\n", encoding="utf-8")
    script.chmod(0o700)
    os.chown(script, 12345, 12345)
    assert "can be changed by others" in told(paths, str(script))[0]
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: pwd.struct_passwd(("tandem-proxy", "x", 12345, 12345, "", "/", "/bin/false")))
    assert told(paths, str(script)) == []
