"""tandem-keepalive: decides which node holds the floating IPs, and holds them.

Pure: ``election`` (who is active). Effects: ``addresses`` (on interfaces), ``vrrp_transport`` and ``udp_transport`` (heartbeats; ``transport`` is
what they share), ``proxy_link`` (the proxy's control socket), ``instance`` and ``service`` (one load balancer; the daemon).
"""
