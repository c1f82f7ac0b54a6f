#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""States one floating IP. The work is in module_utils: _model knows the options, _resource does the rest."""

from __future__ import annotations

DOCUMENTATION = r"""
module: floating_ip
short_description: State a floating IP of a load balancer
version_added: 0.1.0
author:
  - The Tandem authors (@tandem-lb)
description:
  - A floating IP is the highly available address, held by the active node and moved on failure. It outlives load balancers.
  - The address does not appear anywhere before a load balancer uses it.
  - Options left out are left as they are, or take their default when the floating IP is created.
options:
  name:
    description:
      - The floating IP's name, by which load balancers refer to it.
    type: str
    required: true
  address:
    description:
      - The address with the prefix length of its network, such as V(192.0.2.100/24) or V(2001:db8::100/64). Required when
        the floating IP is created without O(pool).
    type: str
  pool:
    description:
      - 'Where the address is taken from when none is given: a network such as V(192.0.2.128/28), or a range with the prefix
        length of its network, such as V(192.0.2.100-192.0.2.120/24). It is the lowest that no other object of the node uses,
        and stays. Empty means no pool.'
    type: str
  interface:
    description:
      - The interface that carries the address while this node is active. Empty means the one whose network holds it.
    type: str
  attach:
    description:
      - How the address comes to the active node. V(interface) puts it on an interface and announces it. V(none) only binds
        it, because it is on the node already.
      - On creation the default is V(interface).
    type: str
    choices: [interface, none]
  labels:
    description:
      - Free key and value pairs of your own. V({}) clears them.
    type: dict
  state:
    description:
      - V(present) makes the floating IP be as stated. V(absent) removes it, which is refused while a load balancer uses it.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - tandem.lb.node
  - tandem.lb.change
seealso:
  - module: tandem.lb.load_balancer
  - module: tandem.lb.config
"""

EXAMPLES = r"""
- name: The address that clients use
  tandem.lb.floating_ip:
    name: shop-ip
    address: 192.0.2.100/24

- name: An IPv6 address on an interface of our choice
  tandem.lb.floating_ip:
    name: shop-ip6
    address: 2001:db8::100/64
    interface: eth1

- name: The lowest free address of a range
  tandem.lb.floating_ip:
    name: other-ip
    pool: 192.0.2.100-192.0.2.120/24

- name: An address that is no longer used
  tandem.lb.floating_ip:
    name: old-ip
    state: absent
"""

RETURN = r"""
object:
  description: The floating IP with every option, null where there is none.
  returned: success
  type: dict
generation:
  description: The generation of the document; in check mode the one that would come.
  returned: success
  type: int
  sample: 4
digest:
  description: SHA-256 of all objects. Nodes that hold the same objects have the same digest.
  returned: success
  type: str
  sample: 3f1c6f1ffb6a1f6a0f5d0a3a1de7e8a2a6c1b2d9b7f1f3b6c0f5e9d8a7b6c5d4
problems:
  description: What is wrong, each with C(where), C(option), C(value), C(rule) and C(way_out); or the reasons of the runtime.
  returned: failure
  type: list
  elements: raw
"""

from ansible_collections.tandem.lb.plugins.module_utils import _floor  # noqa: F401  pylint: disable=unused-import
from ansible_collections.tandem.lb.plugins.module_utils._model import FloatingIP
from ansible_collections.tandem.lb.plugins.module_utils._resource import run_object


def main() -> None:
    run_object(FloatingIP)


if __name__ == "__main__":
    main()
