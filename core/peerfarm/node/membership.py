"""Founding a farm, letting newcomers in, joining one, removing a member."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from peerfarm.errors import PeerProtocolError, RequestRefused
from peerfarm.model.ids import FARM_ID_LENGTH, FarmId, NodeId, is_id, node_id_of
from peerfarm.node.core import Core
from peerfarm.node.effects import AnswerJoin, AskJoin, OpenJoin
from peerfarm.node.inputs import JoinAnswered, JoinAsked, JoinOpened, LocalRequest
from peerfarm.node.presence import Presence
from peerfarm.protocol.messages import (
    MAX_TOLD_ADDRESSES,
    PROTOCOL_VERSION,
    JoinAsk,
    JoinTell,
    decode_message,
    encode_message,
)
from peerfarm.state.actions import FarmCreated, MemberAdded, MemberRemoved
from peerfarm.state.selectors import live_members

TOKEN_LIFE_S = 600.0
MAX_TOLD_CHARS = 100_000
"""Characters of addresses in the answer to a newcomer; members beyond that are told of without theirs."""
MAX_TOKENS = 32

Reply = Callable[[LocalRequest, dict[str, Any]], None]
Refuse = Callable[[LocalRequest, RequestRefused], None]


@dataclass(slots=True)
class Membership:
    """Who belongs to the farm, and how one gets in."""

    core: Core
    presence: Presence
    reply: Reply
    refuse: Refuse
    _tokens: dict[str, float] = field(default_factory=dict)
    """Outstanding one-time tokens and until when; they end with this start of the node at the latest."""
    _inviting: list[LocalRequest] = field(default_factory=list)
    _joining: LocalRequest | None = None

    @property
    def is_joining(self) -> bool:
        """Whether a farm was asked to let this node in, and has not answered."""
        return self._joining is not None

    def found(self, request: LocalRequest, name: str, root: str) -> None:
        """`init`: create a farm with this node as its first member."""
        if self.core.farm_id is not None:
            raise RequestRefused(
                "this node belongs to a farm already", "leave it as it is, or use another PEERFARM_HOME for a new farm"
            )
        if self._joining is not None:
            raise RequestRefused("joining a farm is under way", "wait for its end")
        if not 0 < len(name) <= 100:
            raise RequestRefused("a farm's name has 1 to 100 characters", "peerfarm init NAME")
        farm = request.minted.farm
        self.core.record(FarmCreated(name), farm)
        self.core.record(MemberAdded(self.core.node, self.core.identity.key, self.core.settings.name), farm)
        self.core.effects.root = root
        self.reply(request, {"farm": {"id": farm, "name": name}})

    def invite(self, request: LocalRequest) -> None:
        """`invite`: open the join socket for one newcomer."""
        if self.core.farm.created is None:
            raise RequestRefused("this node belongs to no farm yet", "found one with `peerfarm init NAME`")
        if len(self._tokens) >= MAX_TOKENS:
            raise RequestRefused(f"{MAX_TOKENS} invitations are open", "use one of them, or wait ten minutes")
        self._tokens[request.minted.token] = self.core.mono_s + TOKEN_LIFE_S
        self._inviting.append(request)
        self.core.effects.joins.append(OpenJoin(request.minted.token))

    def opened(self, opened: JoinOpened) -> None:
        """The join socket is open: give the string to who asked."""
        if not self._inviting:
            return
        request = self._inviting.pop(0)
        if opened.error:
            self._tokens.pop(request.minted.token, None)
            self.refuse(request, RequestRefused(f"the join socket cannot be opened: {opened.error}"))
        else:
            self.reply(request, {"join": opened.join_string, "expires_s": int(TOKEN_LIFE_S)})

    def asked(self, asked: JoinAsked) -> None:
        """A newcomer with, one hopes, an outstanding token."""
        error = ""
        try:
            message = decode_message(asked.data)
        except PeerProtocolError:
            message = None
        if not isinstance(message, JoinAsk):
            self._answer(asked, JoinTell("this is not a request to join", "", "", ()))
            return
        token = next((t for t in self._tokens if hmac.compare_digest(t.encode(), message.token.encode())), None)
        node = node_id_of(message.key)
        known = self.core.farm.members.get(node)
        created = self.core.farm.created
        if message.version != PROTOCOL_VERSION:
            error = f"the farm speaks protocol version {PROTOCOL_VERSION}, you {message.version}: use the same release"
        elif token is None or created is None:
            error = "the invitation was used already or has expired; ask for a new one (`peerfarm invite`)"
        elif known is not None and known.removed is not None:
            error = "this node was removed from the farm; move its home away to join with a new key"
        if error or created is None or token is None:
            self._answer(asked, JoinTell(error, "", "", ()))
            return
        del self._tokens[token]
        if not self._tokens:
            self.core.effects.is_join_closed = True
        if known is None:
            try:
                self.core.record(MemberAdded(node, message.key, message.name))
            except RequestRefused as refused:
                self._answer(asked, JoinTell(str(refused), "", "", ()))
                return
        self.presence.learn_addresses(node, message.addresses)
        self.core.tell("node/joined", node=node, name=message.name)
        self._answer(asked, JoinTell("", created[1], created[2], self._members()))

    def _members(self) -> tuple[tuple[NodeId, str, str, tuple[str, ...]], ...]:
        """All members with keys, names and addresses; this node's own addresses at first, as far as there is room."""
        room = MAX_TOLD_CHARS
        members = live_members(self.core.farm)
        told = []
        for member in sorted(members, key=lambda member: member != self.core.node):
            peer = self.presence.peers.get(member)
            addresses = peer.addresses if peer is not None else self.core.settings.addresses[:MAX_TOLD_ADDRESSES]
            room -= sum(map(len, addresses))
            told.append((member, *members[member], addresses if room >= 0 else ()))
        return tuple(told)

    def _answer(self, asked: JoinAsked, message: JoinTell) -> None:
        try:
            raw = encode_message(message)
        except ValueError as error:  # what grows with the farm must not end a node
            raw = encode_message(JoinTell(f"the farm cannot tell of its members: {error}", "", "", ()))
        self.core.effects.joins.append(AnswerJoin(asked.ticket, raw))

    def join(self, request: LocalRequest, join_string: str) -> None:
        """`join`: ask a farm to let this node in."""
        if self.core.farm.created is not None:  # else the member that let it in may be gone for good
            raise RequestRefused(
                "this node belongs to a farm already", "use another PEERFARM_HOME to join a second one"
            )
        if self._joining is not None:
            raise RequestRefused("joining is under way already", "wait for its end")
        self._joining = request
        self.core.effects.joins.append(AskJoin(join_string))

    def join_request(self, token: str) -> bytes:
        """What a newcomer says on the join socket."""
        mine = self.core.settings
        return encode_message(
            JoinAsk(PROTOCOL_VERSION, token, self.core.identity.key, mine.name, mine.addresses[:MAX_TOLD_ADDRESSES])
        )

    def answered(self, answered: JoinAnswered) -> None:
        """The farm's answer to our wish to join."""
        request, self._joining = self._joining, None
        if request is None:
            return
        try:
            message = decode_message(answered.data) if answered.data is not None else None
        except PeerProtocolError as error:
            message = None
            answered = JoinAnswered(None, str(error))
        if isinstance(message, JoinTell) and not message.error and not is_id(message.farm, FARM_ID_LENGTH):
            message = None
            answered = JoinAnswered(None, "the answer names no farm")
        if not isinstance(message, JoinTell) or message.error:
            reason = message.error if isinstance(message, JoinTell) else answered.reason or "nobody can read the answer"
            self.refuse(
                request,
                RequestRefused(
                    f"joining failed: {reason}",
                    "check that the inviting node runs and can be reached, and ask for a new invitation",
                ),
            )
            return
        self.presence.sponsored(FarmId(message.farm), message.members)
        root = request.params.get("root", "")
        self.core.effects.root = root if isinstance(root, str) else ""
        self.reply(
            request,
            {"farm": {"id": message.farm, "name": message.farm_name}, "members": len(message.members)},
        )

    def remove(self, request: LocalRequest, node: NodeId) -> None:
        """`remove`: a member leaves for ever."""
        if node not in live_members(self.core.farm):
            raise RequestRefused(f"{node} is not a member of the farm", "see `peerfarm nodes`")
        self.core.record(MemberRemoved(node))
        self.reply(request, {"node": node})

    def tick(self) -> None:
        """Invitations expire."""
        expired = [token for token, until_s in self._tokens.items() if self.core.mono_s >= until_s]
        for token in expired:
            del self._tokens[token]
        if expired and not self._tokens:
            self.core.effects.is_join_closed = True
