"""tandem-keepalive: decides which node holds the floating IPs, and holds them.

Pure: ``election`` (who is active), ``vrrp`` and ``udp`` (heartbeats as bytes), ``announce`` (ARP and NA frames as bytes). Effects: ``netlink``
(addresses), ``transport`` (sockets), ``proxy_link`` (the proxy's control socket), ``instance`` and ``service`` (one load balancer; the daemon).
"""
