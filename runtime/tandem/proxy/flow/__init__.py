"""One client's way: its connection, the requests on it, the server that each is placed at, and back.

A connection (one socket) does not know HTTP; a placement finds and connects a server; an exchange is one request and its answer; a tunnel passes
bytes both ways. ``h1`` and ``tcp`` are what a client may speak.
"""
