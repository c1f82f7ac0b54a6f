"""TLS by OpenSSL, as Python has it: contexts made from what is stated, the choice of a certificate by name,
and a connection with the interface of a plain socket.

The same contexts serve the data path and the health checks.
"""
