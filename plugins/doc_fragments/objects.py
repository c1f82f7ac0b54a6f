# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of many objects in one task. Written by ``make docs`` from the modules of single objects; do not edit it here."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  floating_ips:
    description:
      - The floating IPs, each with the options of M(tandem.lb.floating_ip).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The floating IP's name, by which load balancers refer to it.
        type: str
        required: true
      address:
        description:
          - The address with the prefix length of its network, such as V(192.0.2.100/24) or V(2001:db8::100/64). Required
            when the floating IP is created without O(floating_ips.pool).
        type: str
      pool:
        description:
          - 'Where the address is taken from when none is given: a network such as V(192.0.2.128/28), or a range with the
            prefix length of its network, such as V(192.0.2.100-192.0.2.120/24). It is the lowest that no other object of
            the node uses, and stays. Empty means no pool.'
        type: str
      interface:
        description:
          - The interface that carries the address while this node is active. Empty means the one whose network holds it.
        type: str
      attach:
        description:
          - How the address comes to the active node. V(interface) puts it on an interface and announces it. V(none) only
            binds it, because it is on the node already.
          - On creation the default is V(interface).
        type: str
        choices: [interface, none]
      labels:
        description:
          - Free key and value pairs of your own. V({}) clears them.
        type: dict
  load_balancers:
    description:
      - The load balancers, each with the options of M(tandem.lb.load_balancer).
    type: list
    elements: dict
    suboptions:
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
          - Whether nodes that are on the same hardware, by their boot ids, machine ids, DMI identities or fault domains,
            are let pass, as in a trial on one machine. Otherwise that is an error before anything is changed.
          - On creation the default is V(false).
        type: bool
      heartbeat:
        description:
          - How the nodes hear each other, and how soon silence counts as death.
        type: dict
        suboptions:
          transport:
            description:
              - V(vrrp) sends VRRPv3 (RFC 9568), for which the node needs root. V(udp) sends the same message authenticated
                with HMAC-SHA256 in UDP, for networks that drop IP protocol 112 and nodes without privileges.
              - On creation the default is V(vrrp).
            type: str
            choices: [vrrp, udp]
          mode:
            description:
              - V(unicast) sends to the peer's address. V(multicast) sends to the group of the standard and is for V(vrrp)
                only.
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
              - The secret that both nodes share, 16 characters or more, required for V(udp). It lies in a file of its own
                on the node; results and diffs show its fingerprint. An empty text removes it.
            type: str
      failback:
        description:
          - What happens when the master returns after a failure. V(never) leaves the backup active until it fails in turn,
            as every move interrupts the connections that pass the proxy. V(delayed) lets the master take over once it has
            been healthy for O(load_balancers.failback_delay). V(immediate) lets it take over as soon as it can.
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
          - What a node needs beside its proxy, and the interfaces of its floating IPs, which always count. A node that has
            lost any of it is in fault, and makes way for the other one, which has all. Where both have lost something, the
            active one stays.
        type: dict
        suboptions:
          interfaces:
            description:
              - Names of interfaces that must be up and connected, the same on both nodes.
            type: list
            elements: str
          gateway:
            description:
              - An address that must answer ICMP echo requests, such as the router's. It is asked each second, and is lost
                after three answers that are missing.
            type: str
          scripts:
            description:
              - Commands on the node that say by their exit status whether it has what it needs; V(0) is yes. They run as
                C(tandem-keepalive) without its capabilities under systemd, as C(nobody) where the services are root's, without
                input, and what they write is thrown away. A program, and each folder above it, must belong to root or to
                who runs it, and be writable by no other.
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
                  - How long it may take, up to O(load_balancers.track.scripts[].interval). One that takes longer is ended,
                    and has said no.
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
          - Commands on the node that are told what has happened on it, one after the other, as O(load_balancers.track.scripts)
            run. They find it in their environment, C(TANDEM_EVENT), C(TANDEM_LOAD_BALANCER) and C(TANDEM_NODE) always; for
            V(state) C(TANDEM_STATE), C(TANDEM_FORMER_STATE) and C(TANDEM_REASON), for V(server) C(TANDEM_BACKEND), C(TANDEM_SERVER)
            and C(TANDEM_UP), V(1) or V(0).
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
              - Of what it is told; V(state), that the state of the node has changed, and V(server), that a server went up
                or down.
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
          - Which versions and ciphers of TLS clients may use, where the V(tls.profile) of a M(tandem.lb.frontend) does not
            say it.
          - V(intermediate) is for clients of the last ten years, V(modern) takes TLS 1.3 alone, both as version 6.0 of Mozilla's
            guidelines has them.
          - On creation the default is V(intermediate).
        type: str
        choices: [intermediate, modern]
      observe:
        description:
          - Where this node shows metrics for Prometheus and a dashboard, read-only. Nowhere unless O(load_balancers.observe.port)
            is given. V({}) clears all of it.
        type: dict
        suboptions:
          port:
            description:
              - The TCP port, 1 to 65535. V(0) shows nothing.
              - On creation the default is V(0).
            type: int
          address:
            description:
              - Where it listens. V(node) is each node's own address, as O(load_balancers.master) and O(load_balancers.backup)
                have it.
              - Where others reach it, O(load_balancers.observe.users) or O(load_balancers.observe.client_ca) says who may
                ask.
              - On creation the default is V(127.0.0.1).
            type: str
          allow:
            description:
              - The networks that may ask; connections from others are closed at once. V([]) lets all of them ask.
            type: list
            elements: str
          users:
            description:
              - Who may ask, by name and password (HTTP basic authentication). Where others reach the address, that needs
                O(load_balancers.observe.certificate).
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
                  - The password, 16 characters or more. It lies in a file of its own on the node; results and diffs show
                    its fingerprint.
                type: str
          certificate:
            description:
              - The name of one of the load balancer's certificates, with which it is asked over TLS.
            type: str
          client_ca:
            description:
              - The authorities, in PEM, of whom a client has to show a certificate. With O(load_balancers.observe.users)
                it needs both.
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
  certificates:
    description:
      - The certificates, each with the options of M(tandem.lb.certificate).
    type: list
    elements: dict
    suboptions:
      load_balancer:
        description:
          - The load balancer that the certificate belongs to.
        type: str
        required: true
      name:
        description:
          - The certificate's name, unique within its load balancer, by which frontends and backends refer to it. It need
            not be a host name.
        type: str
        required: true
      certificate:
        description:
          - The certificate in PEM, followed by those that lead to its authority, each issued by the next. The authority's
            own may be left out.
        type: str
      certificate_file:
        description:
          - The same, read from a file of the controller. Relative paths are looked for as those of M(ansible.builtin.copy)
            are. The file may be encrypted with Ansible Vault. Mutually exclusive with O(certificates.certificate).
        type: str
      private_key:
        description:
          - The private key of the certificate in PEM, not encrypted. Keep the text in Ansible Vault. Left out it stays, so
            that a certificate can be renewed with the same key.
        type: str
      private_key_file:
        description:
          - The same, read from a file of the controller, as O(certificates.certificate_file) is. Mutually exclusive with
            O(certificates.private_key).
        type: str
      certificate_path:
        description:
          - The absolute path of such a text on the node, where another program renews it. The account C(tandem-proxy) must
            be able to read it. It takes the place of O(certificates.certificate) and O(certificates.private_key), and these
            take its place.
        type: str
      private_key_path:
        description:
          - The absolute path of the private key on the node. It may be the same file.
        type: str
      watch:
        description:
          - Whether the files of O(certificates.certificate_path) and O(certificates.private_key_path) are looked at again
            and again, and used within a minute once they are renewed. Without it they are read when the proxy is started
            or told of a change.
          - On creation the default is V(false).
        type: bool
  backends:
    description:
      - The backends, each with the options of M(tandem.lb.backend).
    type: list
    elements: dict
    suboptions:
      load_balancer:
        description:
          - The load balancer that the backend belongs to.
        type: str
        required: true
      name:
        description:
          - The backend's name, unique within its load balancer.
        type: str
        required: true
      protocol:
        description:
          - What the servers speak. V(http) understands requests, V(tcp) passes bytes, V(udp) datagrams.
          - On creation the default is V(http).
        type: str
        choices: [http, tcp, udp]
      port:
        description:
          - The port of all servers that give none of their own, up to 65535. V(0) means that every server gives its own.
          - On creation the default is V(0).
        type: int
      servers:
        description:
          - 'The servers that take the requests. The list is whole: a server that is not in it is removed from the backend,
            and V([]) clears it. Options left out of a server that exists are left as they are. The order counts for O(backends.balance=first)
            and O(backends.use_all_backups=false) only.'
        type: list
        elements: dict
        suboptions:
          name:
            description:
              - The server's name, stable when its address changes.
            type: str
            required: true
          address:
            description:
              - The server's IPv4 or IPv6 address, or a host name, whose addresses the nodes look for while they run (see
                O(backends.resolver)). Required for a new server.
              - Of several addresses one is used, for as long as the name has it. Servers of a backend that are stated by
                the same name and port use different ones as far as there are enough.
            type: str
          port:
            description:
              - The server's port, up to 65535. V(0) means the backend's.
              - On creation the default is V(0).
            type: int
          weight:
            description:
              - The server's share, 0 to 256. V(0) takes no new clients.
              - On creation the default is V(1).
            type: int
          max_connections:
            description:
              - The most connections to this server from this node, over all its workers. V(0) is no limit. More requests
                wait, see O(backends.max_queue).
              - On creation the default is V(0).
            type: int
          backup:
            description:
              - Whether the server is used only when no other one is up. See O(backends.use_all_backups).
              - On creation the default is V(false).
            type: bool
          expand:
            description:
              - How many servers a host name stands for, up to 256. They are called like this one with V(-1), V(-2) and so
                on after the name, each has an address of its own for as long as the host name has it, and those for which
                there is none are down. V(0) means one server.
              - On creation the default is V(0).
            type: int
      resolver:
        description:
          - How the addresses of servers are found that are stated by a host name. V({}) goes back to the defaults.
        type: dict
        suboptions:
          name_servers:
            description:
              - Who is asked, in this order, up to 8, each as V(192.0.2.53) or V(192.0.2.53:8600). Names are then asked for
                as they are stated.
              - 'Empty means as the node itself does it: C(/etc/hosts), then the name servers and domains of C(/etc/resolv.conf).
                Both are read again when they change.'
            type: list
            elements: str
          prefer:
            description:
              - Which addresses are used of a name that has both kinds.
              - On creation the default is V(ipv4).
            type: str
            choices: [ipv4, ipv6]
          min_ttl:
            description:
              - The shortest time after which a name is asked for again, 100ms to 1d, whatever the answer says.
              - On creation the default is V(5s).
            type: str
          max_ttl:
            description:
              - The longest such time, 100ms to 1d.
              - On creation the default is V(5m).
            type: str
          hold:
            description:
              - For how long addresses are used after a name server has said that the name has none any more, up to 1d. While
                no name server answers at all, they are used without an end.
              - On creation the default is V(30s).
            type: str
      balance:
        description:
          - How a server is chosen. V(roundrobin) in turn by weight, V(leastconn) the one with the fewest connections by weight,
            V(first) the first in the list that has room, V(source) by the client's address, V(random) of two that are drawn
            by weight the one with fewer connections.
          - On creation the default is V(roundrobin).
        type: str
        choices: [roundrobin, leastconn, first, source, random]
      use_all_backups:
        description:
          - Whether all backups that are up share the clients when no other server is up. V(false) uses the first one in the
            list.
          - On creation the default is V(true).
        type: bool
      slow_start:
        description:
          - For how long a server that has come up, after it was down or in maintenance, gets only a part of its share, which
            grows from little to all of it, up to 1h. V(0) means that it gets all at once. For O(backends.balance=roundrobin),
            O(backends.balance=leastconn) and O(backends.balance=random).
          - On creation the default is V(0ms).
        type: str
      sticky:
        description:
          - How a client is bound to a server. V({}) goes back to none.
        type: dict
        suboptions:
          type:
            description:
              - V(cookie) sets a cookie that names the server (HTTP only). V(source) remembers the client's address. V(none)
                binds nobody.
              - On creation the default is V(none).
            type: str
            choices: [none, cookie, source]
          cookie_name:
            description:
              - The cookie's name. Empty means one of the backend's own, V(TANDEM-) and a hash of its name.
              - Backends that a client meets under one host name need different ones.
            type: str
          ttl:
            description:
              - For V(source), the idle time after which a binding is forgotten. For V(cookie), the cookie's Max-Age, renewed
                while the client keeps coming; V(0) makes it a session cookie.
              - On creation the default is V(30m).
            type: str
          cookie_mode:
            description:
              - V(insert) sets a cookie of its own, which servers do not see. V(prefix) puts the server's name before the
                value of the application's cookie O(backends.sticky.cookie_name), and takes it out again before requests go
                to a server. V(rewrite) puts the name in place of that value, for a cookie that the application sets for this
                alone.
              - On creation the default is V(insert).
            type: str
            choices: [insert, prefix, rewrite]
          cookie_domain:
            description:
              - The domain below whose hosts browsers send the cookie. Empty means the host it came from.
            type: str
          cookie_path:
            description:
              - The path below which browsers send the cookie.
              - On creation the default is V(/).
            type: str
          cookie_same_site:
            description:
              - What the cookie says of requests from other sites (SameSite). V(none) sends it with all of them, and needs
                TLS; V(unset) says nothing.
              - On creation the default is V(lax).
            type: str
            choices: [lax, strict, none, unset]
          cookie_secure:
            description:
              - Whether browsers shall send the cookie over TLS alone. V(auto) says so to clients that came over TLS; where
                a proxy in front ends it, use V(always).
              - On creation the default is V(auto).
            type: str
            choices: [auto, always, never]
      health_check:
        description:
          - The repeated probe that decides whether a server is up. A server is not up before its first passed check. V({})
            goes back to the defaults.
        type: dict
        suboptions:
          type:
            description:
              - What is asked. V(tcp) opens a connection. V(http) sends a request and looks at the answer; V(https) does so
                over TLS, also where O(backends.tls.enabled) is V(false). V(tls) shakes hands. V(redis) sends PING. V(mysql)
                reads the greeting, V(postgresql) asks whether TLS is spoken; with O(backends.health_check.user) both begin
                a session. V(ldap) binds anonymously. V(smtp) reads the greeting and says EHLO. V(script) runs a program on
                the node. V(none) takes every server for up.
              - On creation the default is V(tcp).
            type: str
            choices: [tcp, http, https, tls, redis, mysql, postgresql, ldap, smtp, script, none]
          port:
            description:
              - The port to check, up to 65535. V(0) means the server's own.
              - On creation the default is V(0).
            type: int
          interval:
            description:
              - Time from the end of a check to the next one, 50ms to 1h.
              - On creation the default is V(3s).
            type: str
          timeout:
            description:
              - Time a check may take, 10ms to 1h. Where it is longer than O(backends.health_check.interval), the next check
                still begins after the last one has ended.
              - On creation the default is V(1s).
            type: str
          fast_interval:
            description:
              - Time between two checks while a state is about to change, 50ms to 1h. The shorter of both intervals counts.
              - On creation the default is V(500ms).
            type: str
          rise:
            description:
              - How many checks in a row must pass, 1 to 100, before a server that is down is up.
              - On creation the default is V(2).
            type: int
          fall:
            description:
              - How many checks in a row must fail, 1 to 100, before a server that is up is down.
              - On creation the default is V(3).
            type: int
          method:
            description:
              - The method of the request.
              - On creation the default is V(GET).
            type: str
            choices: [GET, HEAD, OPTIONS]
          path:
            description:
              - The path of the request, with a query if one is wanted.
              - On creation the default is V(/).
            type: str
          host:
            description:
              - The Host field of the request. Empty means the server's address or host name, with the port.
              - For O(backends.health_check.type=smtp) the name that is said with EHLO. Empty means V(localhost).
            type: str
          http_version:
            description:
              - The version of the request, for servers that know none but V(1.0). Answers of both versions are read either
                way.
              - On creation the default is V(1.1).
            type: str
            choices: ['1.1', '1.0']
          headers:
            description:
              - Fields that are sent with the request, a map of names and values. They stand in the document and in diffs,
                so they are no place for secrets.
            type: dict
          expect_status:
            description:
              - The statuses that pass, such as V(200-299) or V(200,204). A redirect passes only where its status is among
                them, as with V(200-399).
              - On creation the default is V(200-299).
            type: str
          expect_body:
            description:
              - A text that the answer's body must hold. Empty means any body.
            type: str
          expect_body_regex:
            description:
              - A regular expression (Python's syntax, on bytes) that must match somewhere in the first 64 KiB of the answer's
                body, instead of O(backends.health_check.expect_body). V(^) and V($) are the beginning and the end of the
                body. Those that a text could make slow, such as with backreferences, are refused.
            type: str
          user:
            description:
              - For O(backends.health_check.type=mysql) and O(backends.health_check.type=postgresql), the name of a user without
                rights and, with MySQL, without a password. Empty means that no session is begun.
            type: str
          redis_role:
            description:
              - For O(backends.health_check.type=redis). V(master) takes a server for up only while it is the master, so that
                clients reach the one that takes writes.
              - On creation the default is V(any).
            type: str
            choices: [any, master]
          script:
            description:
              - For O(backends.health_check.type=script), the absolute path of a program on the nodes. Exit status 0 passes.
                It runs as the account of the proxy, and as nobody where that is root. It, and each folder above it, must
                belong to root or that account and be writable by no other.
            type: str
          tls:
            description:
              - Whether the check speaks TLS. V(auto) does what O(backends.tls.enabled) says. With V(always) and V(never)
                it is V(true) or V(false) for the check alone; all else is as O(backends.tls) has it.
              - On creation the default is V(auto).
            type: str
            choices: [auto, always, never]
          proxy_protocol:
            description:
              - Whether the check begins with the header of the PROXY protocol, and in which version. V(auto) does what O(backends.proxy_protocol)
                says. It says that the connection is the proxy's own.
              - On creation the default is V(auto).
            type: str
            choices: [auto, none, v1, v2]
          sni:
            description:
              - The host name that a check over TLS asks by, and that the server's certificate must then be for, unless O(backends.tls.verify_name)
                says otherwise. Empty means as O(backends.tls.sni) has it.
            type: str
          agent:
            description:
              - A program that says of each server, beside the check, how much it takes (HAProxy's agent protocol). V({})
                asks none.
            type: dict
            suboptions:
              port:
                description:
                  - The port that the agents listen on, up to 65535. V(0) means that there are none.
                  - On creation the default is V(0).
                type: int
              address:
                description:
                  - The IPv4 or IPv6 address of one agent that speaks for all servers. Empty means that each server has its
                    own.
                type: str
              interval:
                description:
                  - Time from the end of an answer to the next question, 50ms to 1h.
                  - On creation the default is V(3s).
                type: str
              send:
                description:
                  - What is said to an agent first, up to 80 bytes; C({backend}) and C({server}) in it are replaced by their
                    names. A line feed is added. Empty means nothing.
                type: str
      tls:
        description:
          - How the servers are asked over TLS. V({}) goes back to none.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether the servers are asked over TLS.
              - On creation the default is V(false).
            type: bool
          verify:
            description:
              - Whether a server's certificate must be valid, from an authority of O(backends.tls.ca), and for the right name.
                V(false) takes any certificate, so that whoever stands between can read and change everything.
              - On creation the default is V(true).
            type: bool
          ca:
            description:
              - The certificates of the authorities that servers may have theirs from, in PEM. Empty means the authorities
                of the node's system.
            type: str
          ca_file:
            description:
              - The same, read from a file of the controller. Relative paths are looked for as those of M(ansible.builtin.copy)
                are.
            type: str
          sni:
            description:
              - The host name that the servers are asked by. Empty means the host name in each server's O(backends.servers.address),
                or its O(backends.servers.name) where that is a host name with a domain, such as V(app-1.example.com), and
                no name for the others. The host that a request names is never used.
            type: str
          verify_name:
            description:
              - The host name or address that the servers' certificates must be for. Empty means the name that a server is
                asked by (see O(backends.tls.sni)), and where there is none its O(backends.servers.address).
            type: str
          client_certificate:
            description:
              - The name of the M(tandem.lb.certificate) of the same load balancer that is shown to servers that ask for one.
                Empty means none.
            type: str
      timeouts:
        description:
          - How long the proxy waits for the servers. V({}) goes back to the defaults.
        type: dict
        suboptions:
          connect:
            description:
              - The longest that connecting to a server may take, 10ms to 10m.
              - On creation the default is V(5s).
            type: str
          server:
            description:
              - The longest silence of the server while it is its turn, 10ms to 1d. HTTP only.
              - On creation the default is V(30s).
            type: str
          queue:
            description:
              - The longest that a request waits for a server that has room, 10ms to 10m.
              - On creation the default is V(5s).
            type: str
          tunnel:
            description:
              - The longest silence in both directions after an upgrade, and of TCP sessions, 10ms to 30d.
              - On creation the default is V(1h).
            type: str
      retry_on:
        description:
          - What a request is sent again after, O(backends.max_retries) times at most. V(connect_failure), when no connection
            came about. V(empty_response), when the server closed the connection without a byte of an answer. A status of
            V(404), V(408), V(425), V(429), V(500), V(502), V(503), V(504), when another server may answer better; the last
            answer goes out, whatever it is.
          - But for the first one only requests are sent again whose method is idempotent (RFC 9110 9.2.2), and of which all
            is still at hand. A kept connection that the server closes as the request comes is made anew always.
          - On creation the default is V([connect_failure, empty_response]).
        type: list
        elements: str
      max_retries:
        description:
          - How often a request is tried again, up to 20 times, before the client gets status 503. See O(backends.retry_on).
          - On creation the default is V(3).
        type: int
      redispatch:
        description:
          - Whether a retry may choose another server.
          - On creation the default is V(true).
        type: bool
      max_connections:
        description:
          - The most connections to the whole backend from this node, over all its workers. V(0) is no limit.
          - On creation the default is V(0).
        type: int
      max_queue:
        description:
          - How many requests may wait for a server that has room, up to 100000. More get status 503 at once.
          - On creation the default is V(1024).
        type: int
      observe:
        description:
          - Whether a server is also taken for down for failing the requests of clients, until its checks pass again. The
            last server of a backend that is up stays up. V({}) goes back to not looking at requests.
        type: dict
        suboptions:
          errors:
            description:
              - How many failed requests, over all workers of the node, take a server down, up to 10000. Connections count
                that do not come about, and answers that do not come, are not valid or end too early. V(0) does not count.
              - On creation the default is V(0).
            type: int
          window:
            description:
              - The time within which they fail, 1s to 1h.
              - On creation the default is V(10s).
            type: str
          count_5xx:
            description:
              - Whether answers with a status of 500 or more count as well. HTTP only.
              - On creation the default is V(false).
            type: bool
      keepalive_probes:
        description:
          - TCP keepalives on connections to servers, so that sessions with a server that is gone without a word end. V({})
            goes back to none.
        type: dict
        suboptions:
          idle:
            description:
              - After how much silence the server's kernel is asked for the first time, in whole seconds, up to 32767. V(0)
                means never.
              - On creation the default is V(0ms).
            type: str
          interval:
            description:
              - The time between two questions, in whole seconds from 1 to 32767.
              - On creation the default is V(10s).
            type: str
          count:
            description:
              - After how many unanswered questions the connection ends, 1 to 127.
              - On creation the default is V(3).
            type: int
      proxy_protocol:
        description:
          - Whether the servers are told whose a connection is, by a header ahead of it (the PROXY protocol), and in which
            version. They must expect it. V(v1) is a line of text with the addresses; V(v2) is binary, and says with TLS which
            version and certificate the client had, and which host it asked for.
          - Health checks do as O(backends.health_check.proxy_protocol) says.
          - With O(backends.protocol=http) a connection to a server then is one client's alone, and ends with the client's.
          - On creation the default is V(none).
        type: str
        choices: [none, v1, v2]
      on_marked_down:
        description:
          - What happens to open connections when a server is marked down, or its name has another address. V(shutdown_sessions)
            closes them, V(none) lets them go on.
          - On creation the default is V(none).
        type: str
        choices: [none, shutdown_sessions]
      on_all_down:
        description:
          - What happens with requests while no server can be chosen. V({}) goes back to an error.
        type: dict
        suboptions:
          action:
            description:
              - V(error) answers with O(backends.on_all_down.status) and O(backends.on_all_down.content), V(redirect) sends
                clients to O(backends.on_all_down.location), V(fallback) has O(backends.on_all_down.backend) take the requests
                until a server is up again, V(close) ends connections without an answer. With TCP there are V(error), which
                ends sessions, and V(fallback).
              - On creation the default is V(error).
            type: str
            choices: [error, close, redirect, fallback]
          status:
            description:
              - The status of an error, 400 to 599, or of a redirect, 302, 303 or 307. V(0) means 503 and 302.
              - On creation the default is V(0).
            type: int
          content:
            description:
              - The page of an error, up to 64 KiB. Empty means the frontend's for this status.
            type: str
          content_type:
            description:
              - What the page is.
              - On creation the default is V(text/html; charset=utf-8).
            type: str
          location:
            description:
              - Where a redirect leads, with variables as in O(backends.request_headers.value).
            type: str
          backend:
            description:
              - The backend of the same load balancer and protocol that takes the requests.
            type: str
      request_headers:
        description:
          - What is done with fields of requests on their way to the servers, in order; after those of the M(tandem.lb.frontend),
            and with Host too. The list is whole. V([]) clears it. HTTP only.
          - Host is set to one name, a port if need be, and of variables V(host), V(host_port), V(port), V(server), V(backend),
            V(frontend), V(tls_sni).
          - Fields that frame a message or concern one connection (Content-Length, Transfer-Encoding, Connection, Upgrade,
            TE and their like) are refused.
        type: list
        elements: dict
        suboptions:
          action:
            description:
              - V(set) replaces all that came of this name, V(add) adds a field to those, V(remove) leaves them out. Required.
            type: str
            choices: [set, add, remove]
          name:
            description:
              - The field's name. It is compared without regard to case. Required.
            type: str
          value:
            description:
              - What stands in it, up to 4096 characters. V(%{NAME}) is the value of a variable, V(%%{) the text V(%{).
              - 'Of the connection: V(client_address), V(client_port), V(scheme), V(port) (the frontend''s), V(tls_sni), V(client_cert_subject).
                Of the request as the client sent it: V(method), V(target), V(path), V(query), V(host) (in lower case and
                without port), V(host_port), V(header:NAME), V(cookie:NAME). And V(request_id), V(frontend), V(backend), V(server).'
              - A field of which nothing is left, as its variables are empty, is not written.
            type: str
          host:
            description:
              - The host that the request must name, without port. Empty matches every host. All conditions are for HTTP.
            type: str
          subdomains:
            description:
              - A domain, such as V(example.com). The request's host must be a name below it, however deep; the domain itself
                is not.
            type: str
          host_prefix:
            description:
              - What the host must begin with, such as V(www.).
            type: str
          host_label:
            description:
              - What must be one of the host's labels, between two dots or at an end.
            type: str
          host_regex:
            description:
              - A regular expression that must be found in the host, which is compared in lower case, as for C(path_regex).
            type: str
          path:
            description:
              - The whole path that the request must have, without query. Paths are compared as servers read them, percent-decoded
                and without empty and dot segments, and passed on as they came.
            type: str
          path_prefix:
            description:
              - What the request's path must begin with, by whole segments. Empty matches every path.
            type: str
          path_regex:
            description:
              - A regular expression that must be found in the path, in Python's syntax; V(^) and V($) hold it to the beginning
                and the end. It costs a path of any kind one step a character, so what cannot be decided so is refused, as
                are backreferences, look-arounds and word boundaries, and repetitions that would make it too large.
            type: str
          ignore_case:
            description:
              - Whether upper and lower case are the same to C(path), C(path_prefix) and C(path_regex).
              - On creation the default is V(false).
            type: bool
          headers:
            description:
              - What the request's fields must be like, each of them. Of several fields of a name one is enough.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The field's name, without regard to case. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          cookies:
            description:
              - The same of cookies.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The cookie's name. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          query:
            description:
              - The same of the query's parameters, percent-decoded.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The parameter's name. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          methods:
            description:
              - The methods of which the request must have one, such as V(POST). V(GET) does not mean V(HEAD) too. V([]) matches
                every method.
            type: list
            elements: str
          sources:
            description:
              - The networks of which one must hold the client's address, up to 10000. It is the connection's, or the one
                that C(client_from) of the frontend takes. An address stands for itself alone. V([]) matches every client.
            type: list
            elements: str
      response_headers:
        description:
          - What is done with fields of answers on their way to clients, in order; before those of the frontend. The list
            is whole. V([]) clears it. HTTP only.
          - The conditions are about the request. Fields that frame a message or concern one connection are refused.
        type: list
        elements: dict
        suboptions:
          action:
            description:
              - V(set) replaces all that came of this name, V(add) adds a field to those, V(remove) leaves them out. Required.
            type: str
            choices: [set, add, remove]
          name:
            description:
              - The field's name. It is compared without regard to case. Required.
            type: str
          value:
            description:
              - What stands in it, with variables as in O(backends.request_headers.value).
            type: str
          host:
            description:
              - The host that the request must name, without port. Empty matches every host. All conditions are for HTTP.
            type: str
          subdomains:
            description:
              - A domain, such as V(example.com). The request's host must be a name below it, however deep; the domain itself
                is not.
            type: str
          host_prefix:
            description:
              - What the host must begin with, such as V(www.).
            type: str
          host_label:
            description:
              - What must be one of the host's labels, between two dots or at an end.
            type: str
          host_regex:
            description:
              - A regular expression that must be found in the host, which is compared in lower case, as for C(path_regex).
            type: str
          path:
            description:
              - The whole path that the request must have, without query. Paths are compared as servers read them, percent-decoded
                and without empty and dot segments, and passed on as they came.
            type: str
          path_prefix:
            description:
              - What the request's path must begin with, by whole segments. Empty matches every path.
            type: str
          path_regex:
            description:
              - A regular expression that must be found in the path, in Python's syntax; V(^) and V($) hold it to the beginning
                and the end. It costs a path of any kind one step a character, so what cannot be decided so is refused, as
                are backreferences, look-arounds and word boundaries, and repetitions that would make it too large.
            type: str
          ignore_case:
            description:
              - Whether upper and lower case are the same to C(path), C(path_prefix) and C(path_regex).
              - On creation the default is V(false).
            type: bool
          headers:
            description:
              - What the request's fields must be like, each of them. Of several fields of a name one is enough.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The field's name, without regard to case. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          cookies:
            description:
              - The same of cookies.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The cookie's name. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          query:
            description:
              - The same of the query's parameters, percent-decoded.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The parameter's name. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          methods:
            description:
              - The methods of which the request must have one, such as V(POST). V(GET) does not mean V(HEAD) too. V([]) matches
                every method.
            type: list
            elements: str
          sources:
            description:
              - The networks of which one must hold the client's address, up to 10000. It is the connection's, or the one
                that C(client_from) of the frontend takes. An address stands for itself alone. V([]) matches every client.
            type: list
            elements: str
      path_rewrite:
        description:
          - How paths change on their way to the servers; the query stays. V({}) goes back to none. HTTP only.
          - A path with V(.) or V(..) segments is not rewritten but refused (400), as is one in which the prefix cannot be
            told from the rest. Browsers send neither.
        type: dict
        suboptions:
          strip_prefix:
            description:
              - What is taken from the beginning of paths, by whole segments. Paths that do not begin so are sent as they
                are.
            type: str
          add_prefix:
            description:
              - What is put before paths, after O(backends.path_rewrite.strip_prefix), and where that is given before those
                it was taken from alone.
            type: str
  frontends:
    description:
      - The frontends, each with the options of M(tandem.lb.frontend).
    type: list
    elements: dict
    suboptions:
      load_balancer:
        description:
          - The load balancer that the frontend belongs to.
        type: str
        required: true
      name:
        description:
          - The frontend's name, unique within its load balancer.
        type: str
        required: true
      port:
        description:
          - The port to listen on, 1 to 65535. Required when the frontend is created.
        type: int
      addresses:
        description:
          - The addresses to listen on, without prefix lengths. V([]) means all floating IPs of the load balancer.
        type: list
        elements: str
      protocol:
        description:
          - What clients speak. V(http) understands requests, V(tcp) passes bytes, V(udp) datagrams, which takes O(frontends.forwarding=kernel).
            It must be the protocol of the backends.
          - On creation the default is V(http).
        type: str
        choices: [http, tcp, udp]
      default_backend:
        description:
          - Name of the backend that takes what no route matches. Empty answers it with status 503, and ends TCP sessions;
            then there must be routes, or O(frontends.redirect_to_https).
        type: str
      routes:
        description:
          - Which requests go to which backend, in order; the first of which all conditions hold counts. The list is whole.
            V([]) clears it.
          - With O(frontends.protocol=tcp) and without O(frontends.tls), routes choose by O(frontends.routes.sni), and TLS
            passes as it is, to servers that end it.
        type: list
        elements: dict
        suboptions:
          backend:
            description:
              - Name of the backend that takes the matching requests. Required, unless there are O(frontends.routes.backends).
            type: str
          backends:
            description:
              - Several backends that share the matching requests by their weights, such as a canary that gets five of a hundred.
                Who is bound to a server of one of them by V(sticky) goes there, and one without a server that is up has no
                share. HTTP only.
            type: list
            elements: dict
            suboptions:
              backend:
                description:
                  - Name of the backend.
                type: str
                required: true
              weight:
                description:
                  - Its share, 0 to 256. V(0) takes no new clients.
                  - On creation the default is V(1).
                type: int
          path_rewrite:
            description:
              - How paths of these requests change on their way to the servers, before V(path_rewrite) of the M(tandem.lb.backend)
                changes them, and as that does. HTTP only.
            type: dict
            suboptions:
              strip_prefix:
                description:
                  - What is taken from the beginning of paths, by whole segments. Paths that do not begin so are sent as they
                    are.
                type: str
              add_prefix:
                description:
                  - What is put before paths, after O(frontends.routes.path_rewrite.strip_prefix), and where that is given
                    before those it was taken from alone.
                type: str
          sni:
            description:
              - The name that a client of TLS must ask for, such as V(shop.example.com), or V(*.example.com) for each name
                directly below. Who asks for another name, or for none, goes to O(frontends.default_backend); who speaks no
                TLS is turned away. TCP only.
            type: str
          host:
            description:
              - The host that the request must name, without port. Empty matches every host. All conditions are for HTTP.
            type: str
          subdomains:
            description:
              - A domain, such as V(example.com). The request's host must be a name below it, however deep; the domain itself
                is not.
            type: str
          host_prefix:
            description:
              - What the host must begin with, such as V(www.).
            type: str
          host_label:
            description:
              - What must be one of the host's labels, between two dots or at an end.
            type: str
          host_regex:
            description:
              - A regular expression that must be found in the host, which is compared in lower case, as for C(path_regex).
            type: str
          path:
            description:
              - The whole path that the request must have, without query. Paths are compared as servers read them, percent-decoded
                and without empty and dot segments, and passed on as they came.
            type: str
          path_prefix:
            description:
              - What the request's path must begin with, by whole segments. Empty matches every path.
            type: str
          path_regex:
            description:
              - A regular expression that must be found in the path, in Python's syntax; V(^) and V($) hold it to the beginning
                and the end. It costs a path of any kind one step a character, so what cannot be decided so is refused, as
                are backreferences, look-arounds and word boundaries, and repetitions that would make it too large.
            type: str
          ignore_case:
            description:
              - Whether upper and lower case are the same to C(path), C(path_prefix) and C(path_regex).
              - On creation the default is V(false).
            type: bool
          headers:
            description:
              - What the request's fields must be like, each of them. Of several fields of a name one is enough.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The field's name, without regard to case. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          cookies:
            description:
              - The same of cookies.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The cookie's name. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          query:
            description:
              - The same of the query's parameters, percent-decoded.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The parameter's name. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          methods:
            description:
              - The methods of which the request must have one, such as V(POST). V(GET) does not mean V(HEAD) too. V([]) matches
                every method.
            type: list
            elements: str
          sources:
            description:
              - The networks of which one must hold the client's address, up to 10000. It is the connection's, or the one
                that C(client_from) of the frontend takes. An address stands for itself alone. V([]) matches every client.
            type: list
            elements: str
      acls:
        description:
          - Who may come in, in order; the first of which all conditions hold counts, before O(frontends.redirect_to_https),
            O(frontends.basic_auth) and O(frontends.routes). The list is whole. V([]) clears it.
          - With O(frontends.protocol=tcp) clients are let in or turned away by O(frontends.acls.sources) alone, before a
            handshake and before a server is chosen.
        type: list
        elements: dict
        suboptions:
          action:
            description:
              - V(deny) answers with O(frontends.acls.status), V(allow) lets the request in, V(redirect) sends it to O(frontends.acls.redirect),
                V(tarpit) denies it after V(timeouts.tarpit) only.
              - On creation the default is V(deny).
            type: str
            choices: [deny, allow, redirect, tarpit]
          invert:
            description:
              - Whether it is for all that do not match.
              - On creation the default is V(false).
            type: bool
          status:
            description:
              - The status that V(deny) and V(tarpit) answer with, 400 to 599.
              - On creation the default is V(403).
            type: int
          redirect:
            description:
              - Where V(redirect) sends clients. What is left out stays as they asked for it. V({}) clears it.
            type: dict
            suboptions:
              scheme:
                description:
                  - The scheme. Empty keeps it.
                type: str
                choices: ['', http, https]
              host:
                description:
                  - The host. Empty keeps it.
                type: str
              port:
                description:
                  - The port, 0 to 65535. V(0) is the scheme's, or where neither scheme nor host is given, that of the request.
                  - On creation the default is V(0).
                type: int
              path:
                description:
                  - The path, with a query where one is wanted; that of the request goes.
                type: str
              path_prefix:
                description:
                  - What takes the place of O(frontends.acls.path_prefix). The rest of the path and the query are kept.
                type: str
              code:
                description:
                  - The status, V(301) or V(308) for good, V(302), V(303) or V(307) for now. V(307) and V(308) keep the method
                    and the body.
                  - On creation the default is V(302).
                type: int
          host:
            description:
              - The host that the request must name, without port. Empty matches every host. All conditions are for HTTP.
            type: str
          subdomains:
            description:
              - A domain, such as V(example.com). The request's host must be a name below it, however deep; the domain itself
                is not.
            type: str
          host_prefix:
            description:
              - What the host must begin with, such as V(www.).
            type: str
          host_label:
            description:
              - What must be one of the host's labels, between two dots or at an end.
            type: str
          host_regex:
            description:
              - A regular expression that must be found in the host, which is compared in lower case, as for C(path_regex).
            type: str
          path:
            description:
              - The whole path that the request must have, without query. Paths are compared as servers read them, percent-decoded
                and without empty and dot segments, and passed on as they came.
            type: str
          path_prefix:
            description:
              - What the request's path must begin with, by whole segments. Empty matches every path.
            type: str
          path_regex:
            description:
              - A regular expression that must be found in the path, in Python's syntax; V(^) and V($) hold it to the beginning
                and the end. It costs a path of any kind one step a character, so what cannot be decided so is refused, as
                are backreferences, look-arounds and word boundaries, and repetitions that would make it too large.
            type: str
          ignore_case:
            description:
              - Whether upper and lower case are the same to C(path), C(path_prefix) and C(path_regex).
              - On creation the default is V(false).
            type: bool
          headers:
            description:
              - What the request's fields must be like, each of them. Of several fields of a name one is enough.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The field's name, without regard to case. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          cookies:
            description:
              - The same of cookies.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The cookie's name. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          query:
            description:
              - The same of the query's parameters, percent-decoded.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The parameter's name. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          methods:
            description:
              - The methods of which the request must have one, such as V(POST). V(GET) does not mean V(HEAD) too. V([]) matches
                every method.
            type: list
            elements: str
          sources:
            description:
              - The networks of which one must hold the client's address, up to 10000. It is the connection's, or the one
                that C(client_from) of the frontend takes. An address stands for itself alone. V([]) matches every client.
            type: list
            elements: str
      acl_default:
        description:
          - What becomes of requests, or clients of TCP, that no ACL is about.
          - On creation the default is V(allow).
        type: str
        choices: [allow, deny]
      basic_auth:
        description:
          - A user's name and password, which browsers ask for (RFC 7617), for requests of which all conditions hold; without
            conditions, for all. Give it where TLS ends here, as passwords pass readable. V({}) clears it. HTTP only.
        type: dict
        suboptions:
          users:
            description:
              - Who may come in, up to 200. The list is whole. V([]) asks nobody.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The user's name.
                type: str
                required: true
              password_hash:
                description:
                  - The hash of the password, by scrypt or PBKDF2 as passlib writes it, such as V($scrypt$ln=14,r=8,p=1$SALT$HASH).
                    It is kept as a secret is; the document, diffs and results have its fingerprint. Required for a new user.
                type: str
          realm:
            description:
              - What browsers show when they ask.
              - On creation the default is V(Restricted).
            type: str
          invert:
            description:
              - Whether it is for all requests that do not match.
              - On creation the default is V(false).
            type: bool
          host:
            description:
              - The host that the request must name, without port. Empty matches every host. All conditions are for HTTP.
            type: str
          subdomains:
            description:
              - A domain, such as V(example.com). The request's host must be a name below it, however deep; the domain itself
                is not.
            type: str
          host_prefix:
            description:
              - What the host must begin with, such as V(www.).
            type: str
          host_label:
            description:
              - What must be one of the host's labels, between two dots or at an end.
            type: str
          host_regex:
            description:
              - A regular expression that must be found in the host, which is compared in lower case, as for C(path_regex).
            type: str
          path:
            description:
              - The whole path that the request must have, without query. Paths are compared as servers read them, percent-decoded
                and without empty and dot segments, and passed on as they came.
            type: str
          path_prefix:
            description:
              - What the request's path must begin with, by whole segments. Empty matches every path.
            type: str
          path_regex:
            description:
              - A regular expression that must be found in the path, in Python's syntax; V(^) and V($) hold it to the beginning
                and the end. It costs a path of any kind one step a character, so what cannot be decided so is refused, as
                are backreferences, look-arounds and word boundaries, and repetitions that would make it too large.
            type: str
          ignore_case:
            description:
              - Whether upper and lower case are the same to C(path), C(path_prefix) and C(path_regex).
              - On creation the default is V(false).
            type: bool
          headers:
            description:
              - What the request's fields must be like, each of them. Of several fields of a name one is enough.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The field's name, without regard to case. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          cookies:
            description:
              - The same of cookies.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The cookie's name. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          query:
            description:
              - The same of the query's parameters, percent-decoded.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The parameter's name. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          methods:
            description:
              - The methods of which the request must have one, such as V(POST). V(GET) does not mean V(HEAD) too. V([]) matches
                every method.
            type: list
            elements: str
          sources:
            description:
              - The networks of which one must hold the client's address, up to 10000. It is the connection's, or the one
                that C(client_from) of the frontend takes. An address stands for itself alone. V([]) matches every client.
            type: list
            elements: str
      tls:
        description:
          - How TLS ends at this frontend. With O(frontends.protocol=tcp) the backends get what was in it. V({}) goes back
            to none.
        type: dict
        suboptions:
          certificates:
            description:
              - The names of M(tandem.lb.certificate)s of the same load balancer. A client gets one that is for the name it
                asks for; of several one that is valid now, then one with just this name before one with V(*). Those that
                ask for another name, or for none, get the first of the list. V([]) means no TLS.
            type: list
            elements: str
          profile:
            description:
              - Which versions and ciphers clients may use. V(intermediate) is for clients of the last ten years, V(modern)
                takes TLS 1.3 alone, both as version 6.0 of Mozilla's guidelines has them. Empty means the V(tls_profile)
                of the M(tandem.lb.load_balancer).
            type: str
            choices: ['', intermediate, modern]
          alpn:
            description:
              - The protocols that are offered to clients by ALPN, the most wanted first. V([]) offers none. With O(frontends.protocol=http)
                these are V(http/1.1) and V(http/1.0); with O(frontends.protocol=tcp) what the servers speak.
              - On creation the default is V([http/1.1]).
            type: list
            elements: str
          sni_strict:
            description:
              - Whether clients that ask for a name of no certificate, or for none, are refused instead of getting the first.
              - On creation the default is V(false).
            type: bool
          client_auth:
            description:
              - Whether clients must show a certificate of O(frontends.tls.client_ca). V(required) refuses those without,
                V(optional) lets them in, and refuses those whose certificate is not valid, V(none) asks for none.
              - The servers of an HTTP frontend are told of a client's certificate by Client-Cert (RFC 9440) and Client-Cert-Subject,
                which no client can write.
              - On creation the default is V(none).
            type: str
            choices: [none, optional, required]
          client_ca:
            description:
              - The certificates of the authorities that clients may have theirs from, in PEM.
            type: str
          client_ca_file:
            description:
              - The same, read from a file of the controller. Relative paths are looked for as those of M(ansible.builtin.copy)
                are.
            type: str
          client_crl:
            description:
              - The revocation lists of these authorities, in PEM. Once there are any, every authority of O(frontends.tls.client_ca)
                needs one that is current, or its clients are refused.
            type: str
          client_crl_file:
            description:
              - The same, read from a file of the controller.
            type: str
          hsts:
            description:
              - How long browsers shall come by HTTPS alone once they were here (Strict-Transport-Security, RFC 6797), up
                to 3650d. V(0) does not say it. Begin with a short time, since it cannot be taken back before it has gone
                by. HTTP only.
              - On creation the default is V(0ms).
            type: str
          hsts_subdomains:
            description:
              - Whether that is so for all names below the host's too.
              - On creation the default is V(false).
            type: bool
      accept_proxy_protocol:
        description:
          - The networks of the proxies in front of this frontend that say whose a connection is by a header ahead of it (the
            PROXY protocol, versions 1 and 2), such as V(192.0.2.0/24). Each of their connections must begin with one, within
            O(frontends.timeouts.request), or it is reset. The client that it names is the client everywhere, in X-Forwarded-For,
            sticky sessions, limits and the access log.
          - Everybody else is served as it comes, and is not believed. A header from them ends the connection. V([]) expects
            none from anybody.
        type: list
        elements: str
      redirect_to_https:
        description:
          - Whether every request is answered with a redirect (status 308) to the same host and path by HTTPS. It is for the
            frontend of port 80. HTTP only.
          - On creation the default is V(false).
        type: bool
      redirect_to_https_port:
        description:
          - The port of HTTPS that clients are sent to, 1 to 65535.
          - On creation the default is V(443).
        type: int
      redirect_except:
        description:
          - What the paths of requests begin with that are not redirected but go to O(frontends.routes) and O(frontends.default_backend),
            such as V(/.well-known/acme-challenge/). V([]) redirects all.
        type: list
        elements: str
      forwarded_for:
        description:
          - 'What is done with the fields in which proxies name the client: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host,
            X-Forwarded-Port, Forwarded and X-Real-IP. HTTP only.'
          - V(replace) drops what the client sent, and writes O(frontends.forwarded_fields). What comes from O(frontends.trusted_proxies)
            is kept, and the client's address added.
          - V(append) keeps what any client wrote and adds its address. Servers then believe every client, so it is for where
            each is a proxy of yours.
          - V(none) passes all of them as they came.
          - On creation the default is V(replace).
        type: str
        choices: [replace, append, none]
      forwarded_fields:
        description:
          - 'Which fields name the client to the servers, and what the proxy knows of how it was reached: of V(X-Forwarded-For),
            V(X-Forwarded-Proto), V(X-Forwarded-Host), V(X-Forwarded-Port) and V(Forwarded) (RFC 7239). V([]) writes none.
            Of O(frontends.trusted_proxies) the address is added to what they wrote in the first and in the last, and what
            they wrote in the others is kept. HTTP only.'
          - On creation the default is V([X-Forwarded-For, X-Forwarded-Proto]).
        type: list
        elements: str
      trusted_proxies:
        description:
          - The networks of the proxies in front of this frontend, such as V(192.0.2.0/24), whose forwarded fields are kept
            with O(frontends.forwarded_for=replace). An address stands for itself alone. V([]) trusts nobody. HTTP only.
        type: list
        elements: str
      client_from:
        description:
          - The field in which O(frontends.trusted_proxies) name their client, such as V(X-Forwarded-For) or V(CF-Connecting-IP).
            What they pass on is then that client's for the O(frontends.acls) and O(frontends.routes) by source network, O(frontends.client_limits)
            (but its connections, which are the proxy's), C(balance=source) and stickiness by source of backends, the access
            log and C(%{client_address}). Of a list it is the last address that is not of O(frontends.trusted_proxies).
          - Where no address stands there, it is the proxy's. V("") takes the connection's address, as it does for all others.
            HTTP only.
        type: str
      via:
        description:
          - Whether requests get a Via field. nginx as a server does not compress answers to requests that carry one, unless
            its gzip_proxied says so. HTTP only.
          - On creation the default is V(true).
        type: bool
      header_underscores:
        description:
          - What is done with request fields that have V(_) in their names. To servers of CGI and WSGI they have the same
            names as those with V(-), so that a client could send what O(frontends.forwarded_for) drops. V(drop) leaves them
            out, V(pass) passes them. HTTP only.
          - On creation the default is V(drop).
        type: str
        choices: [drop, pass]
      upgrades:
        description:
          - The protocols that a client may ask to switch to with Upgrade; requests for others go on without it. V([]) means
            none. Those that carry requests again, such as V(h2c), are refused, as their requests would pass O(frontends.routes)
            unread. HTTP only.
          - On creation the default is V([websocket]).
        type: list
        elements: str
      request_headers:
        description:
          - What is done with fields of requests on their way to the servers, in order; after O(frontends.forwarded_for),
            and before the V(request_headers) of the M(tandem.lb.backend). The list is whole. V([]) clears it. HTTP only.
          - Fields that frame a message or concern one connection (Content-Length, Transfer-Encoding, Connection, Upgrade,
            TE and their like) are refused.
        type: list
        elements: dict
        suboptions:
          action:
            description:
              - V(set) replaces all that came of this name, V(add) adds a field to those, V(remove) leaves them out. Required.
            type: str
            choices: [set, add, remove]
          name:
            description:
              - The field's name. It is compared without regard to case. Required.
            type: str
          value:
            description:
              - What stands in it, up to 4096 characters. V(%{NAME}) is the value of a variable, V(%%{) the text V(%{).
              - 'Of the connection: V(client_address), V(client_port), V(scheme), V(port) (the frontend''s), V(tls_sni), V(client_cert_subject).
                Of the request as the client sent it: V(method), V(target), V(path), V(query), V(host) (in lower case and
                without port), V(host_port), V(header:NAME), V(cookie:NAME). And V(request_id), V(frontend), V(backend), V(server).'
              - A field of which nothing is left, as its variables are empty, is not written.
            type: str
          host:
            description:
              - The host that the request must name, without port. Empty matches every host. All conditions are for HTTP.
            type: str
          subdomains:
            description:
              - A domain, such as V(example.com). The request's host must be a name below it, however deep; the domain itself
                is not.
            type: str
          host_prefix:
            description:
              - What the host must begin with, such as V(www.).
            type: str
          host_label:
            description:
              - What must be one of the host's labels, between two dots or at an end.
            type: str
          host_regex:
            description:
              - A regular expression that must be found in the host, which is compared in lower case, as for C(path_regex).
            type: str
          path:
            description:
              - The whole path that the request must have, without query. Paths are compared as servers read them, percent-decoded
                and without empty and dot segments, and passed on as they came.
            type: str
          path_prefix:
            description:
              - What the request's path must begin with, by whole segments. Empty matches every path.
            type: str
          path_regex:
            description:
              - A regular expression that must be found in the path, in Python's syntax; V(^) and V($) hold it to the beginning
                and the end. It costs a path of any kind one step a character, so what cannot be decided so is refused, as
                are backreferences, look-arounds and word boundaries, and repetitions that would make it too large.
            type: str
          ignore_case:
            description:
              - Whether upper and lower case are the same to C(path), C(path_prefix) and C(path_regex).
              - On creation the default is V(false).
            type: bool
          headers:
            description:
              - What the request's fields must be like, each of them. Of several fields of a name one is enough.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The field's name, without regard to case. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          cookies:
            description:
              - The same of cookies.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The cookie's name. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          query:
            description:
              - The same of the query's parameters, percent-decoded.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The parameter's name. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          methods:
            description:
              - The methods of which the request must have one, such as V(POST). V(GET) does not mean V(HEAD) too. V([]) matches
                every method.
            type: list
            elements: str
          sources:
            description:
              - The networks of which one must hold the client's address, up to 10000. It is the connection's, or the one
                that C(client_from) of the frontend takes. An address stands for itself alone. V([]) matches every client.
            type: list
            elements: str
      response_headers:
        description:
          - What is done with fields of answers on their way to clients, in order; after those of the backend. Answers of
            the proxy itself have them too. The list is whole. V([]) clears it. HTTP only.
          - The conditions are about the request. Fields that frame a message or concern one connection are refused.
        type: list
        elements: dict
        suboptions:
          action:
            description:
              - V(set) replaces all that came of this name, V(add) adds a field to those, V(remove) leaves them out. Required.
            type: str
            choices: [set, add, remove]
          name:
            description:
              - The field's name. It is compared without regard to case. Required.
            type: str
          value:
            description:
              - What stands in it, with variables as in O(frontends.request_headers.value).
            type: str
          host:
            description:
              - The host that the request must name, without port. Empty matches every host. All conditions are for HTTP.
            type: str
          subdomains:
            description:
              - A domain, such as V(example.com). The request's host must be a name below it, however deep; the domain itself
                is not.
            type: str
          host_prefix:
            description:
              - What the host must begin with, such as V(www.).
            type: str
          host_label:
            description:
              - What must be one of the host's labels, between two dots or at an end.
            type: str
          host_regex:
            description:
              - A regular expression that must be found in the host, which is compared in lower case, as for C(path_regex).
            type: str
          path:
            description:
              - The whole path that the request must have, without query. Paths are compared as servers read them, percent-decoded
                and without empty and dot segments, and passed on as they came.
            type: str
          path_prefix:
            description:
              - What the request's path must begin with, by whole segments. Empty matches every path.
            type: str
          path_regex:
            description:
              - A regular expression that must be found in the path, in Python's syntax; V(^) and V($) hold it to the beginning
                and the end. It costs a path of any kind one step a character, so what cannot be decided so is refused, as
                are backreferences, look-arounds and word boundaries, and repetitions that would make it too large.
            type: str
          ignore_case:
            description:
              - Whether upper and lower case are the same to C(path), C(path_prefix) and C(path_regex).
              - On creation the default is V(false).
            type: bool
          headers:
            description:
              - What the request's fields must be like, each of them. Of several fields of a name one is enough.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The field's name, without regard to case. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          cookies:
            description:
              - The same of cookies.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The cookie's name. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          query:
            description:
              - The same of the query's parameters, percent-decoded.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The parameter's name. Required.
                type: str
              value:
                description:
                  - The whole value.
                type: str
              prefix:
                description:
                  - What the value begins with.
                type: str
              contains:
                description:
                  - What is in the value.
                type: str
              regex:
                description:
                  - A regular expression that is found in the value, as for C(path_regex).
                type: str
              invert:
                description:
                  - Whether it must not be so of any value, or with the name alone, that there is none.
                  - On creation the default is V(false).
                type: bool
          methods:
            description:
              - The methods of which the request must have one, such as V(POST). V(GET) does not mean V(HEAD) too. V([]) matches
                every method.
            type: list
            elements: str
          sources:
            description:
              - The networks of which one must hold the client's address, up to 10000. It is the connection's, or the one
                that C(client_from) of the frontend takes. An address stands for itself alone. V([]) matches every client.
            type: list
            elements: str
      request_id:
        description:
          - What names a request in a field to the servers, in the access log (V(request_id)), and as a variable. V({}) goes
            back to none. HTTP only.
        type: dict
        suboptions:
          mode:
            description:
              - V(make) gives each request a name of 32 hexadecimal digits, drawn at random, whatever came. V(pass) keeps
                the one that came from those whose word O(frontends.forwarded_for) takes, if it is up to 128 letters, digits
                and V(._~+/=:@-), and makes one for all others. V(none) leaves the field alone.
              - On creation the default is V(none).
            type: str
            choices: [none, make, pass]
          header:
            description:
              - The field's name.
              - On creation the default is V(X-Request-ID).
            type: str
      compression:
        description:
          - Whether answers are compressed with gzip on their way to clients that take it. HTTP only. V({}) goes back to none.
          - Not what is encoded already, or may not be changed (Cache-Control no-transform). Compress no page that shows a
            secret beside what its client has sent, or the length of the answer gives the secret away (BREACH).
        type: dict
        suboptions:
          enabled:
            description:
              - Whether any are.
              - On creation the default is V(false).
            type: bool
          types:
            description:
              - The types of content that are compressed, without parameters.
              - On creation the default is V([application/javascript, application/json, application/xml, image/svg+xml, text/css,
                text/html, text/javascript, text/plain, text/xml]).
            type: list
            elements: str
          minimum:
            description:
              - From how many bytes on, 1 to 1073741824. Answers that do not say their length are compressed, however short.
              - On creation the default is V(1024).
            type: int
          level:
            description:
              - V(1) is fast, V(9) makes them smallest.
              - On creation the default is V(4).
            type: int
      error_pages:
        description:
          - Pages that clients see in place of the proxy's own, for what no server has answered, up to 1 MiB in all. The list
            is whole. V([]) clears it. HTTP only.
        type: list
        elements: dict
        suboptions:
          status:
            description:
              - The status that the page is for, 400 to 599.
            type: int
            required: true
          content:
            description:
              - The page itself, up to 64 KiB; that of a file by the lookup P(ansible.builtin.file#lookup). Required for a
                new one.
            type: str
          content_type:
            description:
              - What it is.
              - On creation the default is V(text/html; charset=utf-8).
            type: str
      timeouts:
        description:
          - How long the proxy waits for clients. V({}) goes back to the defaults. Silent TCP sessions end by their backend's
            V(timeouts.tunnel).
        type: dict
        suboptions:
          client:
            description:
              - The longest silence of the client while it is its turn, 10ms to 1d. HTTP only.
              - On creation the default is V(30s).
            type: str
          request:
            description:
              - The longest until a whole request head is there, and before it the TLS handshake, and before that the header
                of O(frontends.accept_proxy_protocol), 10ms to 10m. With TCP it is for these, and for O(frontends.routes),
                only.
              - On creation the default is V(10s).
            type: str
          keepalive:
            description:
              - The longest idle time between two requests of a connection, 10ms to 1d. HTTP only.
              - On creation the default is V(1m).
            type: str
          tarpit:
            description:
              - How long O(frontends.acls.action=tarpit) holds a request, 10ms to 1m. HTTP only.
              - On creation the default is V(10s).
            type: str
      max_connections:
        description:
          - The most connections of clients at a time, 1 to 1000000.
          - On creation the default is V(10000).
        type: int
      keepalive_probes:
        description:
          - TCP keepalives on connections of clients, so that sessions of a client that is gone without a word end. They hold
            for connections that are made from then on. V({}) goes back to none.
        type: dict
        suboptions:
          idle:
            description:
              - After how much silence the client's kernel is asked for the first time, in whole seconds, up to 32767. V(0)
                means never.
              - On creation the default is V(0ms).
            type: str
          interval:
            description:
              - The time between two questions, in whole seconds from 1 to 32767.
              - On creation the default is V(10s).
            type: str
          count:
            description:
              - After how many unanswered questions the connection ends, 1 to 127.
              - On creation the default is V(3).
            type: int
      connection_rate_limit:
        description:
          - How many connections are accepted in a second, all workers of a node together. Who comes meanwhile waits in the
            kernel's queue, and is accepted later. V(0) is no limit.
          - On creation the default is V(0).
        type: int
      client_limits:
        description:
          - What one client may do, all workers of a node together. A client is an IPv4 address, or an IPv6 network of 64
            bits, since a host chooses its address within one. V({}) clears all limits.
        type: dict
        suboptions:
          requests_per_second:
            description:
              - How many requests a client may make in a second, up to 1000000. More get status 429 with Retry-After. With
                O(frontends.protocol=tcp) a session counts as a request, and more are reset. V(0) is no limit.
              - On creation the default is V(0).
            type: int
          burst:
            description:
              - How many requests a client that has been silent may make at once, up to 1000000. V(0) means what comes in
                a second.
              - On creation the default is V(0).
            type: int
          connections:
            description:
              - How many connections a client may have at a time, up to 60000. More are reset. Browsers open six to a host,
                and many people may share one address. V(0) is no limit.
              - On creation the default is V(0).
            type: int
          exempt:
            description:
              - The networks of clients that have no limits, such as V(192.0.2.0/24). V([]) exempts nobody.
            type: list
            elements: str
      max_head:
        description:
          - The longest head of a request in bytes, 1024 to 1048576. A line of it may be as long, as tokens and cookies are.
            Longer ones get status 431, a longer request line 414. HTTP only.
          - On creation the default is V(65536).
        type: int
      max_body:
        description:
          - The longest body of a request in bytes, up to 1000000000000. Longer ones get status 413, those in chunks as soon
            as they are longer. V(0) is no limit. HTTP only.
          - On creation the default is V(0).
        type: int
      access_log:
        description:
          - The form of the access log. V(json) writes one object a line, V(common) the Common Log Format, V(combined) that
            with referrer and user agent, V(haproxy) what HAProxy writes with C(option httplog), of TCP with C(option tcplog),
            V(none) nothing.
          - A line is for a request, and of TCP for a session, when it has ended. V(common) and V(combined) are for HTTP only.
          - On creation the default is V(none).
        type: str
        choices: [none, json, common, combined, haproxy]
      forwarding:
        description:
          - Who passes the traffic on. V(proxy) is a process on the node, which understands it. V(kernel) hands the packets
            to nftables, as fast as routing, and connections go on when the active node dies. It is for V(tcp) and V(udp)
            frontends that need nothing of a proxy; options that do are refused by name. The node needs the program nft, and
            forwards packets from then on (V(net.ipv4.ip_forward)).
          - The kernel chooses a server by a hash of the client's address and port, or with V(source) as the backend's balance
            or stickiness, of its address alone.
          - On creation the default is V(proxy).
        type: str
        choices: [proxy, kernel]
      client_address:
        description:
          - What servers see with O(frontends.forwarding=kernel). V(snat) is the floating IP, which works wherever the servers
            are. V(keep) leaves them the client's own address; they must send their answers back through the floating IP,
            so it is for servers whose route to the clients is the floating IP.
          - On creation the default is V(snat).
        type: str
        choices: [snat, keep]
      enabled:
        description:
          - Whether the frontend listens.
          - On creation the default is V(true).
        type: bool
"""
