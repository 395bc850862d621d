"""Keeping every node's logs equal: joins the parts that push, pull, compare, judge forks and choose the own log."""

from __future__ import annotations

from collections.abc import Mapping

from peerfarm.errors import PeerProtocolError
from peerfarm.model.ids import LogId, NodeId
from peerfarm.node.comparing import Comparing
from peerfarm.node.core import Core
from peerfarm.node.forks import Forks
from peerfarm.node.links import Link, Links
from peerfarm.node.ownlog import OwnLog
from peerfarm.node.peer import Peer
from peerfarm.node.presence import Presence
from peerfarm.node.pulling import Pulling
from peerfarm.node.pushing import Pushing
from peerfarm.protocol.messages import Actions
from peerfarm.state.actions import decode_action
from peerfarm.state.logbook import LogKey


class Replication:
    """One node's side of the replicated log."""

    def __init__(self, core: Core, presence: Presence) -> None:
        self._core = core
        self._links = Links(core, presence)
        self.own = OwnLog(core, presence)
        self.pulling = Pulling(core, self._links)
        self.pushing = Pushing(core, presence, self._links)
        self.forks = Forks(core, presence, self._links, self.own)
        self.comparing = Comparing(core, presence, self._links, self.pulling, self.forks, self.own)
        self.on_vector_ask = self.comparing.on_vector_ask
        self.on_vector_tell = self.comparing.on_vector_tell
        self.on_beat = self.comparing.on_beat
        self.on_pull = self.pulling.on_pull
        self.on_rows = self.pulling.on_rows
        self.on_held = self.pushing.on_held
        self._has_ticked = False
        """In this turn."""

    # What others may know

    @property
    def links(self) -> Mapping[NodeId, Link]:
        """What is known of each peer's logs."""
        return self._links.of

    def link(self, node: NodeId) -> Link:
        """What is known of a peer's logs."""
        return self._links[node]

    def not_compared(self) -> list[NodeId]:
        """Members that count as alive and that have not been compared with since it was last needed."""
        return self.comparing.pending()

    def need_all_comparisons(self) -> None:
        """Grant nothing until every live member has told, from now on, what it holds: at start and at takeover."""
        self.comparing.need_all()

    @property
    def cut(self) -> dict[LogKey, int]:
        """The logs are kept from after these positions on; before them stands the snapshot."""
        return self.pulling.cut

    @cut.setter
    def cut(self, cut: dict[LogKey, int]) -> None:
        self.pulling.cut = cut

    @property
    def own_log_before(self) -> LogId | None:
        """The log written in the last start."""
        return self.own.before

    @own_log_before.setter
    def own_log_before(self, log: LogId | None) -> None:
        self.own.before = log

    @property
    def is_in_doubt(self) -> bool:
        """Whether the database may lack what this node wrote and sent before."""
        return self.own.is_in_doubt

    @is_in_doubt.setter
    def is_in_doubt(self, is_in_doubt: bool) -> None:
        self.own.is_in_doubt = is_in_doubt

    # What happens

    def link_up(self, node: NodeId) -> None:
        """A new connection: nothing is known to have arrived over it."""
        self._links.begin(node)

    def on_actions(self, peer: Peer, message: Actions) -> None:
        """Actions arrived."""
        core = self._core
        if core.disk_error:
            return
        link = self._links[peer.node]
        keys: dict[LogKey, None] = {}
        for raw in message.raws:
            action = decode_action(raw)
            if action.farm != core.farm_id:
                raise PeerProtocolError("an action of another farm")
            core.counters.actions_received += 1
            key = (action.node, action.log)
            if key in link.distrusted:
                continue
            self._links.note_known(link, key, action.seq)
            if core.accept(action):
                keys[key] = None
            elif action.seq <= core.book.seq_of(key):
                core.counters.duplicates_received += 1
        for key in keys:
            self.pulling.came(key)
            if key in link.claims:
                link.told_s = core.now_s
        self.pushing.acknowledge_job()
        self.pulling.pull_gaps(peer.node)
        self.pulling.pull_on(peer.node, keys)
        self.pulling.pull_claims(peer.node)
        self.comparing.settle(peer.node)

    def flush(self) -> None:
        """At the end of a turn: push what is new, answer who asked what is held."""
        self.pushing.flush()
        self.comparing.flush()
        if self._has_ticked:
            self._has_ticked = False
            self._links.forget_known()

    def tick(self) -> None:
        """Ask again, acknowledge, give up what never comes."""
        self._has_ticked = True
        self.comparing.tick()
        self.pulling.tick()
        self.pushing.tick()
