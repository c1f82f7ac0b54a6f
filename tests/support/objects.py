"""One small load balancer, as the options of the modules: what module tests state, and what they break."""

from __future__ import annotations

import socket

from tests.support.network import free_port

PORT = free_port(socket.SOCK_STREAM, "127.0.0.11")
KEY = "a-shared-key-nobody-may-see"
FLOATING_IP = {"name": "shop-ip", "address": "127.0.0.100/8", "attach": "none"}
NODES = {"master": {"node": "lb-a", "address": "127.0.0.11"}, "backup": {"node": "lb-b", "address": "127.0.0.12"}}
HEARTBEAT = {"transport": "udp", "port": free_port(socket.SOCK_DGRAM, "127.0.0.11"), "key": KEY}
LOAD_BALANCER = {"name": "edge", **NODES, "floating_ips": ["shop-ip"], "heartbeat": HEARTBEAT}
SERVERS = [{"name": "app-1", "address": "127.0.0.21"}, {"name": "app-2", "address": "127.0.0.22"}]
BACKEND = {"load_balancer": "edge", "name": "shop", "port": 8080, "servers": SERVERS}
FRONTEND = {"load_balancer": "edge", "name": "web", "port": PORT, "default_backend": "shop"}
ALL = {"floating_ips": [FLOATING_IP], "load_balancers": [LOAD_BALANCER], "backends": [BACKEND], "frontends": [FRONTEND]}
