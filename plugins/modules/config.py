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
  - Takes any number of floating IPs, load balancers, backends and frontends, and applies them as one change with one round trip for each node.
  - Either all of it is in force afterwards or nothing has changed. The order of the objects does not matter.
  - When a load balancer is among them, a host that lacks the runtime gets it first.
options:
  floating_ips:
    description:
      - The floating IPs, each with the options of M(tandem.lb.floating_ip).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - 'The floating IP''s name, by which load balancers refer to it.'
        type: str
        required: true
      address:
        description:
          - 'The address with the prefix length of its network, such as V(192.0.2.100/24) or V(2001:db8::100/64). Required when the floating IP is
            created without O(floating_ips.pool).'
        type: str
      pool:
        description:
          - 'Where the address is taken from when none is given: a network such as V(192.0.2.128/28), or a range with the prefix length of its
            network, such as V(192.0.2.100-192.0.2.120/24). It is the lowest that no other object of the node uses, and stays. Empty means no pool.'
        type: str
      interface:
        description:
          - 'The interface that carries the address while this node is active. Empty means the one whose network holds it.'
        type: str
      attach:
        description:
          - 'How the address comes to the active node. V(interface) puts it on an interface and announces it. V(none) only binds it, because it is on
            the node already.'
          - 'On creation the default is V(interface).'
        type: str
        choices: [interface, none]
      labels:
        description:
          - 'Free key and value pairs of your own. V({}) clears them.'
        type: dict
  load_balancers:
    description:
      - The load balancers, each with the options of M(tandem.lb.load_balancer).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - 'The load balancer''s name.'
        type: str
        required: true
      master:
        description:
          - 'The preferred node. Required when the load balancer is created.'
        type: dict
        suboptions:
          node:
            description:
              - 'The node''s name, which is its inventory name unless the option O(node) says otherwise.'
            type: str
          address:
            description:
              - 'The node''s own address, where the other node''s heartbeats reach it. No prefix length, no host name.'
            type: str
          fault_domain:
            description:
              - 'What the node shares with others that fail with it: a rack, a site, a virtualisation host. Those of the nodes must differ. Where
                hardware cannot be told apart by itself, as with virtual machines, they declare it separate. Empty declares nothing.'
            type: str
      backup:
        description:
          - 'The node that takes over. Required when the load balancer is created.'
        type: dict
        suboptions:
          node:
            description:
              - 'The node''s name, which is its inventory name unless the option O(node) says otherwise.'
            type: str
          address:
            description:
              - 'The node''s own address, where the other node''s heartbeats reach it. No prefix length, no host name.'
            type: str
          fault_domain:
            description:
              - 'What the node shares with others that fail with it: a rack, a site, a virtualisation host. Those of the nodes must differ. Where
                hardware cannot be told apart by itself, as with virtual machines, they declare it separate. Empty declares nothing.'
            type: str
      description:
        description:
          - 'A sentence for people. It changes nothing.'
        type: str
      labels:
        description:
          - 'Free key and value pairs of your own. V({}) clears them.'
        type: dict
      floating_ips:
        description:
          - 'The floating IPs that the active node holds, all together. Each is a name, or the options of M(tandem.lb.floating_ip), which create it. A
            floating IP serves one load balancer, and stays when it is taken out of the list. V([]) clears the list.'
        type: list
        elements: raw
      keep_ips:
        description:
          - 'Whether the floating IPs stay, ready for re-use, when the load balancer is removed.'
          - 'On creation the default is V(true).'
        type: bool
      allow_same_hardware:
        description:
          - 'Whether nodes that are on the same hardware, by their boot ids, machine ids, DMI identities or fault domains, are let pass, as in a trial
            on one machine. Otherwise that is an error before anything is changed.'
          - 'On creation the default is V(false).'
        type: bool
      heartbeat:
        description:
          - 'How the nodes hear each other, and how soon silence counts as death.'
        type: dict
        suboptions:
          transport:
            description:
              - 'V(vrrp) sends VRRPv3 (RFC 9568), for which the node needs root. V(udp) sends the same message authenticated with HMAC-SHA256 in UDP,
                for networks that drop IP protocol 112 and nodes without privileges.'
              - 'On creation the default is V(vrrp).'
            type: str
            choices: [vrrp, udp]
          mode:
            description:
              - 'V(unicast) sends to the peer''s address. V(multicast) sends to the group of the standard and is for V(vrrp) only.'
              - 'On creation the default is V(unicast).'
            type: str
            choices: [unicast, multicast]
          interval:
            description:
              - 'Time between two heartbeats, 50ms to 40s. With V(vrrp) a multiple of 10ms.'
              - 'On creation the default is V(300ms).'
            type: str
          dead_after:
            description:
              - 'How many heartbeats may be missing, 2 to 20, before the standby takes over.'
              - 'On creation the default is V(3).'
            type: int
          virtual_router_id:
            description:
              - 'The VRRP virtual router identifier, 1 to 255. It must be unique in the network.'
              - 'On creation the default is V(51).'
            type: int
          port:
            description:
              - 'The UDP port for V(udp), 1 to 65535.'
              - 'On creation the default is V(7694).'
            type: int
          key:
            description:
              - 'The secret that both nodes share, 16 characters or more, required for V(udp). It lies in a file of its own on the node; results and
                diffs show its fingerprint. An empty text removes it.'
            type: str
      failback:
        description:
          - 'What happens when the master returns after a failure. V(never) leaves the backup active until it fails in turn, as every move interrupts
            the connections that pass the proxy. V(delayed) lets the master take over once it has been healthy for O(load_balancers.failback_delay).
            V(immediate) lets it take over as soon as it can.'
          - 'On creation the default is V(never).'
        type: str
        choices: [never, delayed, immediate]
      failback_delay:
        description:
          - 'How long the master must have been healthy before V(delayed) lets it take over.'
          - 'On creation the default is V(1m).'
        type: str
      deletion_protection:
        description:
          - 'Whether removing the load balancer is refused.'
          - 'On creation the default is V(false).'
        type: bool
  backends:
    description:
      - The backends, each with the options of M(tandem.lb.backend).
    type: list
    elements: dict
    suboptions:
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
          - 'The servers that take the requests. The list is whole: a server that is not in it is removed from the backend, and V([]) clears it.
            Options left out of a server that exists are left as they are. The order counts for O(backends.balance=first) only.'
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
              - 'The server''s IPv4 or IPv6 address. Required for a new server. A host name is refused, as a name server would then decide where
                traffic goes.'
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
          - 'How a server is chosen. V(roundrobin) in turn by weight, V(leastconn) the one with the fewest connections by weight, V(first) the first
            in the list that has room, V(source) by the client''s address.'
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
          - 'The repeated probe that decides whether a server is up. A server is not up before its first passed check. V({}) goes back to the
            defaults.'
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
              - 'Time a check may take, 10ms to 1h, at most O(backends.health_check.interval).'
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
  frontends:
    description:
      - The frontends, each with the options of M(tandem.lb.frontend).
    type: list
    elements: dict
    suboptions:
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
          - 'What is done with the X-Forwarded-For field. V(append) adds the client''s address, V(replace) drops what the client sent, V(none) leaves
            the field alone. HTTP only.'
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
  - module: tandem.lb.floating_ip
  - module: tandem.lb.load_balancer
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
