"""A small web server, one of the three behind the demo's load balancer: `shop.py NAME ADDRESS PORT [CERTIFICATE]`, by TLS with a certificate."""

from __future__ import annotations

import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PAGE = """<!doctype html><meta charset="utf-8"><title>Tandem demo</title>
<body style="font: 1.2rem sans-serif; margin: 4rem auto; max-width: 40rem">
<h1>Hello from {name}</h1>
<p>You asked for <code>{path}</code> at the floating IP; the load balancer chose this server. Reload, and another one answers.</p>
<p>The load balancer says that you are <code>{client}</code>.</p>"""


class Shop(BaseHTTPRequestHandler):
    """Answers every GET with a page that names the server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes; the second must not wait for a delayed ACK
    name = "shop"

    def do_GET(self) -> None:
        client = self.headers.get("X-Forwarded-For", self.client_address[0])
        path = self.path.replace("&", "&amp;").replace("<", "&lt;")
        page = "ok" if self.path == "/health" else _PAGE.format(name=self.name, path=path, client=client.replace("<", "&lt;"))
        content = page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Served-By", self.name)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: object) -> None:
        """Says nothing: the story is told by the demo."""


class ShopServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    Shop.name, address, port = sys.argv[1:4]
    server = ShopServer((address, int(port)), Shop)
    if sys.argv[4:]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[4])
        # The handshake is left to the client's own thread: one that is slow must not keep the others waiting.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main()
