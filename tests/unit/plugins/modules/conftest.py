"""Nodes for the module tests: the collection as Ansible finds it, and a bare host below a temporary prefix."""

from __future__ import annotations

import dataclasses

import pytest

from plugins.module_utils._change import all_stated
from plugins.module_utils._model import Document
from plugins.module_utils._paths import Paths
from plugins.module_utils._store import Store
from tests.support.collection import Host, link_collection


@pytest.fixture(scope="session")
def collections(tmp_path_factory):
    return link_collection(tmp_path_factory.mktemp("collections"))


@pytest.fixture
def host(collections, tmp_path):
    prefix = tmp_path / "host"
    prefix.mkdir()
    made = Host(collections, prefix)
    yield made
    made.stop()


@pytest.fixture
def seed():
    """Puts objects (as the config module takes them) on a host without a module, as if it had been stated before."""

    def put(host, objects):
        secrets = {}
        document = all_stated(Document(), objects, secrets, "merged")
        store = Store(Paths(str(host.prefix)))
        for mark, value in secrets.items():
            store.write_secret(mark, value)
        store.write(dataclasses.replace(document, generation=1))

    return put
