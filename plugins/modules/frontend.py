#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""States one frontend. The work is in module_utils: _model knows the options, _resource does the rest."""

from __future__ import annotations

DOCUMENTATION = r"""
module: frontend
short_description: State a frontend of a load balancer
version_added: 0.1.0
author:
  - The Tandem authors (@tandem-lb)
description:
  - A frontend is an address and port that the load balancer listens on, its rules, and the backends it may choose.
  - A change is live without a restart and without a closed connection.
  - Options left out are left as they are, or take their default when the frontend is created.
options:
  load_balancer:
    description:
      - 'The load balancer that the frontend belongs to.'
    type: str
    required: true
  name:
    description:
      - 'The frontend''s name, unique within its load balancer.'
    type: str
    required: true
  port:
    description:
      - 'The port to listen on, 1 to 65535. Required when the frontend is created.'
    type: int
  addresses:
    description:
      - 'The addresses to listen on, without prefix lengths. V([]) means all floating IPs of the load balancer.'
    type: list
    elements: str
  protocol:
    description:
      - 'What clients speak. V(http) understands requests, V(tcp) passes bytes. It must be the protocol of the backends.'
      - 'On creation the default is V(http).'
    type: str
    choices: [http, tcp]
  default_backend:
    description:
      - 'Name of the backend that takes what no route matches. Empty answers it with status 503; then there must be routes.'
    type: str
  routes:
    description:
      - 'Which requests go to which backend, in order; the first that matches counts. The list is whole. V([]) clears it. HTTP only.'
    type: list
    elements: dict
    suboptions:
      backend:
        description:
          - 'Name of the backend that takes the matching requests. Required.'
        type: str
      host:
        description:
          - 'The host that the request must name, without port. Empty matches every host.'
        type: str
      path_prefix:
        description:
          - 'What the request''s path must begin with. Empty matches every path.'
        type: str
  forwarded_for:
    description:
      - 'What is done with the X-Forwarded-For field. V(append) adds the client''s address, V(replace) drops what the client sent, V(none) leaves the
        field alone. HTTP only.'
      - 'On creation the default is V(append).'
    type: str
    choices: [append, replace, none]
  timeouts:
    description:
      - 'How long the proxy waits for clients. V({}) goes back to the defaults. Silent TCP sessions end by their backend''s V(timeouts.tunnel).'
    type: dict
    suboptions:
      client:
        description:
          - 'The longest silence of the client while it is its turn, 10ms to 1d. HTTP only.'
          - 'On creation the default is V(30s).'
        type: str
      request:
        description:
          - 'The longest until a whole request head is there, 10ms to 10m. HTTP only.'
          - 'On creation the default is V(10s).'
        type: str
      keepalive:
        description:
          - 'The longest idle time between two requests of a connection, 10ms to 1d. HTTP only.'
          - 'On creation the default is V(1m).'
        type: str
  max_connections:
    description:
      - 'The most connections of clients at a time, 1 to 1000000.'
      - 'On creation the default is V(10000).'
    type: int
  access_log:
    description:
      - 'The form of the access log. V(json) writes one object a line, V(common) the Common Log Format, V(none) nothing.'
      - 'A line is for a request, and of TCP for a session, when it has ended. V(common) is for HTTP only.'
      - 'On creation the default is V(none).'
    type: str
    choices: [none, json, common]
  enabled:
    description:
      - 'Whether the frontend listens.'
      - 'On creation the default is V(true).'
    type: bool
  state:
    description:
      - V(present) makes the frontend be as stated. V(absent) removes it.
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
  - module: tandem.lb.backend
  - module: tandem.lb.config
"""

EXAMPLES = r"""
- name: Port 80 on all floating IPs
  tandem.lb.frontend:
    load_balancer: edge
    name: web
    port: 80
    default_backend: shop

- name: Two applications behind one port
  tandem.lb.frontend:
    load_balancer: edge
    name: web
    routes:
      - {host: api.example.com, backend: api}
      - {path_prefix: /static/, backend: files}

- name: Stop listening, and keep the rest as it is
  tandem.lb.frontend:
    load_balancer: edge
    name: web
    enabled: false
"""

RETURN = r"""
object:
  description: The frontend with every option, null where there is none.
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
from ansible_collections.tandem.lb.plugins.module_utils._model import Frontend
from ansible_collections.tandem.lb.plugins.module_utils._resource import run_object


def main() -> None:
    run_object(Frontend)


if __name__ == "__main__":
    main()
