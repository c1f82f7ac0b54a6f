"""Clients of HTTP/1.0 and 1.1 over one connection to the server: what is remembered for one never reaches the other."""

from __future__ import annotations

from tests.support.proxy_lab import Lab, in_lab


@in_lab
async def test_clients_of_both_versions_share_a_connection_to_the_server_and_each_gets_its_own_framing(lab: Lab):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    origin = await lab.origin(lambda _request: chunked)
    await lab.serve(origin)
    for version, closes in ((1, True), (0, True), (1, True), (1, False), (0, True), (1, False)):
        client = await lab.client()
        client.send(b"GET / HTTP/1.%d\r\nHost: a\r\n%b\r\n" % (version, b"Connection: close\r\n" if closes else b""))
        response = await client.response()
        assert (response["transfer-encoding"], response.body) == (b"chunked" if version else b"", b"ok")
        assert response["connection"] == (b"close" if closes else b"")
    assert origin.connections == 1
