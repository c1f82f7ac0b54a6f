"""One small load balancer, as the options of the modules: what module tests state, and what they break."""

from __future__ import annotations

KEY = "a-shared-key-nobody-may-see"
FLOATING_IP = {"name": "shop-ip", "address": "192.0.2.100/24", "attach": "none"}
NODES = {"master": {"node": "lb-a", "address": "192.0.2.11"}, "backup": {"node": "lb-b", "address": "192.0.2.12"}}
LOAD_BALANCER = {"name": "edge", **NODES, "floating_ips": ["shop-ip"], "heartbeat": {"transport": "udp", "key": KEY}}
SERVERS = [{"name": "app-1", "address": "192.0.2.21"}, {"name": "app-2", "address": "192.0.2.22"}]
BACKEND = {"load_balancer": "edge", "name": "shop", "port": 8080, "servers": SERVERS}
FRONTEND = {"load_balancer": "edge", "name": "web", "port": 80, "default_backend": "shop"}
ALL = {"floating_ips": [FLOATING_IP], "load_balancers": [LOAD_BALANCER], "backends": [BACKEND], "frontends": [FRONTEND]}
