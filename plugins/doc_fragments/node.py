# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options every module has: which node it runs on, and where that node's files lie."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  async:
    support: none
    description: Refused. A task may need the controller more than once while it runs, which a job in the background could not ask for.
options:
  node:
    description:
      - This node's name, as O(tandem.lb.load_balancer#module:master.node) and O(tandem.lb.load_balancer#module:backup.node) give it. A host that was
        deployed under one name refuses another.
      - Filled in with the variable C(tandem_node) when left out, and with the inventory's name of the host where that is not set. Where a task is
        delegated, both are those of the host that it is delegated to.
    type: str
  prefix:
    description:
      - The folder below which all files of the node lie, so that several nodes can live on one machine.
      - Filled in with the variable C(tandem_prefix) when left out, and with V(/) where that is not set.
    type: path
    default: /
  bundle:
    description:
      - The runtime that the controller carries. Filled in by the action plugin; leave it out.
    type: dict
    suboptions:
      digest:
        description: The digest under which the runtime is unpacked on the node.
        type: str
        required: true
      path:
        description: Where the packed runtime lies on the node, once it has been asked for.
        type: path
      acceleration:
        description: What the controller has of accelerators, and where the one lies on the node that was asked for.
        type: dict
  tandem_assumed:
    description:
      - In check mode, what earlier tasks of the play would have stated. Filled in by the action plugin; leave it out.
    type: dict
  tandem_peers:
    description:
      - What the controller knows of the hardware of the other nodes. Filled in by the action plugin; leave it out.
    type: dict
    suboptions:
      known:
        description: Digests of hardware identity by the node's name.
        type: dict
        required: true
      ask:
        description: Whether the module may ask for what it misses, before it changes anything.
        type: bool
        default: false
"""
