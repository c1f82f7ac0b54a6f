"""tandem-forward: what ``forwarding: kernel`` asks of the node. A document, the state of its servers and the node's roles become one nftables table.

``slots`` decides which server a connection goes to, ``table`` what the table holds, ``text`` says it to nft; these three are pure. ``kernel`` and
``proxy_link`` are the thin shells around them, ``service`` is the daemon. No packet passes a process.
"""
