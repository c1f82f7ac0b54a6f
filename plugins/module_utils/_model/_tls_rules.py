# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules about TLS between options and between objects: certificates, frontends that end TLS or pass it, backends that are asked over it."""

from __future__ import annotations

from collections.abc import Iterator

from ._backend import Backend, BackendTls
from ._conditions import shown, stated
from ._document import Document, describe
from ._frontend import Frontend, FrontendTls
from ._objects import Certificate
from ._options import declared
from ._problems import Problem, known, plain
from ._values import duration_text

# What the proxy speaks with the clients of an HTTP frontend.
_HTTP_VERSIONS = ("http/1.1", "http/1.0")


def certificate(one: Certificate) -> Iterator[Problem]:
    """A certificate is a text with its key, or two files of the node."""
    where = describe("certificates", one.key)
    if one.certificate and one.certificate_path:
        rule = "but certificate gives its text too"
        yield Problem(where, "certificate_path", one.certificate_path, rule, "Give one of them.")
    elif not one.certificate and not one.certificate_path:
        way_out = "Give it as certificate, certificate_file or certificate_path, with its key in the same way."
        yield Problem(where, "certificate", None, "and no file has it either", way_out)
    elif one.certificate and not one.private_key:
        yield Problem(where, "private_key", None, "but nobody can use a certificate without its key", "Give it as private_key or private_key_file.")
    elif one.certificate_path and not one.private_key_path:
        rule = "but nobody can use a certificate without its key"
        yield Problem(where, "private_key_path", None, rule, "Name the file of the node that has it; it may be the same.")
    if one.private_key and not one.certificate:
        yield Problem(where, "private_key", "(hidden)", "but its certificate is not given as a text", "Give certificate or certificate_file as well.")
    if one.private_key_path and not one.certificate_path:
        rule = "but its certificate is not a file of the node"
        yield Problem(where, "private_key_path", one.private_key_path, rule, "Give certificate_path as well, or give the key as private_key.")
    if one.watch and not one.certificate_path:
        yield Problem(where, "watch", True, "but there is no file of the node to watch", "Give certificate_path and private_key_path.")


def frontend(document: Document, one: Frontend) -> Iterator[Problem]:
    where = describe("frontends", one.key)
    for index, name in enumerate(one.tls.certificates):
        yield from _referred_certificate(document, one.load_balancer, where, f"tls.certificates[{index}]", name)
        if name in one.tls.certificates[:index]:
            yield Problem(where, f"tls.certificates[{index}]", name, "which is in the list already", "Name each once.")
    if one.tls.certificates:
        yield from _ended(one, where)
    else:
        yield from _without_use(
            where, one.tls, FrontendTls(), "but without tls.certificates there is no TLS", "Name certificates, or clear all: tls: {}."
        )
    yield from _redirect(one, where)
    yield from _asked_names(one, where)


def _ended(one: Frontend, where: str) -> Iterator[Problem]:
    """What belongs together where TLS ends at the frontend."""
    tls = one.tls
    if tls.client_auth != "none" and not tls.client_ca:
        rule = "but no authority is given whose clients are let in"
        yield Problem(where, "tls.client_auth", tls.client_auth, rule, "Give tls.client_ca or tls.client_ca_file, or use client_auth: none.")
    for name in ("client_ca", "client_crl"):
        if tls.client_auth == "none" and getattr(tls, name):
            yield Problem(where, f"tls.{name}", "(PEM)", "but tls.client_auth: none asks no client", 'Use client_auth: required or optional, or "".')
    if tls.hsts_subdomains and not tls.hsts_ms:
        yield Problem(where, "tls.hsts_subdomains", True, "but without tls.hsts there is no such header", 'Give its duration, such as hsts: "180d".')
    if tls.hsts_ms and one.protocol != "http":
        rule = "but TCP has no fields to say it in"
        yield Problem(where, "tls.hsts", duration_text(tls.hsts_ms), rule, "Use protocol: http, or leave it out (hsts: 0).")
    for index, name in enumerate(tls.alpn):
        if name in tls.alpn[:index]:
            yield Problem(where, f"tls.alpn[{index}]", name, "which is in the list already", "Name each once.")
        elif one.protocol == "http" and name not in _HTTP_VERSIONS:
            rule = f"but the proxy speaks {' and '.join(_HTTP_VERSIONS)} with clients"
            way_out = "Leave it out; with protocol: tcp every protocol passes that the servers speak."
            yield Problem(where, f"tls.alpn[{index}]", name, rule, way_out)


