"""What operators and their monitoring are shown over TCP, read-only: metrics, health, and a page. Off unless a load balancer asks for it.

What is shown is made by pure files (``exposition`` and ``families``: metrics; ``history`` and ``overview``: the page) of the very views that the
control sockets give (``views`` has them). ``listener`` serves it, to whom ``access`` lets in; ``observatory`` is what the service has of all that.
"""
