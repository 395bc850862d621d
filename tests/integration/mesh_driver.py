"""Turns real meshes in one thread until a condition holds; run as a program it is one peer in its own process."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import zmq

from peerfarm.mesh import KeyPair, LinkDown, LinkUp, MeshEvent, Received, ZmqMesh, new_keys
from peerfarm.model.ids import NodeId, node_id_of

LIMIT_S = 15.0
Event = TypeVar("Event")


@dataclass(eq=False)
class Peer:
    """One mesh and everything that came out of it."""

    mesh: ZmqMesh
    keys: KeyPair
    port: int = 0
    seen: list[MeshEvent] = field(default_factory=list)
    is_reading: bool = True

    @property
    def node(self) -> NodeId:
        return self.mesh.own

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def all_of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.seen if isinstance(event, kind)]

    def is_linked_to(self, other: Peer) -> bool:
        return other.node in [link.node for link in self.mesh.links()]

    def data_from(self, other: Peer) -> list[bytes]:
        return [event.data for event in self.all_of(Received) if event.node == other.node]


class Driver:
    """Peers that are turned together."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []

    def start(self, keys: KeyPair | None = None, *, port: int | None = 0) -> Peer:
        """A new mesh on loopback; `port` None only dials out."""
        keys = keys or new_keys()
        peer = Peer(ZmqMesh(keys), keys)
        self.peers.append(peer)
        peer.port = peer.mesh.open("127.0.0.1" if port is not None else "", port or 0)
        return peer

    def pair(self) -> tuple[Peer, Peer]:
        """Two peers that allow each other, the lower node id first."""
        lower, higher = sorted((self.start(), self.start()), key=lambda peer: peer.node)
        befriend(lower, higher)
        return lower, higher

    def linked_pair(self) -> tuple[Peer, Peer]:
        """A pair whose lower one dialled; the link is up on both sides."""
        lower, higher = self.pair()
        lower.mesh.dial(higher.node, higher.address)
        self.until(lambda: lower.is_linked_to(higher) and higher.is_linked_to(lower))
        return lower, higher

    def stop(self, peer: Peer, linger_s: float = 0.0) -> None:
        """Close one."""
        self.peers.remove(peer)
        peer.mesh.close(linger_s)

    def stop_all(self) -> None:
        """Close what is left."""
        while self.peers:
            self.stop(self.peers[-1])

    def until(self, condition: Callable[[], object], limit_s: float = LIMIT_S) -> None:
        """Turn all peers until the condition holds."""
        end_s = time.monotonic() + limit_s
        while True:
            poller = zmq.Poller()
            for peer in self.peers:
                peer.mesh.tick(time.monotonic())
                if peer.is_reading:
                    peer.seen += peer.mesh.receive()
                    for socket in peer.mesh.pollables():
                        poller.register(socket, zmq.POLLIN)
            if condition():
                return
            if time.monotonic() > end_s:
                told = {peer.node: peer.seen[-20:] for peer in self.peers}
                msg = f"it did not come to pass: {told}"
                raise AssertionError(msg)
            poller.poll(20)


def befriend(*peers: Peer) -> None:
    """Let all peers allow each other."""
    for peer in peers:
        peer.mesh.allow({other.node: other.keys.public for other in peers})


def main(public: str, secret: str, other_public: str, address: str) -> None:
    """Dial one peer, say `ready` to it once the link is up, and echo what it says until the link is down."""
    driver = Driver()
    peer = driver.start(KeyPair(public, secret))
    other = node_id_of(other_public)
    peer.mesh.allow({other: other_public})
    peer.mesh.dial(other, address)
    driver.until(lambda: peer.all_of(LinkUp))
    peer.mesh.send(other, b"ready")
    while not peer.all_of(LinkDown):
        peer.seen.clear()
        driver.until(lambda: peer.seen, limit_s=60)
        for event in peer.all_of(Received):
            peer.mesh.send(other, event.data)


if __name__ == "__main__":
    main(*sys.argv[1:])
