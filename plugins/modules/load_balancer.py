#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""States one load balancer, and deploys the runtime that makes it be. The work is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
module: load_balancer
short_description: State a load balancer
version_added: 0.1.0
author:
  - The Tandem authors (@tandem-lb)
description:
  - A load balancer is a pair of nodes with their floating IPs, frontends and backends. Run the task on both nodes.
  - The nodes tell each other of their hardware through the controller. Two nodes on the same one are refused before anything is changed.
  - Floating IPs that it newly takes are asked for in the network. Where another machine answers for one, that is an error before anything is changed.
  - On a host that lacks the runtime, it is deployed and started first, as M(tandem.lb.runtime) does.
  - Options left out are left as they are, or take their default when the load balancer is created.
options:
  name:
    description:
      - The load balancer's name.
    type: str
    required: true
  master:
    description:
      - The preferred node. Required when the load balancer is created.
    type: dict
    suboptions:
      node:
        description:
          - The node's name, which is its inventory name unless the option O(node) says otherwise.
        type: str
      address:
        description:
          - The node's own address, where the other node's heartbeats reach it. No prefix length, no host name.
        type: str
      fault_domain:
        description:
          - 'What the node shares with others that fail with it: a rack, a site, a virtualisation host. Those of the nodes
            must differ. Where hardware cannot be told apart by itself, as with virtual machines, they declare it separate.
            Empty declares nothing.'
        type: str
  backup:
    description:
      - The node that takes over. Required when the load balancer is created.
    type: dict
    suboptions:
      node:
        description:
          - The node's name, which is its inventory name unless the option O(node) says otherwise.
        type: str
      address:
        description:
          - The node's own address, where the other node's heartbeats reach it. No prefix length, no host name.
        type: str
      fault_domain:
        description:
          - 'What the node shares with others that fail with it: a rack, a site, a virtualisation host. Those of the nodes
            must differ. Where hardware cannot be told apart by itself, as with virtual machines, they declare it separate.
            Empty declares nothing.'
        type: str
  description:
    description:
      - A sentence for people. It changes nothing.
    type: str
  labels:
    description:
      - Free key and value pairs of your own. V({}) clears them.
    type: dict
  floating_ips:
    description:
      - The floating IPs that the active node holds, all together. Each is a name, or the options of M(tandem.lb.floating_ip),
        which create it. A floating IP serves one load balancer, and stays when it is taken out of the list. V([]) clears
        the list.
    type: list
    elements: raw
  keep_ips:
    description:
      - Whether the floating IPs stay, ready for re-use, when the load balancer is removed.
      - On creation the default is V(true).
    type: bool
  allow_same_hardware:
    description:
      - Whether nodes that are on the same hardware, by their boot ids, machine ids, DMI identities or fault domains, are
        let pass, as in a trial on one machine. Otherwise that is an error before anything is changed.
      - On creation the default is V(false).
    type: bool
  heartbeat:
    description:
      - How the nodes hear each other, and how soon silence counts as death.
    type: dict
    suboptions:
      transport:
        description:
          - V(vrrp) sends VRRPv3 (RFC 9568), for which the node needs root. V(udp) sends the same message authenticated with
            HMAC-SHA256 in UDP, for networks that drop IP protocol 112 and nodes without privileges.
          - On creation the default is V(vrrp).
        type: str
        choices: [vrrp, udp]
      mode:
        description:
          - V(unicast) sends to the peer's address. V(multicast) sends to the group of the standard and is for V(vrrp) only.
          - On creation the default is V(unicast).
        type: str
        choices: [unicast, multicast]
      interval:
        description:
          - Time between two heartbeats, 50ms to 40s. With V(vrrp) a multiple of 10ms.
          - On creation the default is V(300ms).
        type: str
      dead_after:
        description:
          - How many heartbeats may be missing, 2 to 20, before the standby takes over.
          - On creation the default is V(3).
        type: int
      virtual_router_id:
        description:
          - The VRRP virtual router identifier, 1 to 255. It must be unique in the network.
          - On creation the default is V(51).
        type: int
      port:
        description:
          - The UDP port for V(udp), 1 to 65535.
          - On creation the default is V(7694).
        type: int
      key:
        description:
          - The secret that both nodes share, 16 characters or more, required for V(udp). It lies in a file of its own on
            the node; results and diffs show its fingerprint. An empty text removes it.
        type: str
  failback:
    description:
      - What happens when the master returns after a failure. V(never) leaves the backup active until it fails in turn, as
        every move interrupts the connections that pass the proxy. V(delayed) lets the master take over once it has been healthy
        for O(failback_delay). V(immediate) lets it take over as soon as it can.
      - On creation the default is V(never).
    type: str
    choices: [never, delayed, immediate]
  failback_delay:
    description:
      - How long the master must have been healthy before V(delayed) lets it take over.
      - On creation the default is V(1m).
    type: str
  track:
    description:
      - What a node needs beside its proxy, and the interfaces of its floating IPs, which always count. A node that has lost
        any of it is in fault, and makes way for the other one, which has all. Where both have lost something, the active
        one stays.
    type: dict
    suboptions:
      interfaces:
        description:
          - Names of interfaces that must be up and connected, the same on both nodes.
        type: list
        elements: str
      gateway:
        description:
          - An address that must answer ICMP echo requests, such as the router's. It is asked each second, and is lost after
            three answers that are missing.
        type: str
      scripts:
        description:
          - Commands on the node that say by their exit status whether it has what it needs; V(0) is yes. They run as C(tandem-keepalive)
            without its capabilities under systemd, as C(nobody) where the services are root's, without input, and what they
            write is thrown away. A program, and each folder above it, must belong to root or to who runs it, and be writable
            by no other.
        type: list
        elements: dict
        suboptions:
          name:
            description:
              - What status calls it.
            type: str
            required: true
          command:
            description:
              - The whole path of a program on the node, and its arguments. It is not given to a shell.
            type: str
          interval:
            description:
              - How often it runs.
              - On creation the default is V(5s).
            type: str
          timeout:
            description:
              - How long it may take, up to O(track.scripts[].interval). One that takes longer is ended, and has said no.
              - On creation the default is V(3s).
            type: str
          rise:
            description:
              - After how many times yes in a row it is believed again. The first time of all counts at once.
              - On creation the default is V(2).
            type: int
          fall:
            description:
              - After how many times no in a row it is believed.
              - On creation the default is V(2).
            type: int
  notify:
    description:
      - Commands on the node that are told what has happened on it, one after the other, as O(track.scripts) run. They find
        it in their environment, C(TANDEM_EVENT), C(TANDEM_LOAD_BALANCER) and C(TANDEM_NODE) always; for V(state) C(TANDEM_STATE),
        C(TANDEM_FORMER_STATE) and C(TANDEM_REASON), for V(server) C(TANDEM_BACKEND), C(TANDEM_SERVER) and C(TANDEM_UP), V(1)
        or V(0).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - What the log calls it.
        type: str
        required: true
      command:
        description:
          - The whole path of a program on the node, and its arguments. It is not given to a shell.
        type: str
      events:
        description:
          - Of what it is told; V(state), that the state of the node has changed, and V(server), that a server went up or
            down.
          - On creation the default is V([state, server]).
        type: list
        elements: str
      timeout:
        description:
          - How long it may take. One that takes longer is ended.
          - On creation the default is V(10s).
        type: str
  tls_profile:
    description:
      - Which versions and ciphers of TLS clients may use, where the V(tls.profile) of a M(tandem.lb.frontend) does not say
        it.
      - V(intermediate) is for clients of the last ten years, V(modern) takes TLS 1.3 alone, both as version 6.0 of Mozilla's
        guidelines has them.
      - On creation the default is V(intermediate).
    type: str
    choices: [intermediate, modern]
  observe:
    description:
      - Where this node shows metrics for Prometheus and a dashboard, read-only. Nowhere unless O(observe.port) is given.
        V({}) clears all of it.
    type: dict
    suboptions:
      port:
        description:
          - The TCP port, 1 to 65535. V(0) shows nothing.
          - On creation the default is V(0).
        type: int
      address:
        description:
          - Where it listens. V(node) is each node's own address, as O(master) and O(backup) have it.
          - Where others reach it, O(observe.users) or O(observe.client_ca) says who may ask.
          - On creation the default is V(127.0.0.1).
        type: str
      allow:
        description:
          - The networks that may ask; connections from others are closed at once. V([]) lets all of them ask.
        type: list
        elements: str
      users:
        description:
          - Who may ask, by name and password (HTTP basic authentication). Where others reach the address, that needs O(observe.certificate).
        type: list
        elements: dict
        suboptions:
          name:
            description:
              - The user's name.
            type: str
            required: true
          password:
            description:
              - The password, 16 characters or more. It lies in a file of its own on the node; results and diffs show its
                fingerprint.
            type: str
      certificate:
        description:
          - The name of one of the load balancer's certificates, with which it is asked over TLS.
        type: str
      client_ca:
        description:
          - The authorities, in PEM, of whom a client has to show a certificate. With O(observe.users) it needs both.
        type: str
      client_ca_file:
        description:
          - The same as the path of a file on the controller.
        type: str
  deletion_protection:
    description:
      - Whether removing the load balancer is refused.
      - On creation the default is V(false).
    type: bool
  cascade:
    description:
      - With O(state=absent), whether the frontends, backends and certificates of the load balancer are removed with it. Without
        it their being there is an error.
    type: bool
    default: false
  state:
    description:
      - V(present) makes the load balancer be as stated, and deploys the runtime to a node that lacks it. V(absent) removes
        it from the document; the runtime stays deployed.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - tandem.lb.node
  - tandem.lb.change
