"""The number of workers of a node's proxy: stated once, kept until another one is stated, and in force when the proxy is started."""

from __future__ import annotations

import json
import os

import pytest

from plugins.module_utils._this_node import stated_workers
from tandem.proxy.service.supervisor import worker_count


def recorded(host):
    return json.loads((host.prefix / "etc/tandem/node.json").read_text()).get("workers", 0)


def test_the_number_is_kept_until_another_one_is_stated(host):
    host.run("runtime")
    assert recorded(host) == 0
    planned = host.run("runtime", check=True, workers=2).result
    assert (planned["changed"], planned["done"]) == (True, ["workers set"])
    assert recorded(host) == 0
    assert host.run("runtime", workers=2).result["done"] == ["workers set"]
    for options in ({}, {"workers": 2}):
        assert host.run("runtime", **options).result["changed"] is False
    assert recorded(host) == 2
    assert host.run("runtime", workers=0).result["done"] == ["workers set"]
    assert host.run("runtime").result["changed"] is False
    assert recorded(host) == 0


@pytest.mark.parametrize("given", [-1, 257])
def test_a_number_that_makes_no_sense_is_refused(host, given):
    refused = host.run("runtime", workers=given).result
    assert refused["failed"] is True
    assert f"workers is {given}, which is outside 0 to 256" in refused["msg"]
    assert not (host.prefix / "etc/tandem/node.json").exists()


def test_what_is_stated_counts_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delenv("TANDEM_WORKERS", raising=False)
    assert worker_count(0) == len(os.sched_getaffinity(0))
    assert worker_count(7) == 7
    monkeypatch.setenv("TANDEM_WORKERS", "3")
    assert worker_count(7) == 3


@pytest.mark.parametrize("content", [{}, {"workers": 0}, {"workers": -3}, {"workers": "many"}, {"workers": True}, {"workers": None}])
def test_a_node_file_without_a_number_means_one_for_each_core(content):
    assert stated_workers(content) == 0
