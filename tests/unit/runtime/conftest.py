"""Nodes and shops for the tests of the runtime's services, ended with each test."""

from __future__ import annotations

import pytest

from tests.support.node import Node, Shop


@pytest.fixture
def nodes(tmp_path):
    """Makes nodes: ``nodes("lb-a")``."""
    made = []

    def make(name="lb-a"):
        made.append(Node(tmp_path / name, name))
        return made[-1]

    yield make
    for node in made:
        node.close()
        assert "Traceback" not in (node.log.read_text() if node.log.exists() else ""), node.log.read_text()


@pytest.fixture
def node(nodes):
    return nodes()


@pytest.fixture
def shops():
    """Makes shops: ``shops("one")``."""
    made = []

    def make(name="shop"):
        made.append(Shop(name))
        return made[-1]

    yield make
    for shop in made:
        shop.close()
