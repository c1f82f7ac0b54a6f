#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""States one backend. The work is in module_utils: _model knows the options, _resource does the rest."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backend
short_description: State a backend of a load balancer
version_added: 0.1.0
author:
  - The Tandem authors (@tandem-lb)
description:
  - A backend is a set of servers that take the forwarded requests, with how they are balanced, checked and kept sticky.
  - A change is live without a restart and without a closed connection.
  - Options left out are left as they are, or take their default when the backend is created.
options:
  load_balancer:
    description:
      - 'The load balancer that the backend belongs to.'
    type: str
    required: true
  name:
    description:
      - 'The backend''s name, unique within its load balancer.'
    type: str
    required: true
  protocol:
    description:
      - 'What the servers speak. V(http) understands requests, V(tcp) passes bytes.'
      - 'On creation the default is V(http).'
    type: str
    choices: [http, tcp]
  port:
    description:
      - 'The port of all servers that give none of their own, up to 65535. V(0) means that every server gives its own.'
      - 'On creation the default is V(0).'
    type: int
  servers:
    description:
      - 'The servers that take the requests. The list is whole: a server that is not in it is removed from the backend, and V([]) clears it. Options
        left out of a server that exists are left as they are. The order counts for O(balance=first) only.'
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - 'The server''s name, stable when its address changes.'
        type: str
        required: true
      address:
        description:
          - 'The server''s IPv4 or IPv6 address. Required for a new server. A host name is refused, as a name server would then decide where traffic
            goes.'
        type: str
      port:
        description:
          - 'The server''s port, up to 65535. V(0) means the backend''s.'
          - 'On creation the default is V(0).'
        type: int
      weight:
        description:
          - 'The server''s share, 0 to 256. V(0) takes no new clients.'
          - 'On creation the default is V(1).'
        type: int
      max_connections:
        description:
          - 'The most connections to this server. V(0) is no limit.'
          - 'On creation the default is V(0).'
        type: int
      backup:
        description:
          - 'Whether the server is used only when no other one is up.'
          - 'On creation the default is V(false).'
        type: bool
  balance:
    description:
      - 'How a server is chosen. V(roundrobin) in turn by weight, V(leastconn) the one with the fewest connections by weight, V(first) the first in
        the list that has room, V(source) by the client''s address.'
      - 'On creation the default is V(roundrobin).'
    type: str
    choices: [roundrobin, leastconn, first, source]
  sticky:
    description:
      - 'How a client is bound to a server. V({}) goes back to none.'
    type: dict
    suboptions:
      type:
        description:
          - 'V(cookie) sets a cookie that names the server (HTTP only). V(source) remembers the client''s address. V(none) binds nobody.'
          - 'On creation the default is V(none).'
        type: str
        choices: [none, cookie, source]
      cookie_name:
        description:
          - 'The cookie''s name. Empty means one of the backend''s own, V(TANDEM-) and a hash of its name.'
          - 'Backends that a client meets under one host name need different ones.'
        type: str
      ttl:
        description:
          - 'For V(source), the idle time after which a binding is forgotten. For V(cookie), the cookie''s Max-Age, renewed while the client keeps
            coming; V(0) makes it a session cookie.'
          - 'On creation the default is V(30m).'
        type: str
  health_check:
    description:
      - 'The repeated probe that decides whether a server is up. A server is not up before its first passed check. V({}) goes back to the defaults.'
    type: dict
    suboptions:
      type:
        description:
          - 'V(tcp) opens a connection. V(http) sends a request and looks at the answer. V(none) takes every server for up.'
          - 'On creation the default is V(tcp).'
        type: str
        choices: [tcp, http, none]
      port:
        description:
          - 'The port to check, up to 65535. V(0) means the server''s own.'
          - 'On creation the default is V(0).'
        type: int
      interval:
        description:
          - 'Time between two checks, 50ms to 1h.'
          - 'On creation the default is V(3s).'
        type: str
      timeout:
        description:
          - 'Time a check may take, 10ms to 1h, at most O(health_check.interval).'
          - 'On creation the default is V(1s).'
        type: str
      fast_interval:
        description:
          - 'Time between two checks while a state is about to change, 50ms to 1h. The shorter of both intervals counts.'
          - 'On creation the default is V(500ms).'
        type: str
      rise:
        description:
          - 'How many checks in a row must pass, 1 to 100, before a server that is down is up.'
          - 'On creation the default is V(2).'
        type: int
      fall:
        description:
          - 'How many checks in a row must fail, 1 to 100, before a server that is up is down.'
          - 'On creation the default is V(3).'
        type: int
      method:
        description:
          - 'The method of the request.'
          - 'On creation the default is V(GET).'
        type: str
        choices: [GET, HEAD, OPTIONS]
      path:
        description:
          - 'The path of the request, with a query if one is wanted.'
          - 'On creation the default is V(/).'
        type: str
      host:
        description:
          - 'The Host field of the request. Empty means the server''s address.'
        type: str
      expect_status:
        description:
          - 'The statuses that pass, such as V(200-399) or V(200,204).'
          - 'On creation the default is V(200-399).'
        type: str
      expect_body:
        description:
          - 'A text that the answer''s body must hold. Empty means any body.'
        type: str
  timeouts:
    description:
      - 'How long the proxy waits for the servers. V({}) goes back to the defaults.'
    type: dict
    suboptions:
      connect:
        description:
          - 'The longest that connecting to a server may take, 10ms to 10m.'
          - 'On creation the default is V(5s).'
        type: str
      server:
        description:
          - 'The longest silence of the server while it is its turn, 10ms to 1d. HTTP only.'
          - 'On creation the default is V(30s).'
        type: str
      queue:
        description:
          - 'The longest that a request waits for a server that has room, 10ms to 10m.'
          - 'On creation the default is V(5s).'
        type: str
      tunnel:
        description:
          - 'The longest silence in both directions after an upgrade, and of TCP sessions, 10ms to 30d.'
          - 'On creation the default is V(1h).'
        type: str
  max_retries:
    description:
      - 'How often connecting is tried again, up to 20 times, before the client gets status 503.'
      - 'On creation the default is V(3).'
    type: int
  redispatch:
    description:
      - 'Whether a retry may choose another server.'
      - 'On creation the default is V(true).'
    type: bool
  max_connections:
    description:
      - 'The most connections to the whole backend. V(0) is no limit.'
      - 'On creation the default is V(0).'
    type: int
  max_queue:
    description:
      - 'How many requests may wait for a server that has room, up to 100000. More get status 503 at once.'
      - 'On creation the default is V(1024).'
    type: int
  on_marked_down:
    description:
      - 'What happens to open connections when a server is marked down. V(shutdown_sessions) closes them, V(none) lets them go on.'
      - 'On creation the default is V(none).'
    type: str
    choices: [none, shutdown_sessions]
  state:
    description:
      - V(present) makes the backend be as stated. V(absent) removes it, which is refused while a frontend uses it.
    type: str
    choices: [present, absent]
    default: present
  lock_timeout:
    description:
      - How long to wait while another run changes the document of this node, at most 1h. It then fails and says who holds the lock.
    type: str
    default: 30s
