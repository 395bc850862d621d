"""Addresses between peers: how `host:port` is read, and which of this machine's own peers may dial."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?\Z")
_ANYWHERE = ("10.255.255.255", "172.31.255.255", "192.168.255.255", "192.0.2.1")
"""One address of each private range and one of the outside: the system's routes to them name our own."""


def parse_address(text: str) -> tuple[str, int] | None:
    """Split `host:port` or `[IPv6]:port`; None when it is neither. Peers supply these, so never trust them."""
    host, colon, port_text = text.rpartition(":")
    if not colon or not port_text.isascii() or not port_text.isdigit() or len(port_text) > 5:
        return None
    port = int(port_text)
    if not 1 <= port <= 65535:
        return None
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(host[1:-1].partition("%")[0])), port
        except ValueError:
            return None
    return (host, port) if _HOST.match(host) else None


def format_address(host: str, port: int) -> str:
    """Spell an address so that `parse_address` reads it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reachable_addresses(host: str, port: int) -> tuple[str, ...]:
    """What peers may dial when this node listens on `host`; loopback only when it listens there alone."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return (format_address(host, port),)
    return tuple(format_address(own, port) for own in own_addresses())


def own_addresses() -> tuple[str, ...]:
    """This machine's IPv4 addresses apart from loopback, the likeliest first; empty without a network."""
    found: dict[str, None] = {}
    for target in _ANYWHERE:
        # Connecting a datagram socket sends nothing: it only asks the routing table.
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((target, 9))
            found[probe.getsockname()[0]] = None
    if not found:
        with contextlib.suppress(OSError):
            for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET):
                found[str(entry[4][0])] = None
    return tuple(own for own in found if not own.startswith("127.") and own != "0.0.0.0")  # noqa: S104 - compared
