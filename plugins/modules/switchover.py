#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moves a load balancer to a node on purpose. The work is in module_utils._switchover."""

from __future__ import annotations

DOCUMENTATION = r"""
module: switchover
short_description: Move a load balancer to a node on purpose
version_added: 0.1.0
author:
  - The Tandem authors (@tandem-lb)
description:
  - Makes one node of a load balancer the active one, before work on the other host for example, and waits until it is. Where it is already, nothing
    happens. Run it on both nodes in one task. The node that is active hands over; the others wait for the one that comes.
  - The other node takes the floating IPs over at once. Connections that stand go on through the node that has handed over, as the other one passes
    their packets on to it; they end with their answers, or when O(grace) is over. No request fails.
  - This needs nftables (C(nft)) on both hosts, floating IPs that are on interfaces of the nodes, and an address of its own for each node in their
    networks. Elsewhere the proxy answers first what was asked, for a second at most, in which nobody is let in; then no HTTP request fails either,
    but TCP sessions are reset. RV(kept) says which it was.
  - The move is no part of the document. O(tandem.lb.load_balancer#module:failback) does not undo it, until the node that has handed over was in
    fault, or active, again.
  - Both hosts have to be asked at the same time. With C(serial), with C(throttle) or with a single fork, a node waits in vain for one that has
    not been asked yet, unless the active one comes first.
options:
  load_balancer:
    description:
      - The load balancer to move.
    type: str
    required: true
  to:
    description:
      - The node that is to be active, as O(tandem.lb.load_balancer#module:master.node) or O(tandem.lb.load_balancer#module:backup.node) names it.
    type: str
    required: true
  force:
    description:
      - Whether the active node hands over although it does not know that the other one could take over. Without it, it refuses where the other node
        is in fault, is silent, or has another document in force.
      - Also where it does not answer at all, as one of an earlier release over VRRP. Look there first, with M(tandem.lb.load_balancer_info).
      - When nobody takes over, the node that has handed over is active again after about a second, and the task fails.
    type: bool
    default: false
  grace:
    description:
      - How long connections that stand are kept at most, up to 1d; those that are left then are reset. V(0) keeps none.
    type: str
    default: 5m
  timeout:
    description:
      - How long to wait until O(to) is active, up to 1d.
    type: str
    default: 10s
attributes:
  check_mode:
    support: full
    description: Says whether this node would hand over, or refuse to; changes nothing and waits for nothing.
  diff_mode:
    support: full
    description: On the node that hands over, shows which node is active before and after.
extends_documentation_fragment:
  - tandem.lb.node
seealso:
  - module: tandem.lb.load_balancer
  - module: tandem.lb.load_balancer_info
"""

EXAMPLES = r"""
- name: Move everything to lb-b, before lb-a is rebooted
  tandem.lb.switchover:
    load_balancer: edge
    to: lb-b

- name: Whatever is known of lb-b
  tandem.lb.switchover:
    load_balancer: edge
    to: lb-b
    force: true
    timeout: 30s
    grace: 1h # there are long downloads
"""

RETURN = r"""
changed:
  description: Whether this node has handed the load balancer over. Of all nodes it is true on one at most.
  returned: success
  type: bool
active:
  description: The node that is active, as this node knows it. In check mode O(to) is assumed, and it is empty where
    the load balancer takes no part yet.
  returned: success
  type: str
  sample: lb-b
state:
  description: The state of this node; V(active), V(standby), V(fault), in check mode, what it would be, and V(unknown) where the load balancer
    takes no part yet.
  returned: success
  type: str
  sample: standby
kept:
  description: Whether this node has handed over, and goes on with the connections that stand.
  returned: success
  type: bool
kept_reason:
  description: Why it does not, where it has handed over. Empty elsewhere.
  returned: success
  type: str
  sample: nft is not installed
"""

from ansible_collections.tandem.lb.plugins.module_utils import _floor  # noqa: F401  pylint: disable=unused-import
from ansible_collections.tandem.lb.plugins.module_utils._switchover import run_switchover


def main() -> None:
    run_switchover()


if __name__ == "__main__":
    main()
