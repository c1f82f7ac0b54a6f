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
      - What clients speak. V(http) understands requests, V(tcp) passes bytes, V(udp) datagrams, which takes O(forwarding=kernel).
        It must be the protocol of the backends.
      - On creation the default is V(http).
    type: str
    choices: [http, tcp, udp]
  default_backend:
    description:
      - Name of the backend that takes what no route matches. Empty answers it with status 503, and ends TCP sessions; then
        there must be routes, or O(redirect_to_https).
    type: str
  routes:
    description:
      - Which requests go to which backend, in order; the first of which all conditions hold counts. The list is whole. V([])
        clears it.
      - With O(protocol=tcp) and without O(tls), routes choose by O(routes.sni), and TLS passes as it is, to servers that
        end it.
    type: list
    elements: dict
    suboptions:
      backend:
        description:
          - Name of the backend that takes the matching requests. Required, unless there are O(routes.backends).
        type: str
      backends:
        description:
          - Several backends that share the matching requests by their weights, such as a canary that gets five of a hundred.
            Who is bound to a server of one of them by V(sticky) goes there, and one without a server that is up has no share.
            HTTP only.
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
              - What is put before paths, after O(routes.path_rewrite.strip_prefix), and where that is given before those
                it was taken from alone.
            type: str
      sni:
        description:
          - The name that a client of TLS must ask for, such as V(shop.example.com), or V(*.example.com) for each name directly
            below. Who asks for another name, or for none, goes to O(default_backend); who speaks no TLS is turned away. TCP
            only.
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
  acls:
    description:
      - Who may come in, in order; the first of which all conditions hold counts, before O(redirect_to_https), O(basic_auth)
        and O(routes). The list is whole. V([]) clears it.
      - With O(protocol=tcp) clients are let in or turned away by O(acls.sources) alone, before a handshake and before a server
        is chosen.
    type: list
    elements: dict
    suboptions:
      action:
        description:
          - V(deny) answers with O(acls.status), V(allow) lets the request in, V(redirect) sends it to O(acls.redirect), V(tarpit)
            denies it after V(timeouts.tarpit) only.
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
              - What takes the place of O(acls.path_prefix). The rest of the path and the query are kept.
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
  tls:
    description:
      - How TLS ends at this frontend. With O(protocol=tcp) the backends get what was in it. V({}) goes back to none.
    type: dict
    suboptions:
      certificates:
        description:
          - The names of M(tandem.lb.certificate)s of the same load balancer. A client gets one that is for the name it asks
            for; of several one that is valid now, then one with just this name before one with V(*). Those that ask for another
            name, or for none, get the first of the list. V([]) means no TLS.
        type: list
        elements: str
      profile:
        description:
          - Which versions and ciphers clients may use. V(intermediate) is for clients of the last ten years, V(modern) takes
            TLS 1.3 alone, both as version 6.0 of Mozilla's guidelines has them. Empty means the V(tls_profile) of the M(tandem.lb.load_balancer).
        type: str
        choices: ['', intermediate, modern]
      alpn:
        description:
          - The protocols that are offered to clients by ALPN, the most wanted first. V([]) offers none. With O(protocol=http)
            these are V(http/1.1) and V(http/1.0); with O(protocol=tcp) what the servers speak.
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
          - Whether clients must show a certificate of O(tls.client_ca). V(required) refuses those without, V(optional) lets
            them in, and refuses those whose certificate is not valid, V(none) asks for none.
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
          - The revocation lists of these authorities, in PEM. Once there are any, every authority of O(tls.client_ca) needs
            one that is current, or its clients are refused.
        type: str
      client_crl_file:
        description:
          - The same, read from a file of the controller.
        type: str
      hsts:
        description:
          - How long browsers shall come by HTTPS alone once they were here (Strict-Transport-Security, RFC 6797), up to 3650d.
            V(0) does not say it. Begin with a short time, since it cannot be taken back before it has gone by. HTTP only.
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
        O(timeouts.request), or it is reset. The client that it names is the client everywhere, in X-Forwarded-For, sticky
        sessions, limits and the access log.
      - Everybody else is served as it comes, and is not believed. A header from them ends the connection. V([]) expects none
        from anybody.
    type: list
    elements: str
  redirect_to_https:
    description:
      - Whether every request is answered with a redirect (status 308) to the same host and path by HTTPS. It is for the frontend
        of port 80. HTTP only.
      - On creation the default is V(false).
    type: bool
  redirect_to_https_port:
    description:
      - The port of HTTPS that clients are sent to, 1 to 65535.
      - On creation the default is V(443).
    type: int
  redirect_except:
    description:
      - What the paths of requests begin with that are not redirected but go to O(routes) and O(default_backend), such as
        V(/.well-known/acme-challenge/). V([]) redirects all.
    type: list
    elements: str
  forwarded_for:
    description:
      - 'What is done with the fields in which proxies name the client: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host,
        X-Forwarded-Port, Forwarded and X-Real-IP. HTTP only.'
      - V(replace) drops what the client sent, and writes O(forwarded_fields). What comes from O(trusted_proxies) is kept,
        and the client's address added.
      - V(append) keeps what any client wrote and adds its address. Servers then believe every client, so it is for where
        each is a proxy of yours.
      - V(none) passes all of them as they came.
      - On creation the default is V(replace).
    type: str
    choices: [replace, append, none]
  forwarded_fields:
    description:
      - 'Which fields name the client to the servers, and what the proxy knows of how it was reached: of V(X-Forwarded-For),
        V(X-Forwarded-Proto), V(X-Forwarded-Host), V(X-Forwarded-Port) and V(Forwarded) (RFC 7239). V([]) writes none. Of
        O(trusted_proxies) the address is added to what they wrote in the first and in the last, and what they wrote in the
        others is kept. HTTP only.'
      - On creation the default is V([X-Forwarded-For, X-Forwarded-Proto]).
    type: list
    elements: str
  trusted_proxies:
    description:
      - The networks of the proxies in front of this frontend, such as V(192.0.2.0/24), whose forwarded fields are kept with
        O(forwarded_for=replace). An address stands for itself alone. V([]) trusts nobody. HTTP only.
    type: list
    elements: str
  client_from:
    description:
      - The field in which O(trusted_proxies) name their client, such as V(X-Forwarded-For) or V(CF-Connecting-IP). What they
        pass on is then that client's for the O(acls) and O(routes) by source network, O(client_limits) (but its connections,
        which are the proxy's), C(balance=source) and stickiness by source of backends, the access log and C(%{client_address}).
        Of a list it is the last address that is not of O(trusted_proxies).
      - Where no address stands there, it is the proxy's. V("") takes the connection's address, as it does for all others.
        HTTP only.
    type: str
  via:
    description:
      - Whether requests get a Via field. nginx as a server does not compress answers to requests that carry one, unless its
        gzip_proxied says so. HTTP only.
      - On creation the default is V(true).
    type: bool
  header_underscores:
    description:
      - What is done with request fields that have V(_) in their names. To servers of CGI and WSGI they have the same names
        as those with V(-), so that a client could send what O(forwarded_for) drops. V(drop) leaves them out, V(pass) passes
        them. HTTP only.
      - On creation the default is V(drop).
    type: str
    choices: [drop, pass]
  upgrades:
    description:
      - The protocols that a client may ask to switch to with Upgrade; requests for others go on without it. V([]) means none.
        Those that carry requests again, such as V(h2c), are refused, as their requests would pass O(routes) unread. HTTP
        only.
      - On creation the default is V([websocket]).
    type: list
    elements: str
  request_headers:
    description:
      - What is done with fields of requests on their way to the servers, in order; after O(forwarded_for), and before the
        V(request_headers) of the M(tandem.lb.backend). The list is whole. V([]) clears it. HTTP only.
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
      - What is done with fields of answers on their way to clients, in order; after those of the backend. Answers of the
        proxy itself have them too. The list is whole. V([]) clears it. HTTP only.
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
  request_id:
    description:
      - What names a request in a field to the servers, in the access log (V(request_id)), and as a variable. V({}) goes back
        to none. HTTP only.
    type: dict
    suboptions:
      mode:
        description:
          - V(make) gives each request a name of 32 hexadecimal digits, drawn at random, whatever came. V(pass) keeps the
            one that came from those whose word O(forwarded_for) takes, if it is up to 128 letters, digits and V(._~+/=:@-),
            and makes one for all others. V(none) leaves the field alone.
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
      - Not what is encoded already, or may not be changed (Cache-Control no-transform). Compress no page that shows a secret
        beside what its client has sent, or the length of the answer gives the secret away (BREACH).
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
          - The page itself, up to 64 KiB; that of a file by the lookup P(ansible.builtin.file#lookup). Required for a new
            one.
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
          - The longest until a whole request head is there, and before it the TLS handshake, and before that the header of
            O(accept_proxy_protocol), 10ms to 10m. With TCP it is for these, and for O(routes), only.
          - On creation the default is V(10s).
        type: str
      keepalive:
        description:
          - The longest idle time between two requests of a connection, 10ms to 1d. HTTP only.
          - On creation the default is V(1m).
        type: str
      tarpit:
        description:
          - How long O(acls.action=tarpit) holds a request, 10ms to 1m. HTTP only.
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
          - After how much silence the client's kernel is asked for the first time, in whole seconds, up to 32767. V(0) means
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
  connection_rate_limit:
    description:
      - How many connections are accepted in a second, all workers of a node together. Who comes meanwhile waits in the kernel's
        queue, and is accepted later. V(0) is no limit.
      - On creation the default is V(0).
    type: int
  client_limits:
    description:
      - What one client may do, all workers of a node together. A client is an IPv4 address, or an IPv6 network of 64 bits,
        since a host chooses its address within one. V({}) clears all limits.
    type: dict
    suboptions:
      requests_per_second:
        description:
          - How many requests a client may make in a second, up to 1000000. More get status 429 with Retry-After. With O(protocol=tcp)
            a session counts as a request, and more are reset. V(0) is no limit.
          - On creation the default is V(0).
        type: int
      burst:
        description:
          - How many requests a client that has been silent may make at once, up to 1000000. V(0) means what comes in a second.
          - On creation the default is V(0).
        type: int
      connections:
        description:
          - How many connections a client may have at a time, up to 60000. More are reset. Browsers open six to a host, and
            many people may share one address. V(0) is no limit.
          - On creation the default is V(0).
        type: int
      exempt:
        description:
          - The networks of clients that have no limits, such as V(192.0.2.0/24). V([]) exempts nobody.
        type: list
        elements: str
  max_head:
    description:
      - The longest head of a request in bytes, 1024 to 1048576. A line of it may be as long, as tokens and cookies are. Longer
        ones get status 431, a longer request line 414. HTTP only.
      - On creation the default is V(65536).
    type: int
  max_body:
    description:
      - The longest body of a request in bytes, up to 1000000000000. Longer ones get status 413, those in chunks as soon as
        they are longer. V(0) is no limit. HTTP only.
      - On creation the default is V(0).
    type: int
  access_log:
    description:
      - The form of the access log. V(json) writes one object a line, V(common) the Common Log Format, V(combined) that with
        referrer and user agent, V(haproxy) what HAProxy writes with C(option httplog), of TCP with C(option tcplog), V(none)
        nothing.
      - A line is for a request, and of TCP for a session, when it has ended. V(common) and V(combined) are for HTTP only.
      - On creation the default is V(none).
    type: str
    choices: [none, json, common, combined, haproxy]
  forwarding:
    description:
      - Who passes the traffic on. V(proxy) is a process on the node, which understands it. V(kernel) hands the packets to
        nftables, as fast as routing, and connections go on when the active node dies. It is for V(tcp) and V(udp) frontends
        that need nothing of a proxy; options that do are refused by name. The node needs the program nft, and forwards packets
        from then on (V(net.ipv4.ip_forward)).
      - The kernel chooses a server by a hash of the client's address and port, or with V(source) as the backend's balance
        or stickiness, of its address alone.
      - On creation the default is V(proxy).
    type: str
    choices: [proxy, kernel]
  client_address:
    description:
      - What servers see with O(forwarding=kernel). V(snat) is the floating IP, which works wherever the servers are. V(keep)
        leaves them the client's own address; they must send their answers back through the floating IP, so it is for servers
        whose route to the clients is the floating IP.
      - On creation the default is V(snat).
    type: str
    choices: [snat, keep]
  enabled:
    description:
      - Whether the frontend listens.
      - On creation the default is V(true).
    type: bool
  state:
    description:
      - V(present) makes the frontend be as stated. V(absent) removes it.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - tandem.lb.node
  - tandem.lb.change
seealso:
  - module: tandem.lb.certificate
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

- name: A canary for five of a hundred, and the old server for old clients
  tandem.lb.frontend:
    load_balancer: edge
    name: web
    routes:
      - {headers: [{name: User-Agent, prefix: OldApp/}], backend: legacy}
      - {backends: [{backend: shop, weight: 95}, {backend: shop-canary, weight: 5}]}

- name: An admin path for one network, a host that has moved, and a password for a part of the site
  tandem.lb.frontend:
    load_balancer: edge
    name: web
    acls:
      - {path_prefix: /admin, sources: [192.0.2.0/24], action: allow}
      - {path_prefix: /admin, action: deny}
      - {host: old.example.com, action: redirect, redirect: {host: www.example.com, code: 301}}
    basic_auth:
      path_prefix: /drafts
      users:
        - {name: ann, password_hash: "{{ ann_password_hash }}"}

- name: A database for two networks only
  tandem.lb.frontend:
    load_balancer: edge
    name: db
    port: 5432
    protocol: tcp
    acls:
      - {sources: [192.0.2.0/24, 2001:db8::/48], action: allow}
    acl_default: deny

- name: Behind a proxy of our own, whose word about clients is taken
  tandem.lb.frontend:
    load_balancer: edge
    name: web
    trusted_proxies: [192.0.2.0/28, 2001:db8::5]

- name: Tell servers more, and clients less
  tandem.lb.frontend:
    load_balancer: edge
    name: web
    forwarded_fields: [X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Forwarded-Port]
    request_id: {mode: make}
    request_headers:
      - {action: set, name: X-Real-IP, value: "%{client_address}"}
    response_headers:
      - {action: remove, name: Server}
      - {action: set, name: Cache-Control, value: "public, max-age=86400", path_prefix: /static}
    error_pages:
      - {status: 503, content: "{{ lookup('ansible.builtin.file', 'maintenance.html') }}"}

- name: At most 20 requests a second for each client, except from the office, and bodies of 10 MB
  tandem.lb.frontend:
    load_balancer: edge
    name: web
    client_limits: {requests_per_second: 20, burst: 50, connections: 100, exempt: [198.51.100.0/24]}
    max_body: 10000000

- name: Behind a proxy that says whose a connection is ahead of it
  tandem.lb.frontend:
    load_balancer: edge
    name: web
    accept_proxy_protocol: [192.0.2.0/28]

- name: HTTPS with two certificates, for half a year also from those who typed no https
  tandem.lb.frontend:
    load_balancer: edge
    name: web-tls
    port: 443
    default_backend: shop
    tls:
      certificates: [shop, blog]
      hsts: 180d

- name: Send those who come by HTTP there
  tandem.lb.frontend:
    load_balancer: edge
    name: web
    port: 80
    redirect_to_https: true

- name: Pass TLS as it is, to servers that have the certificates
  tandem.lb.frontend:
    load_balancer: edge
    name: mail
    port: 993
    protocol: tcp
    routes:
      - {sni: imap.example.com, backend: mailboxes}
      - {sni: "*.example.org", backend: archive}

- name: A database at the speed of no load balancer, whose connections outlive the active node
  tandem.lb.frontend:
    load_balancer: edge
    name: database
    port: 5432
    protocol: tcp
    default_backend: database
    forwarding: kernel

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
