"""The proxy as a real process, as most tests of its supervisor want it."""

from __future__ import annotations

import pytest

from tests.support.node import backend, free_port, frontend


@pytest.fixture
def serving(node, shops):
    """A proxy with one shop behind one frontend: (node, port, shop)."""
    shop, port = shops(), free_port()
    node.start_proxy()
    node.load(backend(shop), frontend(port))
    return node, port, shop
