"""The benchmark of ``make bench``: Tandem beside HAProxy and nginx on this machine, each alone on one core.

Run it as ``python -m tests.bench`` from the top of the checkout; ``--help`` shows its options. It needs Linux with two cores, and haproxy, nginx and
wrk from the distribution, whose Python Tandem runs with too. The proxy under test has the first core to itself; the origin (nginx) and wrk share the
second. All proxies are measured in turn, round after round, so that whatever else the machine does meets all of them alike. What is compared is the
processor time that a proxy needs for a request, not the rate alone: where wrk or the origin is the bottleneck, rates say little about the proxy.
"""
