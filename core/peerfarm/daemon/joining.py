"""The join socket's shell: opens it for invitations, and knocks at another farm's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from peerfarm.errors import PeerfarmError
from peerfarm.mesh import JoinString, KeyPair, Mesh, format_join, new_keys, parse_join
from peerfarm.node.effects import AnswerJoin, AskJoin, OpenJoin
from peerfarm.node.inputs import Input, JoinAnswered, JoinOpened

KNOCK_LIMIT_S = 5.0


@dataclass(slots=True)
class Joining:
    """Carries out what a node wants of join sockets."""

    mesh: Mesh
    listen: str
    port: int
    """Of the join socket: the one after the settings' own, so that a firewall can let both in; 0 for any."""
    advertise: tuple[str, ...]
    tell: Callable[[Input], None]
    join_request: Callable[[str], bytes]
    _keys: KeyPair | None = None
    _port: int = 0
    _wish: JoinString | None = None
    _left: list[str] = field(default_factory=list)

    def carry_out(self, order: OpenJoin | AnswerJoin | AskJoin, farm_name: str) -> None:
        """Open, answer or knock; what comes of it is told as an input."""
        if isinstance(order, AnswerJoin):
            self.mesh.answer_join(order.ticket, order.data)
        elif isinstance(order, OpenJoin):
            self._open(order.token, farm_name)
        else:
            try:
                self._wish = parse_join(order.join_string)
            except PeerfarmError as error:
                self.tell(JoinAnswered(None, str(error)))
                return
            self._left = list(self._wish.addresses)
            self._knock("it names no address")

    def _open(self, token: str, farm_name: str) -> None:
        try:
            if self._keys is None:
                self._keys = new_keys()
                self._port = self.mesh.open_join(self.listen or "127.0.0.1", self.port, self._keys)
            hosts = dict.fromkeys(address.rpartition(":")[0] for address in self.advertise or self.mesh.addresses())
            addresses = [f"{host}:{self._port}" for host in hosts] or [f"127.0.0.1:{self._port}"]
            text = format_join(addresses, self._keys.public, token, farm_name)
        except PeerfarmError as error:
            text = ""
            self.tell(JoinOpened(text, str(error)))
            return
        self.tell(JoinOpened(text))

    def close(self) -> None:
        """No invitation is open any more."""
        self._keys = None
        self.mesh.close_join()

    def failed(self, reason: str) -> None:
        """Nobody answered at the address just tried."""
        if self._wish is not None:
            self._knock(reason)

    def answered(self, data: bytes) -> None:
        """A farm answered."""
        if self._wish is not None:
            self._wish = None
            self.tell(JoinAnswered(data))

    def _knock(self, reason: str) -> None:
        if self._wish is None or not self._left:
            self._wish = None
            self.tell(JoinAnswered(None, reason))
            return
        data = self.join_request(self._wish.token)
        self.mesh.ask_join(self._left.pop(0), self._wish.server_key, data, KNOCK_LIMIT_S)
