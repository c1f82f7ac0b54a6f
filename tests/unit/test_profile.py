"""That the profile of the data path still measures exchanges, and not how they fail."""

from __future__ import annotations

import pytest

from tests.bench.profile import KINDS, Load, header_rules, many_rules


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, many_rules(), header_rules(20)], ids=["nothing", "many rules", "header rules"])
def test_what_is_measured_are_exchanges_that_succeed(kind, options):
    load = Load(kind, options)
    for _turn in range(3):
        load.turn()
        load.check()
