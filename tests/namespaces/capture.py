"""What a host sees and sends: `capture.py INTERFACE` prints one JSON object per VRRP, ARP or neighbour advertisement frame, until its input ends."""

from __future__ import annotations

import ipaddress
import json
import select
import socket
import struct
import sys
import time

_ETHERNET = 14
_ADVERTISEMENT = 0x31  # of version 3 (RFC 9568 5.2.1, 5.2.2); other types are notes about planned moves, which whoever does not know them discards


def describe(frame):
    """The frame in words; None when it is of no interest here."""
    source, kind = frame[6:12].hex(":"), struct.unpack_from("!H", frame, 12)[0]
    packet = frame[_ETHERNET:]
    if kind == 0x0806:
        operation = struct.unpack_from("!H", packet, 6)[0]
        return {"kind": "arp", "mac": source, "operation": operation, "address": _ip(packet[14:18]), "target": _ip(packet[24:28])}
    if kind == 0x0800 and packet[9] == 112:
        size = (packet[0] & 15) * 4
        return {"mac": source, "to_mac": frame[:6].hex(":"), "hops": packet[8], **_vrrp(packet[12:16], packet[16:20], packet[size:])}
    if kind == 0x86DD and packet[6] == 112:
        return {"mac": source, "to_mac": frame[:6].hex(":"), "hops": packet[7], **_vrrp(packet[8:24], packet[24:40], packet[40:])}
    if kind == 0x86DD and packet[6] == 58 and packet[40] == 136:
        return {"kind": "na", "mac": source, "hops": packet[7], "flags": packet[44], "address": _ip(packet[48:64])}
    return None


def _vrrp(source, destination, message):
    kind = "vrrp" if message[0] == _ADVERTISEMENT else "note"
    return {"kind": kind, "from": _ip(source), "to": _ip(destination), "priority": message[2], "message": message.hex()}


def _ip(packed):
    return str(ipaddress.ip_address(bytes(packed)))


def main():
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as sock:  # ETH_P_ALL
        sock.bind((sys.argv[1], 0))
        print(json.dumps({"kind": "ready", "at": time.monotonic()}), flush=True)
        while True:
            readable, _writable, _failed = select.select([sock, sys.stdin], [], [])
            if sys.stdin in readable:
                return
            frame, origin = sock.recvfrom(2048)
            described = describe(frame)
            if described:
                print(json.dumps({**described, "at": time.monotonic(), "sent": origin[2] == socket.PACKET_OUTGOING}), flush=True)


if __name__ == "__main__":
    main()
