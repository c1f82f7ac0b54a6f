#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""States any number of objects in one task. The work is in module_utils: _change makes the document, _resource applies it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: config
short_description: State whole load balancers in one task
version_added: 0.1.0
author:
  - The Tandem authors (@tandem-lb)
description:
  - Takes any number of floating IPs, load balancers, certificates, backends and frontends, and applies them as one change with one round trip for
    each node.
  - Either all of it is in force afterwards or nothing has changed. The order of the objects does not matter.
  - When a load balancer is among them, a host that lacks the runtime gets it first.
options:
  allow_empty:
    description:
      - Whether O(state=overridden) may remove every object of the node.
    type: bool
    default: false
  state:
    description:
      - V(merged) makes the given objects be as stated; options left out, and objects that are not given, are left as they are.
      - V(replaced) makes the given objects exactly as stated; options left out go back to their defaults.
      - V(overridden) does the same and removes every object that is not given.
      - V(absent) removes the given objects, of which only the names count; removing what others use is refused, unless these are given too.
    type: str
    choices: [merged, replaced, overridden, absent]
    default: merged
extends_documentation_fragment:
  - tandem.lb.node
  - tandem.lb.change
  - tandem.lb.objects
seealso:
  - module: tandem.lb.floating_ip
  - module: tandem.lb.load_balancer
  - module: tandem.lb.certificate
  - module: tandem.lb.backend
  - module: tandem.lb.frontend
"""

EXAMPLES = r"""
- name: A load balancer as one statement
  tandem.lb.config:
    state: overridden
    floating_ips:
      - {name: shop-ip, address: 192.0.2.100/24}
    load_balancers:
      - name: edge
        master: {node: lb-a, address: 192.0.2.11}
        backup: {node: lb-b, address: 192.0.2.12}
        floating_ips: [shop-ip]
    backends:
      - load_balancer: edge
        name: shop
        port: 8080
        servers:
          - {name: app-1, address: 192.0.2.21}
          - {name: app-2, address: 192.0.2.22}
    frontends:
      - {load_balancer: edge, name: web, port: 80, default_backend: shop}

- name: Take one application off
  tandem.lb.config:
    state: absent
    frontends:
      - {load_balancer: edge, name: web}
    backends:
      - {load_balancer: edge, name: shop}
"""

RETURN = r"""
changes:
  description: The objects that were created, changed and removed, with the options that differ.
  returned: success
  type: list
  elements: dict
  sample:
    - {object: 'backend "edge/shop"', action: changed, options: [health_check.interval]}
objects:
  description: All objects of the node by kind, with every option.
  returned: success
  type: dict
separation:
  description:
    - How separate this node's hardware is from that of the others, by the name of the load balancer. C(result) is V(proved) (bare metal with
      identities of their own), V(declared) (by different fault domains), V(unproved) (with a warning) or V(violated),
      which is an error unless C(allowed).
  returned: when load balancers are stated
  type: dict
  sample:
    edge: {result: declared, reason: 'lb-a is in fault_domain "rack-1", lb-b in "rack-2"', allowed: false}
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
from ansible_collections.tandem.lb.plugins.module_utils._release import ensure_runtime
from ansible_collections.tandem.lb.plugins.module_utils._resource import run_config


def main() -> None:
    run_config(deploy=ensure_runtime)


if __name__ == "__main__":
    main()