seealso:
  - module: tandem.lb.floating_ip
  - module: tandem.lb.certificate
  - module: tandem.lb.backend
  - module: tandem.lb.frontend
  - module: tandem.lb.runtime
  - module: tandem.lb.config
"""

EXAMPLES = r"""
- name: Two hosts on separate hardware
  tandem.lb.load_balancer:
    name: edge
    master: {node: lb-a, address: 192.0.2.11}
    backup: {node: lb-b, address: 192.0.2.12}
    floating_ips: [shop-ip]

- name: Two virtual machines, which cannot know their hardware
  tandem.lb.load_balancer:
    name: edge
    master: {node: lb-a, address: 192.0.2.11, fault_domain: rack-1}
    backup: {node: lb-b, address: 192.0.2.12, fault_domain: rack-2}
    floating_ips: [shop-ip]

- name: With floating IPs of both families, created with it
  tandem.lb.load_balancer:
    name: edge
    master: {node: lb-a, address: 192.0.2.11}
    backup: {node: lb-b, address: 192.0.2.12}
    floating_ips:
      - {name: shop-ip, pool: 192.0.2.100-192.0.2.120/24}
      - {name: shop-ip6, address: 2001:db8::100/64}

- name: Heartbeats over UDP, where the network drops VRRP
  tandem.lb.load_balancer:
    name: edge
    heartbeat:
      transport: udp
      key: "{{ vault_heartbeat_key }}"

- name: Remove it with all that it has; the floating IPs stay
  tandem.lb.load_balancer:
    name: edge
    state: absent
    cascade: true
"""

RETURN = r"""
floating_ips:
  description: Its floating IPs with every option, also the address that a pool gave.
  returned: when there is such a load balancer
  type: list
  elements: dict
separation:
  description:
    - How separate this node's hardware is from that of the others, by the name of the load balancer. C(result) is V(proved) (bare metal with
      identities of their own), V(declared) (by different fault domains), V(unproved) (with a warning) or V(violated),
      which is an error unless C(allowed).
  returned: when load balancers are stated
  type: dict
  sample:
    edge: {result: declared, reason: 'lb-a is in fault_domain "rack-1", lb-b in "rack-2"', allowed: false}
object:
  description: The load balancer with every option, null where there is none.
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
from ansible_collections.tandem.lb.plugins.module_utils._model import LoadBalancer
from ansible_collections.tandem.lb.plugins.module_utils._release import ensure_runtime
from ansible_collections.tandem.lb.plugins.module_utils._resource import run_object


def main() -> None:
    run_object(LoadBalancer, deploy=ensure_runtime)


if __name__ == "__main__":
    main()
