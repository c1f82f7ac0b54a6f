"""The proxy: a supervisor that owns listeners and checks health, and workers that carry the traffic.

Pure, taking bytes and times: ``http1``, ``balance``, ``sticky``, ``wheel``, ``health``. The inside of a worker: ``engine`` and below it ``client``,
``upstream``, ``tcp``, ``state``. Around it: ``worker``, ``channel``, ``supervisor``, ``listeners``, ``checker``.
"""
