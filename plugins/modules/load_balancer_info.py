#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells what a node holds and what its services say of it. The work is in module_utils/_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: load_balancer_info
short_description: Read the load balancers of a node and their state
version_added: 0.1.0
author:
  - The Tandem authors (@tandem-lb)
description:
  - Returns the objects of a node, the state of the nodes as this node sees it, and the health of the servers.
  - On a host that has none of it, and where the runtime is not running, it returns what there is.
options:
  name:
    description:
      - The load balancer to tell about. Left out, all of them.
    type: str
attributes:
  check_mode:
    support: full
    description: Reads only. In check mode it tells of the objects that earlier tasks of the play would have made as well.
  diff_mode:
    support: N/A
    description: Changes nothing.
extends_documentation_fragment:
  - tandem.lb.node
seealso:
  - module: tandem.lb.load_balancer
"""

EXAMPLES = r"""
- name: Read all load balancers of each node
  tandem.lb.load_balancer_info:
  register: told

- name: Wait until every server of the shop is up
  tandem.lb.load_balancer_info:
    name: edge
  register: told
  until: told.load_balancers[0].backends[0].health.values() | map(attribute='state') | unique | list == ['up']
  retries: 20
  delay: 1
"""

RETURN = r"""
node:
  description: The name of the node that was asked.
  returned: success
  type: str
  sample: lb-a
generation:
  description: The generation of the document on disk, 0 when there is none.
  returned: success
  type: int
  sample: 4
digest:
  description: SHA-256 of all objects. Nodes that hold the same objects have the same digest.
  returned: success
  type: str
  sample: 3f1c6f1ffb6a1f6a0f5d0a3a1de7e8a2a6c1b2d9b7f1f3b6c0f5e9d8a7b6c5d4
services:
  description: For C(proxy), C(keepalive) and C(forward) whether they run, and with which release, generation and digest.
      Of C(proxy) also C(acceleration), what its workers run; V(cp311-x86_64-gnu) or the like when compiled, else V(none) and why.
  returned: success
  type: dict
load_balancers:
  description:
    - The load balancers with every option, and with C(nodes) (each with its C(state) as this node sees it, V(unknown) without a running keepalive),
      C(moves) (the last ten of this node, the latest first, each with C(at_s), C(from), C(to) and C(why)),
      C(held) (floating IPs that this node holds), C(separation) (how separate the nodes' hardware is, as M(tandem.lb.load_balancer) returns it, by
      what was compared when the load balancer was stated last), C(certificates) (each with its C(days_left), less than 0 when it is over, null where
      the file of the node cannot be read), C(backends) (each with the C(health) of its servers by name; C(state) is what their checks say,
      C(admin_state), C(drain_sticky), C(set_by) and C(set_since_ms) what M(tandem.lb.server) has set, C(sessions) what is under way) and C(frontends)
      (each with the endpoints where it is C(listening); with C(forwarding=kernel) also C(connections), C(sessions), which are those open now,
      C(packets_in), C(bytes_in), C(packets_out) and C(bytes_out), which the kernel has counted).
  returned: success
  type: list
  elements: dict
floating_ips:
  description: The floating IPs of the node with every option.
  returned: success
  type: list
  elements: dict
problems:
  description: What is wrong, each with C(where), C(option), C(value), C(rule) and C(way_out).
  returned: failure
  type: list
  elements: raw
"""

from ansible_collections.tandem.lb.plugins.module_utils import _floor  # noqa: F401  pylint: disable=unused-import
from ansible_collections.tandem.lb.plugins.module_utils._info import run_info


def main() -> None:
    run_info()


if __name__ == "__main__":
    main()
