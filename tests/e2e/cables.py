"""A cable between each two nodes that a test can cut: TCP relays on loopback, in front of every node.

While a cable is cut nothing arrives and nobody is told, as when a switch loses power: connections stay open in silence,
what was sent waits, and new dials get no answer. Who dialled is read from /proc, so this runs on Linux alone.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

LOOPBACK = "127.0.0.1"
_PIECE = 64 << 10
_ENDS_S = 10.0
_PORTS = count(20_000 + os.getpid() % 250 * 40, 4)
"""Below what systems give out by themselves, so that none is taken between the choice and its use; a node takes the
next ones too, for joining and for files."""


class Cables:
    """The relays of one farm.

    Args:
        pids: Node -> process id, of every node that runs; asked whenever somebody dials.
    """

    def __init__(self, pids: Callable[[], Mapping[str, int]]) -> None:
        self._pids = pids
        self._lock = threading.Lock()
        self._whole: dict[frozenset[str], threading.Event] = {}
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._is_closing = False

    def plug(self, node: str) -> tuple[int, int]:
        """Put a relay in front of a node; gives the port for it to listen on and the one to advertise."""
        target = _free_port()
        relay = self._keep(socket.create_server((LOOPBACK, 0)))
        self._run(self._accept, relay, node, target)
        return target, int(relay.getsockname()[1])

    def cut(self, side: Iterable[str], other: Iterable[str]) -> None:
        """Let nothing through any more between the nodes of two sides."""
        ends = list(other)
        for pair in (frozenset((one, two)) for one in side for two in ends):
            self._gate(pair).clear()

    def heal(self) -> None:
        """Let everything through again, what waited first."""
        with self._lock:
            for gate in self._whole.values():
                gate.set()

    def close(self) -> None:
        """Pull all plugs."""
        self._is_closing = True
        self.heal()
        with self._lock:
            sockets, threads = list(self._sockets), list(self._threads)
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in threads:
            thread.join(_ENDS_S)
        assert not any(thread.is_alive() for thread in threads)

    def _gate(self, pair: frozenset[str]) -> threading.Event:
        with self._lock:
            if pair not in self._whole:
                self._whole[pair] = threading.Event()
                self._whole[pair].set()
            return self._whole[pair]

    def _keep(self, one: socket.socket) -> socket.socket:
        with self._lock:
            self._sockets.append(one)
        return one

    def _run(self, what: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=what, args=arguments, daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _accept(self, relay: socket.socket, node: str, target: int) -> None:
        while not self._is_closing:
            try:
                near = self._keep(relay.accept()[0])
            except OSError:
                return
            self._run(self._connect, near, node, target)

    def _connect(self, near: socket.socket, node: str, target: int) -> None:
        try:
            dialler = self._dialler(near)
        except OSError:
            dialler = ""
        if not dialler:  # it hung up already
            near.close()
            return
        gate = self._gate(frozenset((dialler, node)))
        gate.wait()
        try:
            far = self._keep(socket.create_connection((LOOPBACK, target)))
        except OSError:
            near.close()
            return
        self._run(_pass_on, near, far, gate)
        _pass_on(far, near, gate)

    def _dialler(self, near: socket.socket) -> str:
        """The node whose process holds the other end of a connection; empty when none does."""
        inode = _inode(near.getpeername()[1], near.getsockname()[1])
        for name, pid in self._pids().items():
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    if inode and str(entry.readlink()) == f"socket:[{inode}]":
                        return name
        return ""


def _pass_on(source: socket.socket, sink: socket.socket, gate: threading.Event) -> None:
    """Carry bytes one way while the cable is whole, to the end of the stream."""
    with suppress(OSError):
        while True:
            gate.wait()
            data = source.recv(_PIECE)
            gate.wait()
            if not data:
                break
            sink.sendall(data)
    for one in (source, sink):  # a connection of ZeroMQ never ends on one side alone
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def _inode(port: int, peer_port: int) -> str:
    """Of the TCP socket with these two ports; empty when there is none."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if [int(place.rpartition(":")[2], 16) for place in words[1:3]] == [port, peer_port]:
            return words[9]
    return ""


def _free_port() -> int:
    """A port that nobody listens on, nor on the next one, which the node's join socket takes."""
    for port in _PORTS:
        with suppress(OSError):
            for number in (port, port + 1):
                socket.create_server((LOOPBACK, number)).close()
            return port
    raise AssertionError("there is always another port")
