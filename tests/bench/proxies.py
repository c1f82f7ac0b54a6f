"""HAProxy, nginx and Tandem as they are compared: what each is started with, and why so.

In every load HAProxy and nginx are set up as somebody would who knows them and wants speed: one thread or process as each has one core, connections
kept on both sides and reused by any client, no log, nothing looked up. What every proxy must do is add X-Forwarded-For, and pass heads as HTTP wants.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.support.certificates import issued

from .machine import HERE, Setting, tool

REFERENCE = "HAProxy"
PLACES = tuple(f"127.0.0.{number}" for number in range(1, 11))  # where the origin listens

# What a proxy is started with, so that it listens at the port; writes the files that it needs.
Command = Callable[[Setting, str, int], Sequence[str]]  # (setting, name, port)

# For bodies of 1 MiB, chosen by trial. A read takes what a buffer holds, so 64 KiB need a quarter of the system calls of the default, 16 KiB. 256 KiB
# took more processor time again (caches, probably), and with splicing twice as much: the first filling of a buffer is copied in any case.
LARGE_BUFFERS = ("tune.bufsize 65536",)
# Bytes go from socket to socket in the kernel, without being copied, through pipes that hold 64 KiB unless told otherwise. These are as large as an
# ordinary user may have them (fs.pipe-max-size), so that one call of splice(2) takes as much as a socket has.
LARGE_PIPES = ("tune.pipesize 1048576",)
# Every body that does not end in the first buffer. "splice-auto" chooses, and in trial it chose none of these.
SPLICING = ("option splice-response", "option splice-request")


# TLS is the same for all, as the clients know nothing but what stands here: one protocol, one cipher, one group for the exchange of keys. HAProxy 2.6
# has P-256 for that unless it is told otherwise. nginx and Tandem have all that OpenSSL has.
GROUP = "X25519"
_OPENSSL = f"""\
openssl_conf = here
[here]
ssl_conf = tls
[tls]
system_default = clients
[clients]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = {GROUP}
"""
_NAME = "bench.test"


def write_tls(folder: Path) -> None:
    """A certificate with its key of each kind, in one file as HAProxy wants it, and what clients are to offer (config(5ssl))."""
    keys = {"ecdsa": ec.generate_private_key(ec.SECP256R1()), "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
    for kind, key in keys.items():
        made = issued(_NAME, (_NAME,), key=key)
        _certificate(folder, kind).write_text(made.pem + made.key)
    openssl_config(folder).write_text(_OPENSSL)


def openssl_config(folder: Path) -> Path:
    return folder / "openssl.cnf"


def _certificate(folder: Path, kind: str) -> Path:
    return folder / f"{kind}.pem"


def haproxy(
    mode: str = "http",
    tuning: Sequence[str] = (),
    options: Sequence[str] = (),
    clients: int = 1000,
    certificate: str = "",
    *,
    at: tuple[str, str] = ("127.0.0.1", ""),
) -> Command:
    """``certificate``, here and below: the kind of the one that is shown to clients, "" without TLS. ``at``: the address where it listens, and the
    server's address and port, if that is not the origin."""

    def command(setting: Setting, name: str, port: int) -> Sequence[str]:
        http = (
            "option http-keep-alive",  # the default, named because it is what is measured
            "http-reuse always",  # any idle connection to the server for any client; the default is careful with a client's first request
            "option forwardfor",
        )
        defaults = (f"mode {mode}", f"maxconn {clients}", *_HAPROXY_TIMEOUTS, *(http if mode == "http" else ()), *options)
        tls = f' ssl crt "{_certificate(setting.folder, certificate)}" curves {GROUP}' if certificate else ""
        server = at[1] or f"127.0.0.1:{setting.origin}"
        served = f"frontend web\n  bind {at[0]}:{port}{tls}\n  default_backend origin\nbackend origin\n  server origin {server}\n"
        # One thread, as there is one core: more would only wait for each other. No "log" line, so nothing is logged.
        return _haproxy_command(setting.folder, name, _haproxy_text(("nbthread 1", f"maxconn {clients}", *tuning), defaults, served))

    return command


_HAPROXY_TIMEOUTS = ("timeout connect 5s", "timeout client 60s", "timeout server 60s")  # it warns without; longer than any measurement is silent


def haproxy_checking(backends: int) -> Command:
    """At rest, with the checks that Tandem does: GET /small, every 3 s, status 200 to 399, two to come up and three to go down."""

    def command(setting: Setting, name: str, port: int) -> Sequence[str]:
        asked = "http-check send meth GET uri /small ver HTTP/1.1 hdr Host bench hdr Connection close"
        places = "".join(f"  server s{number} {place}:{setting.origin}\n" for number, place in enumerate(PLACES))
        checked = "".join(
            f"backend b{number}\n  option httpchk\n  {asked}\n  http-check expect status 200-399\n"
            f"  default-server check inter 3s fastinter 500ms fall 3 rise 2\n{places}"
            for number in range(backends)
        )
        shown = f'stats socket "{setting.folder}/haproxy.sock"'  # where the benchmark asks whether all servers are up
        defaults = ("mode http", *_HAPROXY_TIMEOUTS, "timeout check 1s")
        served = f"frontend web\n  bind 127.0.0.1:{port}\n  default_backend b0\n"
        return _haproxy_command(setting.folder, name, _haproxy_text(("nbthread 1", "maxconn 1000", shown), defaults, served + checked))

    return command


