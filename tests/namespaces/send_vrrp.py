"""A stranger's advertisements: `send_vrrp.py SOURCE DESTINATION HOPS BREAK` sends ten with the highest priority; BREAK=1 spoils their checksum."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "runtime"))

from tandem.wire import vrrp


def main():
    source, destination, hops, broken = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "1"
    message = bytearray(vrrp.encode(vrrp.Advertisement(51, 254, 0.3, ("10.99.0.100",)), source, destination))
    message[6] ^= 0x55 if broken else 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, vrrp.PROTOCOL) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)
        sock.bind((source, 0))
        for _packet in range(10):
            sock.sendto(message, (destination, 0))


if __name__ == "__main__":
    main()
