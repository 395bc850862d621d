from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest
import zmq
from mesh_driver import Driver, Peer, befriend
from zmq.utils.monitor import recv_monitor_message

from peerfarm.mesh import LinkDown, LinkUp, PeerKeyChanged, Refused, new_keys
from peerfarm.mesh.wire import HELLO, LINK_VERSION
from peerfarm.model.ids import NodeId


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.stop_all()


@pytest.fixture
def outsider() -> Iterator[Outsider]:
    outsider = Outsider()
    yield outsider
    outsider.close()


GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(15) + b"\x00" + bytes(31)
"""As every program begins that speaks ZeroMQ with CURVE; see rfc.zeromq.org/spec/23."""
CUT = (
    zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
"""Which of them libzmq tells depends on how far the handshake came before the other side closed."""


class Outsider:
    """Bare ZeroMQ sockets, as a program of somebody else's would use them."""

    def __init__(self) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.sockets: list[zmq.Socket[bytes]] = []
        self.monitors: list[zmq.Socket[bytes]] = []
        self.seen: list[list[int]] = []

    def knock(self, at: Peer, me: Peer | None = None, routing_id: bytes = b"") -> zmq.Socket[bytes]:
        """A connection with a member's real keys, or none, and whatever routing id it likes."""
        raw = self.context.socket(zmq.DEALER)
        self.sockets.append(raw)
        self.monitors.append(raw.get_monitor_socket(CUT | zmq.EVENT_HANDSHAKE_SUCCEEDED))
        self.seen.append([])
        if routing_id:
            raw.setsockopt(zmq.ROUTING_ID, routing_id)
        if me is not None:
            raw.setsockopt(zmq.CURVE_PUBLICKEY, me.keys.public.encode())
            raw.setsockopt(zmq.CURVE_SECRETKEY, me.keys.secret.encode())
            raw.setsockopt(zmq.CURVE_SERVERKEY, at.keys.public.encode())
        raw.connect(f"tcp://{at.address}")
        return raw

    def all_were_cut(self) -> bool:
        """Whether every connection was closed by the other side at least once."""
        return all(any(event & CUT for event in seen) for seen in self._watch())

    def shook_hands(self) -> bool:
        """Whether every connection was let in."""
        return all(zmq.EVENT_HANDSHAKE_SUCCEEDED in seen for seen in self._watch())

    def _watch(self) -> list[list[int]]:
        for monitor, seen in zip(self.monitors, self.seen, strict=True):
            while monitor.poll(0):
                seen.append(recv_monitor_message(monitor)["event"])
        return self.seen

    def close(self) -> None:
        for raw, monitor in zip(self.sockets, self.monitors, strict=True):
            raw.disable_monitor()
            monitor.close(0)
            raw.close(0)
        self.context.term()


def test_an_unknown_key_is_refused_and_told_on_both_sides(driver: Driver) -> None:
    farm, stranger = driver.start(), driver.start()
    stranger.mesh.allow({farm.node: farm.keys.public})
    stranger.mesh.dial(farm.node, farm.address)
    driver.until(lambda: farm.all_of(Refused) and stranger.all_of(Refused))
    assert farm.all_of(Refused)[0].key_or_address == stranger.keys.public
    assert stranger.all_of(Refused)[0].key_or_address == farm.address
    assert farm.mesh.links() == stranger.mesh.links() == ()


def test_a_node_without_an_allow_list_lets_nobody_in(driver: Driver) -> None:
    alone, other = driver.start(), driver.start()
    other.mesh.allow({alone.node: alone.keys.public, other.node: other.keys.public})
    other.mesh.dial(alone.node, alone.address)
    driver.until(lambda: other.all_of(Refused))
    assert alone.all_of(LinkUp) == []


def test_a_refused_node_is_let_in_by_redialling_once_it_is_a_member(driver: Driver) -> None:
    farm, newcomer = driver.start(), driver.start()
    newcomer.mesh.allow({farm.node: farm.keys.public})
    newcomer.mesh.dial(farm.node, farm.address)
    driver.until(lambda: newcomer.all_of(Refused))
    befriend(farm, newcomer)
    driver.until(lambda: farm.is_linked_to(newcomer) and newcomer.is_linked_to(farm))


@pytest.mark.parametrize("remover", [0, 1], ids=["the dialling side removes", "the listening side removes"])
def test_a_removed_member_is_cut_off_at_once(driver: Driver, remover: int) -> None:
    pair = driver.linked_pair()
    keeper, removed = pair[remover], pair[1 - remover]
    assert removed.mesh.send(keeper.node, b"queued before the removal")
    keeper.mesh.allow({})
    assert keeper.mesh.links() == ()
    assert not keeper.mesh.send(removed.node, b"secret")
    driver.until(lambda: removed.all_of(LinkDown))
    driver.until(lambda: removed.all_of(Refused) or remover == 0)
    assert keeper.data_from(removed) == []
    assert removed.data_from(keeper) == []


def test_a_key_that_was_removed_between_its_handshake_and_its_first_word_is_not_heard(
    driver: Driver, outsider: Outsider
) -> None:
    farm, leaver = driver.start(), driver.start()
    befriend(farm, leaver)
    raw = outsider.knock(farm, leaver)
    driver.until(lambda: raw.poll(0, zmq.POLLOUT) and outsider.shook_hands())
    farm.mesh.allow({})
    raw.send_multipart([b"", HELLO, LINK_VERSION, b"boot"])
    raw.send(b"still here?")
    driver.until(outsider.all_were_cut)
    assert farm.all_of(LinkUp) == []
    assert farm.data_from(leaver) == []


def test_a_member_cannot_speak_as_another_by_its_routing_id(driver: Driver, outsider: Outsider) -> None:
    victim, farm = driver.linked_pair()
    thief = driver.start()
    befriend(victim, farm, thief)
    (route,) = farm.mesh._listener._wires
    raw = outsider.knock(farm, thief, route)
    raw.send_multipart([b"", HELLO, LINK_VERSION, b"boot"])
    raw.send(b"I am the victim")
    other = outsider.knock(farm, thief, victim.node.encode() + b"-forged")
    other.send_multipart([b"", HELLO, LINK_VERSION, b"boot"])
    other.send(b"so am I")
    driver.until(lambda: farm.data_from(thief))
    assert farm.data_from(thief) == [b"so am I"]
    assert farm.data_from(victim) == []
    assert farm.mesh.send(victim.node, b"for the victim alone")
    driver.until(lambda: victim.data_from(farm))
    assert farm.all_of(LinkDown) == []


def test_frames_behind_a_message_are_not_taken_for_a_message_of_another(driver: Driver, outsider: Outsider) -> None:
    victim, farm = driver.linked_pair()
    thief = driver.start()
    befriend(victim, farm, thief)
    (route,) = farm.mesh._listener._wires
    raw = outsider.knock(farm, thief, b"thief")
    raw.send_multipart([b"", HELLO, LINK_VERSION, b"boot"])
    raw.send_multipart([b"decoy", route, b"as the victim"])
    driver.until(lambda: farm.mesh.traffic.dropped_in and not farm.is_linked_to(thief))
    assert farm.data_from(victim) == farm.data_from(thief) == []
    assert farm.is_linked_to(victim)


@pytest.mark.parametrize(
    "frames",
    [[b"data before any hello"], [b"", b"hello"], [b"", b"read", b"99999999"], [b"", HELLO, b"9", b"boot"], [b""] * 50],
    ids=["no hello", "short hello", "not ours", "other version", "many frames"],
)
def test_a_member_that_breaks_the_form_is_dropped_and_nobody_else(
    driver: Driver, outsider: Outsider, frames: list[bytes]
) -> None:
    good, farm = driver.linked_pair()
    bad = driver.start()
    befriend(good, farm, bad)
    raw = outsider.knock(farm, bad, b"bad")
    raw.send_multipart(frames)
    driver.until(lambda: farm.mesh.traffic.dropped_in == 1 and outsider.all_were_cut())
    assert not farm.is_linked_to(bad)
    assert good.mesh.send(farm.node, b"still here")
    driver.until(lambda: farm.data_from(good))


def test_an_oversized_message_drops_only_its_sender(driver: Driver, outsider: Outsider) -> None:
    good, farm = driver.linked_pair()
    bad = driver.start()
    befriend(good, farm, bad)
    raw = outsider.knock(farm, bad, b"bad")
    raw.send_multipart([b"", HELLO, LINK_VERSION, b"boot"])
    driver.until(lambda: farm.is_linked_to(bad))
    raw.send(b"x" * (2 << 20))
    driver.until(lambda: farm.all_of(LinkDown))
    assert farm.all_of(LinkDown)[0].node == bad.node
    assert farm.data_from(bad) == []
    assert good.mesh.send(farm.node, b"x" * (1 << 20))
    driver.until(lambda: farm.data_from(good))


def test_our_own_oversized_or_empty_message_is_a_bug_and_never_sent(driver: Driver) -> None:
    lower, higher = driver.linked_pair()
    for data in (b"", b"x" * ((1 << 20) + 1)):
        with pytest.raises(ValueError, match="can be sent"):
            lower.mesh.send(higher.node, data)


def test_another_key_at_a_members_address_is_reported_and_never_linked(driver: Driver) -> None:
    impostor, here = driver.start(), driver.start()
    member = new_keys()
    node = NodeId("a" * 16)
    here.mesh.allow({node: member.public})
    impostor.mesh.allow({here.node: here.keys.public})
    here.mesh.dial(node, impostor.address)
    driver.until(lambda: here.all_of(PeerKeyChanged) and impostor.all_of(Refused))
    assert here.all_of(PeerKeyChanged) == [PeerKeyChanged(node, impostor.address)]
    assert here.mesh.links() == impostor.mesh.links() == ()


def test_a_program_without_curve_is_refused_and_told_once(driver: Driver, outsider: Outsider) -> None:
    farm = driver.start()
    for _ in range(5):
        outsider.knock(farm).send(b"let me in")
    driver.until(outsider.all_were_cut)
    driver.until(lambda: farm.all_of(Refused))
    told = [refused.key_or_address for refused in farm.all_of(Refused)]
    assert set(told) <= {"127.0.0.1", farm.address}
    assert len(told) == len(set(told))  # once with the address, where it could still be read, and once without
    assert farm.mesh.traffic.messages_in == 0


@pytest.mark.parametrize(
    "junk",
    [b"", b"GET / HTTP/1.1\r\nHost: farm\r\n\r\n", b"\xff" * 100_000, GREETING + b"\x06" + b"\x7f" * 100_000],
    ids=["silence", "a web browser", "noise", "an endless message"],
)
def test_bytes_that_are_no_peers_are_told_once(driver: Driver, junk: bytes) -> None:
    farm = driver.start()
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", int(farm.address.rpartition(":")[2]))) as link:
            with contextlib.suppress(ConnectionError):  # it may be closed while we still speak
                link.sendall(junk)
            if not junk:
                link.shutdown(socket.SHUT_RDWR)
            link.setblocking(False)
            driver.until(lambda link=link: is_closed(link))
    driver.until(lambda: farm.all_of(Refused))
    told = [(refused.key_or_address, refused.reason[:44]) for refused in farm.all_of(Refused)]
    there = ("127.0.0.1", f"Somebody there knocked at {farm.address} without a key"[:44])
    gone = (farm.address, "Somebody knocked without a key, or with anot")  # before its address could be read
    assert told in ([there], [gone], [there, gone], [gone, there])


def test_a_stranger_that_stays_a_moment_is_told_by_its_address(driver: Driver) -> None:
    farm = driver.start()
    with socket.create_connection(("127.0.0.1", int(farm.address.rpartition(":")[2]))) as link:
        link.sendall(GREETING)
        assert link.recv(len(GREETING), socket.MSG_WAITALL)[:1] == b"\xff"
        turns = iter(range(5))
        driver.until(lambda: next(turns, None) is None)
        link.sendall(b"\x06" + b"\x7f" * 100_000)
        driver.until(lambda: farm.all_of(Refused))
    words = f"Somebody there knocked at {farm.address} without a key, or with another farm's."
    assert farm.all_of(Refused) == [Refused("127.0.0.1", words)]


def is_closed(link: socket.socket) -> bool:
    """Whether the other side closed that connection."""
    try:
        while link.recv(1 << 16):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


def test_whoever_proved_a_key_is_no_stranger_when_it_goes(driver: Driver, outsider: Outsider) -> None:
    (member, farm), stranger = driver.linked_pair(), driver.start()  # the first one dialled
    driver.stop(member)
    driver.until(lambda: farm.all_of(LinkDown))
    outsider.knock(farm, stranger)
    driver.until(outsider.all_were_cut)
    driver.until(lambda: farm.all_of(Refused))
    assert [refused.key_or_address for refused in farm.all_of(Refused)] == [stranger.keys.public]


def test_a_port_that_speaks_something_else_neither_links_nor_harms(driver: Driver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as web:
        here = driver.start()
        other = new_keys()
        node = NodeId("b" * 16)
        here.mesh.allow({node: other.public})
        here.mesh.dial(node, f"127.0.0.1:{web.getsockname()[1]}")
        web.setblocking(False)
        calls: list[socket.socket] = []

        def answer_as_a_web_server() -> bool:
            try:
                call = web.accept()[0]
            except BlockingIOError:
                return False
            calls.append(call)
            call.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n" + b"x" * 200)
            call.close()
            return len(calls) == 2

        driver.until(answer_as_a_web_server)
    assert here.mesh.links() == ()


def test_a_member_with_a_key_that_is_none_is_left_out_and_reported(driver: Driver) -> None:
    good, here = driver.start(), driver.start()
    here.mesh.allow({NodeId("c" * 16): "not a key", NodeId("d" * 16): "é" * 40, good.node: good.keys.public})
    good.mesh.allow({here.node: here.keys.public})
    here.mesh.dial(NodeId("c" * 16), "127.0.0.1:1")
    here.mesh.dial(good.node, good.address)
    driver.until(lambda: here.is_linked_to(good))
    assert len(here.all_of(Refused)) == 2


@pytest.mark.parametrize("address", ["", "nonsense", "127.0.0.1:0", "127.0.0.1:99999", "a;b:1", "tcp://x:1", "[::g]:1"])
def test_an_address_from_a_peer_that_is_none_is_reported_and_harmless(driver: Driver, address: str) -> None:
    here, other = driver.start(), driver.start()
    befriend(here, other)
    here.mesh.tick(1.0)
    here.mesh.dial(other.node, address)
    driver.until(lambda: here.all_of(Refused))
    here.mesh.dial(other.node, other.address)
    driver.until(lambda: here.is_linked_to(other))
