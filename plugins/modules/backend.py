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
      - 'The servers that take the requests. The list is whole: a server that is not in it is removed from the backend, and
        V([]) clears it. Options left out of a server that exists are left as they are. The order counts for O(balance=first)
        and O(use_all_backups=false) only.'
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
          - The server's IPv4 or IPv6 address, or a host name, whose addresses the nodes look for while they run (see O(resolver)).
            Required for a new server.
          - Of several addresses one is used, for as long as the name has it. Servers of a backend that are stated by the
            same name and port use different ones as far as there are enough.
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
          - The most connections to this server from this node, over all its workers. V(0) is no limit. More requests wait,
            see O(max_queue).
          - On creation the default is V(0).
        type: int
      backup:
        description:
          - Whether the server is used only when no other one is up. See O(use_all_backups).
          - On creation the default is V(false).
        type: bool
      expand:
        description:
          - How many servers a host name stands for, up to 256. They are called like this one with V(-1), V(-2) and so on
            after the name, each has an address of its own for as long as the host name has it, and those for which there
            is none are down. V(0) means one server.
          - On creation the default is V(0).
        type: int
  resolver:
    description:
      - How the addresses of servers are found that are stated by a host name. V({}) goes back to the defaults.
    type: dict
    suboptions:
      name_servers:
        description:
          - Who is asked, in this order, up to 8, each as V(192.0.2.53) or V(192.0.2.53:8600). Names are then asked for as
            they are stated.
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
        V(first) the first in the list that has room, V(source) by the client's address, V(random) of two that are drawn by
        weight the one with fewer connections.
      - On creation the default is V(roundrobin).
    type: str
    choices: [roundrobin, leastconn, first, source, random]
  use_all_backups:
    description:
      - Whether all backups that are up share the clients when no other server is up. V(false) uses the first one in the list.
      - On creation the default is V(true).
    type: bool
  slow_start:
    description:
      - For how long a server that has come up, after it was down or in maintenance, gets only a part of its share, which
        grows from little to all of it, up to 1h. V(0) means that it gets all at once. For O(balance=roundrobin), O(balance=leastconn)
        and O(balance=random).
      - On creation the default is V(0ms).
    type: str
  sticky:
    description:
      - How a client is bound to a server. V({}) goes back to none.
    type: dict
    suboptions:
      type:
        description:
          - V(cookie) sets a cookie that names the server (HTTP only). V(source) remembers the client's address. V(none) binds
            nobody.
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
          - V(insert) sets a cookie of its own, which servers do not see. V(prefix) puts the server's name before the value
            of the application's cookie O(sticky.cookie_name), and takes it out again before requests go to a server. V(rewrite)
            puts the name in place of that value, for a cookie that the application sets for this alone.
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
          - What the cookie says of requests from other sites (SameSite). V(none) sends it with all of them, and needs TLS;
            V(unset) says nothing.
          - On creation the default is V(lax).
        type: str
        choices: [lax, strict, none, unset]
      cookie_secure:
        description:
          - Whether browsers shall send the cookie over TLS alone. V(auto) says so to clients that came over TLS; where a
            proxy in front ends it, use V(always).
          - On creation the default is V(auto).
        type: str
        choices: [auto, always, never]
  health_check:
    description:
      - The repeated probe that decides whether a server is up. A server is not up before its first passed check. V({}) goes
        back to the defaults.
    type: dict
    suboptions:
      type:
        description:
          - What is asked. V(tcp) opens a connection. V(http) sends a request and looks at the answer; V(https) does so over
            TLS, also where O(tls.enabled) is V(false). V(tls) shakes hands. V(redis) sends PING. V(mysql) reads the greeting,
            V(postgresql) asks whether TLS is spoken; with O(health_check.user) both begin a session. V(ldap) binds anonymously.
            V(smtp) reads the greeting and says EHLO. V(script) runs a program on the node. V(none) takes every server for
            up.
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
          - Time a check may take, 10ms to 1h. Where it is longer than O(health_check.interval), the next check still begins
            after the last one has ended.
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
          - For O(health_check.type=smtp) the name that is said with EHLO. Empty means V(localhost).
        type: str
      http_version:
        description:
          - The version of the request, for servers that know none but V(1.0). Answers of both versions are read either way.
          - On creation the default is V(1.1).
        type: str
        choices: ['1.1', '1.0']
      headers:
        description:
          - Fields that are sent with the request, a map of names and values. They stand in the document and in diffs, so
            they are no place for secrets.
        type: dict
      expect_status:
        description:
          - The statuses that pass, such as V(200-299) or V(200,204). A redirect passes only where its status is among them,
            as with V(200-399).
          - On creation the default is V(200-299).
        type: str
      expect_body:
        description:
          - A text that the answer's body must hold. Empty means any body.
        type: str
      expect_body_regex:
        description:
          - A regular expression (Python's syntax, on bytes) that must match somewhere in the first 64 KiB of the answer's
            body, instead of O(health_check.expect_body). V(^) and V($) are the beginning and the end of the body. Those that
            a text could make slow, such as with backreferences, are refused.
        type: str
      user:
        description:
          - For O(health_check.type=mysql) and O(health_check.type=postgresql), the name of a user without rights and, with
            MySQL, without a password. Empty means that no session is begun.
        type: str
      redis_role:
        description:
          - For O(health_check.type=redis). V(master) takes a server for up only while it is the master, so that clients reach
            the one that takes writes.
          - On creation the default is V(any).
        type: str
        choices: [any, master]
      script:
        description:
          - For O(health_check.type=script), the absolute path of a program on the nodes. Exit status 0 passes. It runs as
            the account of the proxy, and as nobody where that is root. It, and each folder above it, must belong to root
            or that account and be writable by no other.
        type: str
      tls:
        description:
          - Whether the check speaks TLS. V(auto) does what O(tls.enabled) says. With V(always) and V(never) it is V(true)
            or V(false) for the check alone; all else is as O(tls) has it.
          - On creation the default is V(auto).
        type: str
        choices: [auto, always, never]
      proxy_protocol:
        description:
          - Whether the check begins with the header of the PROXY protocol, and in which version. V(auto) does what O(proxy_protocol)
            says. It says that the connection is the proxy's own.
          - On creation the default is V(auto).
        type: str
        choices: [auto, none, v1, v2]
      sni:
        description:
          - The host name that a check over TLS asks by, and that the server's certificate must then be for, unless O(tls.verify_name)
            says otherwise. Empty means as O(tls.sni) has it.
        type: str
      agent:
        description:
          - A program that says of each server, beside the check, how much it takes (HAProxy's agent protocol). V({}) asks
            none.
        type: dict
        suboptions:
          port:
            description:
              - The port that the agents listen on, up to 65535. V(0) means that there are none.
              - On creation the default is V(0).
            type: int
          address:
            description:
              - The IPv4 or IPv6 address of one agent that speaks for all servers. Empty means that each server has its own.
            type: str
          interval:
            description:
              - Time from the end of an answer to the next question, 50ms to 1h.
              - On creation the default is V(3s).
            type: str
          send:
            description:
              - What is said to an agent first, up to 80 bytes; C({backend}) and C({server}) in it are replaced by their names.
                A line feed is added. Empty means nothing.
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
          - Whether a server's certificate must be valid, from an authority of O(tls.ca), and for the right name. V(false)
            takes any certificate, so that whoever stands between can read and change everything.
          - On creation the default is V(true).
        type: bool
      ca:
        description:
          - The certificates of the authorities that servers may have theirs from, in PEM. Empty means the authorities of
            the node's system.
        type: str
      ca_file:
        description:
          - The same, read from a file of the controller. Relative paths are looked for as those of M(ansible.builtin.copy)
            are.
        type: str
      sni:
        description:
          - The host name that the servers are asked by. Empty means the host name in each server's O(servers.address), or
            its O(servers.name) where that is a host name with a domain, such as V(app-1.example.com), and no name for the
            others. The host that a request names is never used.
        type: str
      verify_name:
        description:
          - The host name or address that the servers' certificates must be for. Empty means the name that a server is asked
            by (see O(tls.sni)), and where there is none its O(servers.address).
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
      - What a request is sent again after, O(max_retries) times at most. V(connect_failure), when no connection came about.
        V(empty_response), when the server closed the connection without a byte of an answer. A status of V(404), V(408),
        V(425), V(429), V(500), V(502), V(503), V(504), when another server may answer better; the last answer goes out, whatever
        it is.
      - But for the first one only requests are sent again whose method is idempotent (RFC 9110 9.2.2), and of which all is
        still at hand. A kept connection that the server closes as the request comes is made anew always.
      - On creation the default is V([connect_failure, empty_response]).
    type: list
    elements: str
  max_retries:
    description:
      - How often a request is tried again, up to 20 times, before the client gets status 503. See O(retry_on).
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
      - Whether a server is also taken for down for failing the requests of clients, until its checks pass again. The last
        server of a backend that is up stays up. V({}) goes back to not looking at requests.
    type: dict
    suboptions:
      errors:
        description:
          - How many failed requests, over all workers of the node, take a server down, up to 10000. Connections count that
            do not come about, and answers that do not come, are not valid or end too early. V(0) does not count.
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
      - TCP keepalives on connections to servers, so that sessions with a server that is gone without a word end. V({}) goes
        back to none.
    type: dict
    suboptions:
      idle:
        description:
          - After how much silence the server's kernel is asked for the first time, in whole seconds, up to 32767. V(0) means
            never.
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
      - Whether the servers are told whose a connection is, by a header ahead of it (the PROXY protocol), and in which version.
        They must expect it. V(v1) is a line of text with the addresses; V(v2) is binary, and says with TLS which version
        and certificate the client had, and which host it asked for.
      - Health checks do as O(health_check.proxy_protocol) says.
      - With O(protocol=http) a connection to a server then is one client's alone, and ends with the client's.
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
          - V(error) answers with O(on_all_down.status) and O(on_all_down.content), V(redirect) sends clients to O(on_all_down.location),
            V(fallback) has O(on_all_down.backend) take the requests until a server is up again, V(close) ends connections
            without an answer. With TCP there are V(error), which ends sessions, and V(fallback).
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
          - Where a redirect leads, with variables as in O(request_headers.value).
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
      - Fields that frame a message or concern one connection (Content-Length, Transfer-Encoding, Connection, Upgrade, TE
        and their like) are refused.
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
            Of the request as the client sent it: V(method), V(target), V(path), V(query), V(host) (in lower case and without
            port), V(host_port), V(header:NAME), V(cookie:NAME). And V(request_id), V(frontend), V(backend), V(server).'
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
            and the end. It costs a path of any kind one step a character, so what cannot be decided so is refused, as are
            backreferences, look-arounds and word boundaries, and repetitions that would make it too large.
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
          - The networks of which one must hold the client's address, up to 10000. It is the connection's, or the one that
            C(client_from) of the frontend takes. An address stands for itself alone. V([]) matches every client.
        type: list
        elements: str
  response_headers:
    description:
      - What is done with fields of answers on their way to clients, in order; before those of the frontend. The list is whole.
        V([]) clears it. HTTP only.
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
          - What stands in it, with variables as in O(request_headers.value).
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
            and the end. It costs a path of any kind one step a character, so what cannot be decided so is refused, as are
            backreferences, look-arounds and word boundaries, and repetitions that would make it too large.
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
          - The networks of which one must hold the client's address, up to 10000. It is the connection's, or the one that
            C(client_from) of the frontend takes. An address stands for itself alone. V([]) matches every client.
        type: list
        elements: str
  path_rewrite:
    description:
      - How paths change on their way to the servers; the query stays. V({}) goes back to none. HTTP only.
      - A path with V(.) or V(..) segments is not rewritten but refused (400), as is one in which the prefix cannot be told
        from the rest. Browsers send neither.
    type: dict
    suboptions:
      strip_prefix:
        description:
          - What is taken from the beginning of paths, by whole segments. Paths that do not begin so are sent as they are.
        type: str
      add_prefix:
        description:
          - What is put before paths, after O(path_rewrite.strip_prefix), and where that is given before those it was taken
            from alone.
        type: str
  state:
    description:
      - V(present) makes the backend be as stated. V(absent) removes it, which is refused while a frontend uses it.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - tandem.lb.node
  - tandem.lb.change
seealso:
  - module: tandem.lb.certificate
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

- name: Three servers at whatever addresses one name has, asked of a name server of our own
  tandem.lb.backend:
    load_balancer: edge
    name: shop
    port: 8080
    servers:
      - {name: app, address: app.service.consul, expand: 3}
    resolver: {name_servers: ["127.0.0.1:8600"]}

- name: Two Redis servers, of which clients reach the master
  tandem.lb.backend:
    load_balancer: edge
    name: sessions
    protocol: tcp
    port: 6379
    servers:
      - {name: redis-1, address: 192.0.2.31}
      - {name: redis-2, address: 192.0.2.32}
    health_check: {type: redis, redis_role: master}

- name: Bind each client to its server by a cookie
  tandem.lb.backend:
    load_balancer: edge
    name: shop
    sticky: {type: cookie}

- name: Ask the servers over TLS, and take certificates of our own authority alone
  tandem.lb.backend:
    load_balancer: edge
    name: shop
    port: 8443
    tls:
      enabled: true
      ca_file: our-authority.pem
      sni: shop.internal.example.com

- name: Remove it
  tandem.lb.backend:
    load_balancer: edge
    name: shop
    state: absent

- name: Servers that know themselves by another host and path, and a backend that takes over when they are all down
  tandem.lb.backend:
    load_balancer: edge
    name: wiki
    port: 8080
    servers:
      - {name: wiki-1, address: 192.0.2.31}
    request_headers:
      - {action: set, name: Host, value: "%{server}.internal.example.com"}
    path_rewrite: {strip_prefix: /wiki}
    on_all_down: {action: fallback, backend: closed}

- name: Sticky by the cookie that the application sets itself
  tandem.lb.backend:
    load_balancer: edge
    name: shop
    sticky: {type: cookie, cookie_name: JSESSIONID, cookie_mode: prefix}
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
