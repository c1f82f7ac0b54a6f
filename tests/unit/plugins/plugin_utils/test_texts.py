"""Files of the controller whose contents go to a node: when they are read, and when not."""

from __future__ import annotations

import pytest

from plugins.plugin_utils import _texts

ARGUMENTS = {"load_balancer": "edge", "name": "shop", "certificate_file": "shop.pem", "private_key_file": "shop.key"}


def test_the_contents_of_files_take_the_place_of_their_names():
    found = _texts.with_files("certificate", ARGUMENTS, {"shop.pem": "chain", "shop.key": "key"}.__getitem__)
    assert found == {"load_balancer": "edge", "name": "shop", "certificate": "chain", "private_key": "key"}


@pytest.mark.parametrize("module", ["certificate", "config"])
def test_for_what_is_to_be_removed_no_file_is_read(module):
    given = {**ARGUMENTS, "state": "absent"} if module == "certificate" else {"state": "absent", "certificates": [ARGUMENTS]}
    found = _texts.with_files(module, given, lambda path: pytest.fail(f"{path} is read"))
    found = found if module == "certificate" else found["certificates"][0]
    assert {name: value for name, value in found.items() if name != "state"} == {"load_balancer": "edge", "name": "shop"}