attributes:
  check_mode:
    support: full
    description: Writes nothing, and returns what it would have changed. It assumes what earlier tasks of the play would have created.
  diff_mode:
    support: full
    description: Shows the objects that differ, whole, with every option. Secrets are shown as fingerprints.
extends_documentation_fragment:
  - tandem.lb.node
seealso:
  - module: tandem.lb.frontend
  - module: tandem.lb.config
"""

EXAMPLES = r"""
- name: Two web servers, checked by a request
  tandem.lb.backend:
    load_balancer: edge
    name: shop
    port: 8080
    servers:
      - {name: app-1, address: 192.0.2.21}
      - {name: app-2, address: 192.0.2.22, weight: 2}
    health_check: {type: http, path: /health}

- name: Bind each client to its server by a cookie
  tandem.lb.backend:
    load_balancer: edge
    name: shop
    sticky: {type: cookie}

- name: Remove it
  tandem.lb.backend:
    load_balancer: edge
    name: shop
    state: absent
"""

RETURN = r"""
object:
  description: The backend with every option, null where there is none.
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
from ansible_collections.tandem.lb.plugins.module_utils._model import Backend
from ansible_collections.tandem.lb.plugins.module_utils._resource import run_object


def main() -> None:
    run_object(Backend)


if __name__ == "__main__":
    main()
