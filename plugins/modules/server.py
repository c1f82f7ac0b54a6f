#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sets the state of one server. The work is in module_utils._server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: server
short_description: Take a server out of use and back, without losing a request
version_added: 0.1.0
author:
  - The Tandem authors (@tandem-lb)
description:
  - Sets the operational state of one server of a backend on this node, and waits until it is drained or healthy. Run it on all nodes of the load
    balancer, as each keeps the states for itself.
  - The state is kept across restarts, new releases and failovers. It is no part of the document; M(tandem.lb.backend) never touches it. A server
    that is removed from its backend, and stated again, is ready.
  - Health checks go on whatever the state is.
options:
  load_balancer:
    description:
      - The load balancer that the backend belongs to.
    type: str
    required: true
  backend:
    description:
      - The backend that the server is a member of.
    type: str
    required: true
  name:
    description:
      - The server's name in its backend. Of one that stands for several (O(tandem.lb.backend#module:servers.expand)), the name of one of them, with
        its number.
    type: str
    required: true
  state:
    description:
      - V(ready) takes clients as its health and its weight say. When it was not ready before, it is checked at once, and that one result decides.
      - V(drain) takes no new clients. Requests and sessions under way are finished, and the clients that are bound to it are kept, or moved, as
        O(drain_sticky) says.
      - V(maint) is as if the server was down. It takes no client at all; what is under way is finished, unless the backend has
        O(tandem.lb.backend#module:on_marked_down=shutdown_sessions).
      - Left out, the state stays as it is.
    type: str
    choices: [ready, drain, maint]
  drain_sticky:
    description:
      - What becomes of the clients that are bound to a drained server by O(tandem.lb.backend#module:sticky). V(keep) lets them come back to it.
        V(move) binds them to another one with their next request or session.
      - When a server is drained the default is V(keep).
    type: str
    choices: [keep, move]
  wait:
    description:
      - What to wait for. V(none) returns as soon as all workers of the proxy follow the state.
      - V(drained) waits until no request and no session is at the server on this node. A server that is down is drained at once.
      - V(healthy) waits until the checks say that the server is up. One that is not ready is checked at once, and that one result decides.
    type: str
    choices: [none, drained, healthy]
    default: none
  timeout:
    description:
      - How long to wait, up to 1d.
    type: str
    default: 5m
  on_timeout:
    description:
      - What happens when the time is over. The state stays as it was set. V(continue) warns, and returns RV(reached) as V(false).
    type: str
    choices: [fail, continue]
    default: fail
attributes:
  check_mode:
    support: full
    description: Writes nothing and waits for nothing, and returns what it would have changed.
  diff_mode:
    support: full
    description: Shows the state before and after.
extends_documentation_fragment:
  - tandem.lb.node
  - tandem.lb.change
seealso:
  - module: tandem.lb.backend
  - module: tandem.lb.load_balancer_info
"""

EXAMPLES = r"""
- name: Take no new clients on app-2, and go on when nobody is there
  tandem.lb.server:
    load_balancer: edge
    backend: shop
    name: app-2
    state: drain
    wait: drained
    timeout: 2m

- name: Back again, once it is healthy
  tandem.lb.server:
    load_balancer: edge
    backend: shop
    name: app-2
    state: ready
    wait: healthy

- name: In a play of the application's servers, on each node of the load balancer
  tandem.lb.server:
    load_balancer: edge
    backend: shop
    name: "{{ inventory_hostname }}"
    state: maint
    wait: drained
  delegate_to: "{{ item }}"
  loop: "{{ groups['lb'] }}"
"""

RETURN = r"""
object:
  description: The server's C(load_balancer), C(backend) and C(name), its C(state), and C(drain_sticky) where it is drained.
  returned: success
  type: dict
server:
  description:
    - The server at the end of the wait, as this node sees it; C(admin_state), C(drain_sticky), C(set_by) and C(set_since_ms) (who has set it, and how
      long ago), C(state) (what the checks say, V(unknown) where the proxy does not run), C(last_check), C(sessions) (requests and sessions that are
      under way at it) and C(drained).
  returned: success
  type: dict
reached:
  description: Whether what O(wait) names had come when the module returned. In check mode it is assumed.
  returned: success
  type: bool
"""

from ansible_collections.tandem.lb.plugins.module_utils import _floor  # noqa: F401  pylint: disable=unused-import
from ansible_collections.tandem.lb.plugins.module_utils._server import run_server


def main() -> None:
    run_server()


if __name__ == "__main__":
    main()
