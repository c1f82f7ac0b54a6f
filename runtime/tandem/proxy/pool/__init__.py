"""Servers, backends and frontends while a worker runs: options of now, who is up, queues, idle connections, counters.

They know who waits for them and what lies idle by interfaces that they state themselves; sockets are not known here.
"""
