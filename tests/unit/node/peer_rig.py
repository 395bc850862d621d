"""One real node in a farm whose other members the test plays: they greet, answer what they are asked, or do not."""

from __future__ import annotations

from typing import Any

from node_rig import Solo

from peerfarm.model.ids import ALPHABET, BootId, FarmId, JobId, LogId, NodeId, node_id_of
from peerfarm.model.job import JOB_VERSION
from peerfarm.node import inputs
from peerfarm.protocol.messages import (
    MAX_ROWS,
    PROTOCOL_VERSION,
    About,
    Actions,
    Beat,
    Greeting,
    Pull,
    VectorAsk,
    VectorTell,
    decode_message,
)
from peerfarm.state.actions import Body, JobDeleted, MemberAdded, encode_action
from peerfarm.state.logbook import NO_CHAIN, LogKey, Position, encode_vector, next_chain

FARM = FarmId("farmfarmfarmfarm")
NOTHING = JobDeleted(JobId("jobjobjobjob"))


def log_id(number: int) -> LogId:
    """One of many logs."""
    return LogId("".join(ALPHABET[number >> 5 * place & 31] for place in range(8)))


class Played:
    """A member that the test speaks for; it holds `rows` and says so, or whatever else it is made to say."""

    def __init__(self, solo: Solo, name: str) -> None:
        self.solo = solo
        self.name = name
        self.key = name.ljust(40, "p")
        self.id: NodeId = node_id_of(self.key)
        self.boot = BootId(f"boot{name}0"[:8])
        self.rows: dict[LogKey, list[bytes]] = {}
        """The logs that it can send."""
        self.lies: dict[LogKey, Position] = {}
        """What it says besides."""
        self.is_silent = False
        """Answers no question."""
        self._heard = 0
        self._marks = 0

    def greet(self, boot: str = "") -> None:
        """A new connection, perhaps after a new start."""
        self.boot = BootId(boot or self.boot)
        self.solo.turn(inputs.LinkUp(self.id))
        self.solo.hear(self.id, Greeting(PROTOCOL_VERSION, FARM, self.boot))
        self.solo.hear(self.id, About(self.name, "0", True, 1, JOB_VERSION, (), (), (), 1000, 4, ()))

    def write(self, log: LogId, count: int = 1, body: Body = NOTHING, author: NodeId | None = None) -> list[bytes]:
        """Add actions to a log of its own, or so it says, without telling anybody yet."""
        rows = self.rows.setdefault((author or self.id, log), [])
        for _ in range(count):
            action = (author or self.id, log, len(rows) + 1)
            rows.append(encode_action(FARM, action, 20 + len(rows), 0, body))
        return rows

    def push(self, raws: list[bytes]) -> None:
        """Send actions."""
        self.solo.hear(self.id, Actions(tuple(raws)))

    def vector(self) -> dict[LogKey, Position]:
        """What it says that it holds: all of the node's, its own logs, and lies."""
        vector = dict(self.solo.node.core.book.vector)
        for key, rows in self.rows.items():
            chain = NO_CHAIN
            for raw in rows:
                chain = next_chain(chain, raw)
            vector[key] = Position(len(rows), chain)
        return vector | self.lies

    def answer(self) -> int:
        """Answer everything that it was asked since the last time, in full; how many questions that were."""
        said = [*self.said()]
        asked = [message for message in said if isinstance(message, (VectorAsk, Pull))]
        for message in asked:
            if isinstance(message, Pull):
                self.serve(message)
            elif not self.is_silent:
                self.tell(message)
        return len(asked)

    def tell(self, ask: VectorAsk) -> None:
        """Answer a question for the vector: all of it, in parts where it is large."""
        rows = encode_vector(self.vector())
        first = ask.since if ask.boot == self.boot and ask.since < len(rows) else 0
        until = min(first + MAX_ROWS, len(rows))
        is_last = until == len(rows)
        self.solo.hear(
            self.id, VectorTell(ask.token, tuple(rows[first:until]), first, 0 if is_last else until, is_last)
        )

    def serve(self, pull: Pull) -> None:
        """Send what was asked for, as far as it is there."""
        raws = [
            raw for node, log, first, last in pull.ranges for raw in self.rows.get((node, log), [])[first - 1 : last]
        ]
        if raws:
            self.push(raws)

    def said(self) -> list[Any]:
        effects, self._heard = self.solo.effects[self._heard :], len(self.solo.effects)
        sent = [raw for turn in effects for node, raw in (*turn.beats, *turn.sends) if node == self.id]
        return [message for raw in sent if (message := decode_message(raw)) is not None]


def farm_of(*names: str) -> tuple[Solo, list[Played]]:
    """A node, `oak`, and members that have not greeted yet."""
    solo = Solo()
    solo.found()
    played = [Played(solo, name) for name in names]
    for member in played:
        solo.node.core.record(MemberAdded(member.id, member.key, member.name))
    solo.turn()
    return solo, played


def live(solo: Solo, played: list[Played], seconds: float) -> None:
    """Time passes, and the members beat and answer."""
    for _ in range(int(seconds * 2)):
        solo.wait(0.5)
        for member in played:
            solo.hear(member.id, Beat(member.boot, b"", "", 1, 0, ()))
        talk(played)


def talk(played: list[Played]) -> None:
    """Members answer until nothing more is asked."""
    for _ in range(100):
        if sum(member.answer() for member in played) == 0:
            return
