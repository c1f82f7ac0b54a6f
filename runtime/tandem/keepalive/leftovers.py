"""What a planned move may have left behind of a service that was killed: rules, which do not end by themselves, and addresses, which soon would."""

from __future__ import annotations

from .._model import Document
from .._paths import Paths
from ..log import say
from . import kept, move_rules
from .addresses import Kernel, look
from .nft import NOT_INSTALLED, Nft


async def clear_leftovers(paths: Paths, document: Document, kernel: Kernel, nft: Nft) -> None:
    """Of all load balancers of the document. To be called before an election begins: for an address that is kept, nobody is answered."""
    tables = [move_rules.table_of(paths.prefix, name) for name in document.load_balancers]
    if not any(one.attach == "interface" for one in document.floating_ips.values()):
        return
    seen = look(kernel)
    link = kept.loopback(seen.links.values())
    ours = {kept.alone(one.ip) for one in document.floating_ips.values() if one.attach == "interface"}
    there = {held.cidr for same in seen.addresses.values() for held in same if held.link == link and held.valid_s is not None}
    if link is not None:
        kept.take_off(kernel, link, sorted(there & ours))
    for removing in (move_rules.all_answered, move_rules.nothing_passed_on):
        failure = await nft.apply("".join(removing(table) for table in tables))
        if failure and failure != NOT_INSTALLED:
            say("info", f"what a planned move may have left was not looked for: {failure}")
            return
