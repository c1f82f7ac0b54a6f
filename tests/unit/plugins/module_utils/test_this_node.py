"""What is particular to a node, read by modules and runtime alike."""

from __future__ import annotations

import pytest

from plugins.module_utils._paths import Paths
from plugins.module_utils._this_node import node_name, this_node


@pytest.fixture
def paths(tmp_path):
    made = Paths(str(tmp_path))
    made.etc.mkdir(parents=True)
    return made


def test_a_node_has_the_name_that_it_was_given(paths):
    paths.node.write_text('{"node": "lb-a", "service_manager": "process"}')
    assert node_name(paths) == "lb-a"
    assert this_node(paths)["service_manager"] == "process"


@pytest.mark.parametrize("content", [None, "", "{", "[1]", '"lb-a"', "[" * 100_000, b"\xff"])
def test_a_file_that_is_missing_or_broken_names_nobody(paths, content):
    if content is not None:
        paths.node.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert (this_node(paths), node_name(paths)) == ({}, "")