def _haproxy_text(settings: Sequence[str], defaults: Sequence[str], rest: str) -> str:
    return "\n  ".join(("global", *settings)) + "\n" + "\n  ".join(("defaults", *defaults)) + "\n" + rest


def _haproxy_command(folder: Path, name: str, text: str) -> Sequence[str]:
    config = folder / f"{name}.cfg"
    config.write_text(text)
    return [tool("haproxy"), "-db", "-f", str(config)]


# Connections to the origin are kept, which needs HTTP/1.1 and no "Connection: close"; a body that is slow to leave stays in memory.
_NGINX_PROXY = (
    'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; '
    "proxy_set_header Host $host; proxy_max_temp_file_size 0;"
)
# The head has a small buffer; the body eight of 64 KiB, of which half may be on their way to the client while the others are filled. Like HAProxy's,
# larger ones cost more in trial.
NGINX_LARGE_BUFFERS = "proxy_buffer_size 16k; proxy_buffers 8 64k; proxy_busy_buffers_size 256k;"


def nginx(tuning: str = "", clients: int = 1024, certificate: str = "") -> Command:
    def command(setting: Setting, name: str, port: int) -> Sequence[str]:
        # No "multi_accept": one worker has nobody to share clients with, and new ones wait for those that are there.
        upstream = f"upstream origin {{ server 127.0.0.1:{setting.origin}; keepalive 64; keepalive_requests 1000000000; }}"
        listen = f"listen 127.0.0.1:{port} backlog=1024"
        if certificate:
            file = _certificate(setting.folder, certificate)
            # Without "ssl_protocols" it speaks TLS 1.2 at most.
            listen += f' ssl; ssl_protocols TLSv1.3; ssl_certificate "{file}"; ssl_certificate_key "{file}"'
        server = f"{listen}; location / {{ proxy_pass http://origin; {_NGINX_PROXY} {tuning} }}"
        return _nginx_command(setting.folder, name, server, upstream, clients)

    return command


def origin(folder: Path, port: int, places: Sequence[str] = PLACES, name: str = "origin") -> Sequence[str]:
    """What answers: files from memory (open_file_cache, sendfile), as fast as one process can."""
    listens = " ".join(f"listen {place}:{port} backlog=1024;" for place in places)
    return _nginx_command(folder, name, f'{listens} root "{folder}/www";', "", 4096)


def _nginx_command(folder: Path, name: str, server: str, upstream: str, connections: int) -> Sequence[str]:
    built = subprocess.run([tool("nginx"), "-V"], capture_output=True, text=True, check=False).stderr
    modules = {"http_proxy": "proxy", "http_fastcgi": "fastcgi", "http_uwsgi": "uwsgi", "http_scgi": "scgi"}
    places = ["client_body", *(word for module, word in modules.items() if f"--without-{module}_module" not in built)]
    config = folder / f"{name}.conf"
    config.write_text(
        f'daemon off; master_process off; pid "{folder}/{name}.pid"; error_log stderr crit;\n'
        f"events {{ worker_connections {connections}; }}\n"
        "http { access_log off; keepalive_requests 1000000000; keepalive_timeout 75; sendfile on; tcp_nopush on; open_file_cache max=10;\n"
        + "".join(f'{place}_temp_path "{folder}/{name}-{place}";\n' for place in places)
        + f"{upstream}\nserver {{ {server} }} }}\n"
    )
    return [tool("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(config)]


def tandem(runtime: Path, protocol: str = "http", certificate: str = "") -> Command:
    """A worker's engine. A runtime whose engine is made in another way than the present one brings the program for it, beside its package."""

    def command(setting: Setting, name: str, port: int) -> Sequence[str]:
        own = runtime / "worker.py"
        program = [setting.python, "-I", str(own if own.exists() else HERE / "worker.py")]
        tls = [str(_certificate(setting.folder, certificate))] if certificate else []
        return [*program, str(runtime), str(port), str(setting.origin), protocol, *tls]

    return command


def tandem_checking(runtime: Path, backends: int) -> Command:
    """The whole service, one worker with it, below a prefix of its own."""

    def command(setting: Setting, name: str, port: int) -> Sequence[str]:
        prefix = setting.folder / name
        return [
            setting.python,
            "-I",
            str(HERE / "node.py"),
            str(runtime),
            str(prefix),
            str(port),
            str(setting.origin),
            str(backends),
            ",".join(PLACES),
        ]

    return command
