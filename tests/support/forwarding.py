"""Documents with frontends that the kernel serves, and what is known of their servers."""

from __future__ import annotations

from tandem import _model as model

SERVERS = {"app-1": "10.99.0.14", "app-2": "10.99.0.15", "six-1": "fd99::14", "six-2": "fd99::15"}


def kernel_document(frontend=None, backend=None, *, servers=None, generation=1, attach="interface", more=()):
    """One load balancer with a floating IP of each family, a backend and a frontend; what is given replaces their options."""
    listed = servers if servers is not None else [{"name": name, "address": address} for name, address in SERVERS.items()]
    named = {"load_balancer": "edge"}
    nodes = {"master": {"node": "lb-a", "address": "10.99.0.11"}, "backup": {"node": "lb-b", "address": "10.99.0.12"}}
    things = [
        model.from_options(model.FloatingIP, {"name": "vip", "address": "10.99.0.100/24", "attach": attach}),
        model.from_options(model.FloatingIP, {"name": "vip6", "address": "fd99::100/64", "attach": attach}),
        model.from_options(model.LoadBalancer, {"name": "edge", "floating_ips": ["vip", "vip6"], **nodes}),
        model.from_options(model.Backend, {**named, "name": "pool", "protocol": "tcp", "port": 8080, "servers": listed, **(backend or {})}),
        model.from_options(
            model.Frontend,
            {**named, "name": "flows", "protocol": "tcp", "port": 80, "default_backend": "pool", "forwarding": "kernel", **(frontend or {})},
        ),
        *more,
    ]
    document = model.Document(generation)
    for thing in things:
        document = document.with_object(thing)
    return document


def all_in(document, state, **other):
    """Every server of the document in one state, but for those that are named (with ``_`` for ``-``)."""
    differing = {name.replace("_", "-"): word for name, word in other.items()}
    return {
        key: {server.name: differing.get(server.name, state) for server in backend.servers if differing.get(server.name, state)}
        for key, backend in document.backends.items()
    }
