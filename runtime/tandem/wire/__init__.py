"""Pure: formats of other protocols as bytes. VRRP, authenticated heartbeats, ARP and neighbour discovery, the one Internet checksum."""