def _redirect(one: Frontend, where: str) -> Iterator[Problem]:
    if one.redirect_to_https:
        if one.protocol != "http":
            rule = "but TCP has no requests that could be sent elsewhere"
            yield Problem(where, "redirect_to_https", True, rule, "Use protocol: http, or leave it out.")
        if one.tls.certificates:
            rule = "but this frontend has certificates, so what comes here is HTTPS already"
            yield Problem(where, "redirect_to_https", True, rule, "Set it on the frontend of port 80.")
        if one.redirect_except and not one.default_backend and not one.routes:
            rule = "but no backend takes these requests"
            yield Problem(where, "redirect_except", one.redirect_except, rule, "Give routes or default_backend, or leave it out.")
        return
    for name in ("redirect_to_https_port", "redirect_except"):
        (default,) = [default for option, _field, _declaration, default in declared(Frontend) if option == name]
        if getattr(one, name) != default:
            way_out = f"Set redirect_to_https: true, or the default ({plain(default)})."
            yield Problem(where, name, getattr(one, name), "but without redirect_to_https nothing is sent elsewhere", way_out)


def _asked_names(one: Frontend, where: str) -> Iterator[Problem]:
    """Routes by the name that a client of TLS asks for: only where TLS passes as it is, since there is nothing else to see."""
    for index, route in enumerate(one.routes):
        option = f"routes[{index}]"
        if one.protocol == "http":
            if route.sni:
                rule = "but requests have a host, and a connection may carry those of several"
                yield Problem(where, f"{option}.sni", route.sni, rule, "Use host.")
        elif one.tls.certificates:
            way_out = "Use default_backend, or leave tls out to pass TLS as it is."
            yield Problem(where, option, ", ".join(route.names), "but a TCP frontend that ends TLS has nothing to choose by", way_out)
        else:
            for name in stated(route):
                rule = "but a TCP frontend sees no requests"
                yield Problem(where, f"{option}.{name}", shown(route, name), rule, "Use sni, or protocol: http.")
            if route.backends:
                rule = "but a TCP session of TLS goes to one backend"
                yield Problem(where, f"{option}.backends", ", ".join(route.names), rule, "Use backend, or protocol: http.")
            if not route.sni:
                way_out = "Give the name that clients ask for, or name that backend as default_backend."
                yield Problem(where, f"{option}.sni", None, "but a TCP frontend chooses by nothing else", way_out)


def backend(document: Document, one: Backend) -> Iterator[Problem]:
    where = describe("backends", one.key)
    if one.tls.client_certificate:
        yield from _referred_certificate(document, one.load_balancer, where, "tls.client_certificate", one.tls.client_certificate)
    if not one.tls.enabled and not one.checked_over_tls:
        yield from _without_use(
            where, one.tls, BackendTls(), "but neither requests nor checks use TLS", "Set tls.enabled: true, or clear all: tls: {}."
        )
    elif not one.tls.verify:
        for name in ("ca", "verify_name"):
            if getattr(one.tls, name):
                shown = "(PEM)" if name == "ca" else one.tls.verify_name
                yield Problem(where, f"tls.{name}", shown, "but with tls.verify: false nothing is compared with it", 'Verify, or leave it out ("").')
    if one.health_check.type == "none" and one.health_check.tls != "auto":
        rule = "but health_check.type: none asks no server"
        yield Problem(where, "health_check.tls", one.health_check.tls, rule, "Use type: tcp or http, or tls: auto.")


def _without_use(where: str, given: object, default: object, rule: str, way_out: str) -> Iterator[Problem]:
    """Options that are set and do nothing would be taken for some that do."""
    for name, field_name, declaration, _default in declared(type(given)):
        value = getattr(given, field_name)
        if value != getattr(default, field_name):
            shown = declaration.unsaid or (duration_text(value) if declaration.kind == "duration" else value)
            yield Problem(where, f"tls.{name}", shown, rule, way_out)


def _referred_certificate(document: Document, load_balancer: str, where: str, option: str, name: str) -> Iterator[Problem]:
    if f"{load_balancer}/{name}" not in document.certificates:
        names = [one.name for one in document.certificates.values() if one.load_balancer == load_balancer]
        rule = f'but load balancer "{load_balancer}" has no such certificate; {known(names, name)}'
        yield Problem(where, option, name, rule, "Add a task with tandem.lb.certificate before this one, or correct the name.")
