"""Pure: HTTP/1.1 messages as bytes. Heads read and written, bodies followed; later the rules that are asked about a request.

No sockets, no clock: bytes go in, messages or refusals come out. Who sends them, and over what, is not known here.
"""
