"""The benchmark of ``make bench``: Tandem beside HAProxy and nginx on this machine, each alone on one core.

Run it as ``python -m tests.bench`` from the top of the checkout; ``--help`` shows its options. It needs Linux with two cores, and haproxy, nginx and
wrk from the distribution, whose Python Tandem runs with too. The proxy under test has the first core to itself; the origin (nginx) and the clients
share the second. All proxies are measured in turn, round after round, so that whatever else the machine does meets all of them alike. Compared is the
processor time that a proxy needs for a request, not the rate alone: where the clients or the origin are the bottleneck, rates say little.

``machine`` starts processes and reads what they cost, ``proxies`` configures them; ``rates``, ``latency``, ``idle``, ``rest`` and ``kernel`` measure;
``worker``, ``node``, ``client`` and ``handshaker`` are programs that they start. ``profile`` is on its own: where the time of an exchange goes,
without a kernel.
"""
