from __future__ import annotations

from collections.abc import Sequence

import pytest

from peerfarm.errors import ConfigError
from peerfarm.mesh import (
    JoinAnswered,
    JoinAsked,
    JoinFailed,
    KeyPair,
    LinkDown,
    LinkUp,
    MemoryMesh,
    MemoryNetwork,
    Mesh,
    PeerKeyChanged,
    Received,
    Refused,
    Unordered,
)
from peerfarm.mesh.memory import QUEUE_MESSAGES, SILENCE_S
from peerfarm.mesh.window import WINDOW_BYTES
from peerfarm.model.ids import NodeId

A, B = NodeId("a" * 16), NodeId("b" * 16)
KEY = {A: "A" * 40, B: "B" * 40}


def start(network: MemoryNetwork, node: NodeId, *, is_listening: bool = True, port: int = 0) -> MemoryMesh:
    """An end that allows both nodes and listens."""
    mesh = network.attach(node, KEY[node])
    mesh.allow(KEY)
    if is_listening:
        mesh.open("0.0.0.0", port)
    return mesh


def turn(network: MemoryNetwork, *meshes: MemoryMesh, until_s: float) -> None:
    """Let time pass in steps of 0.1 s."""
    while network.now_s < until_s:
        network.advance(network.now_s + 0.1)
        for mesh in meshes:
            mesh.tick(network.now_s)


def linked() -> tuple[MemoryNetwork, MemoryMesh, MemoryMesh]:
    """Two ends with a link; the events of linking were read."""
    network = MemoryNetwork()
    a, b = start(network, A), start(network, B)
    a.dial(B, b.addresses()[0])
    turn(network, a, b, until_s=0.5)
    assert a.receive() == [LinkUp(B, is_dialled=True)]
    assert b.receive() == [LinkUp(A, is_dialled=False)]
    return network, a, b


def data(mesh: MemoryMesh) -> list[bytes]:
    """What was received, reading the inbox empty."""
    return [event.data for event in mesh.receive(limit=10**9) if isinstance(event, Received)]


def test_the_twin_offers_the_same_interface_as_the_real_mesh() -> None:
    mesh: Mesh = MemoryNetwork().attach(A, KEY[A])
    assert mesh.links() == ()


def test_messages_arrive_at_the_next_advance_and_are_counted_per_node() -> None:
    network, a, b = linked()
    assert a.send(B, b"one")
    assert b.receive() == []
    network.advance(network.now_s)
    assert b.receive() == [Received(A, b"one")]
    assert (network.traffic[A].messages_out, network.traffic[A].bytes_out) == (1, 3)
    assert (network.traffic[B].messages_in, network.traffic[B].bytes_in) == (1, 3)


def test_a_link_keeps_its_order_whatever_the_delays() -> None:
    network, a, b = linked()
    delays = iter([5.0, 1.0, 0.0])
    network.plan = lambda *_: (next(delays),)
    for text in (b"1", b"2", b"3"):
        assert a.send(B, text)
    network.advance(network.now_s + 4.0)
    assert data(b) == []
    network.advance(network.now_s + 1.0)
    assert data(b) == [b"1", b"2", b"3"]


def test_a_plan_can_lose_double_and_reorder() -> None:
    network, a, b = linked()
    answers: dict[bytes, Sequence[float]] = {
        b"lost": (),
        b"twice": (0.0, 0.2),
        b"slow": Unordered((3.0,)),
        b"fast": Unordered((1.0,)),
    }
    network.plan = lambda _from, _to, text, _now_s: answers[text]
    for text in (b"lost", b"twice", b"slow", b"fast"):
        assert a.send(B, text)
    network.advance(network.now_s + 10.0)
    assert data(b) == [b"twice", b"twice", b"fast", b"slow"]


def test_the_same_calls_give_the_same_events() -> None:
    def run() -> list[object]:
        network, a, b = linked()
        network.plan = lambda _from, _to, text, _now_s: Unordered((text[0] % 7 / 10,))
        for number in range(100):
            a.send(B, bytes([number]))
            b.send(A, bytes([number]))
        network.advance(5.0)
        return [*a.receive(), *b.receive()]

    assert run() == run()


def test_a_peer_that_does_not_read_fills_its_queue_and_no_more() -> None:
    network, a, b = linked()
    while a.send(B, b"x" * (1 << 20)):
        network.advance(network.now_s)
    assert a.links()[0].unread_bytes == WINDOW_BYTES
    assert len(data(b)) == WINDOW_BYTES >> 20
    assert a.send(B, b"room again")


def test_small_messages_are_bounded_by_their_number() -> None:
    _, a, _ = linked()
    sent = 0
    while a.send(B, b"x"):
        sent += 1
    assert sent == QUEUE_MESSAGES
    assert a.traffic.refused_out == 1


def test_a_blocked_way_holds_messages_until_it_is_healed() -> None:
    network, a, b = linked()
    network.block(A, B)
    assert a.send(B, b"1")
    assert b.send(A, b"the other way is open")
    network.advance(network.now_s + 100.0)
    assert a.send(B, b"2")
    assert data(a) == [b"the other way is open"]
    network.heal(A, B)
    network.advance(network.now_s)
    assert data(b) == [b"1", b"2"]
    assert a.links() != ()


def test_a_short_cut_loses_nothing() -> None:
    network, a, b = linked()
    network.cut(A, B)
    assert a.send(B, b"kept by the system's buffers")
    network.advance(network.now_s + SILENCE_S - 1)
    network.heal(A, B)
    network.advance(network.now_s + SILENCE_S)
    assert data(b) == [b"kept by the system's buffers"]


@pytest.mark.parametrize("both_ways", [True, False], ids=["both ways", "one way"])
def test_a_long_cut_breaks_the_link_on_both_sides_and_it_returns_after_the_heal(both_ways: bool) -> None:
    network, a, b = linked()
    network.cut(A, B, both_ways=both_ways)
    assert a.send(B, b"lost")
    turn(network, a, b, until_s=network.now_s + SILENCE_S + 1)
    assert [type(event) for event in a.receive()] == [LinkDown]
    assert [type(event) for event in b.receive()] == [LinkDown]
    assert not a.send(B, b"no link")
    network.heal(A, B)
    turn(network, a, b, until_s=network.now_s + 6.0)
    assert [type(event) for event in a.receive()] == [LinkUp]
    assert [type(event) for event in b.receive()] == [LinkUp]


def test_a_killed_node_is_noticed_at_once_and_what_it_sent_last_is_lost() -> None:
    network, a, b = linked()
    assert a.send(B, b"unsent")
    network.kill(A)
    network.advance(network.now_s)
    assert [type(event) for event in b.receive()] == [LinkDown]
    assert not a.send(B, b"from the grave")


def test_a_power_loss_is_noticed_only_by_silence_or_by_the_restart() -> None:
    network, _, b = linked()
    network.kill(A, is_power_loss=True)
    network.advance(network.now_s + 5.0)
    assert b.receive() == []
    again = start(network, A)
    again.dial(B, b.addresses()[0])
    turn(network, again, b, until_s=network.now_s + 1.0)
    assert [type(event) for event in b.receive()] == [LinkDown, LinkUp]
    network.advance(network.now_s + SILENCE_S)
    assert b.receive() == []
    assert b.send(A, b"to the new start")


def test_a_power_loss_without_a_restart_ends_in_silence() -> None:
    network, _, b = linked()
    network.kill(A, is_power_loss=True)
    assert network.next_due_s() == network.now_s + SILENCE_S
    network.advance(network.now_s + SILENCE_S)
    assert [type(event) for event in b.receive()] == [LinkDown]


def test_a_node_that_closes_in_order_gets_its_goodbye_out() -> None:
    network, a, b = linked()
    network.plan = lambda *_: (2.0,)
    assert a.send(B, b"goodbye")
    a.close(1.0)
    network.advance(network.now_s + 2.0)
    assert [type(event) for event in b.receive()] == [Received, LinkDown]


def test_both_dialling_at_once_gives_one_link_and_no_flapping() -> None:
    network = MemoryNetwork()
    network.plan = lambda *_: (0.3,)
    a, b = start(network, A), start(network, B, is_listening=False)
    a.dial(B, "10.0.0.2:1")
    b.dial(A, a.addresses()[0])
    b.open("0.0.0.0", 1)
    turn(network, a, b, until_s=20.0)
    assert [a.links()[0].is_dialled, b.links()[0].is_dialled] == [True, False]
    assert [type(event) for event in a.receive()] == [LinkUp]
    assert [type(event) for event in b.receive()] == [LinkUp]
    assert a.send(B, b"there")
    assert b.send(A, b"back")
    network.advance(30.0)
    assert (data(a), data(b)) == ([b"back"], [b"there"])


def test_the_higher_id_dials_when_the_lower_does_not() -> None:
    network = MemoryNetwork()
    a, b = start(network, A), start(network, B)
    b.dial(A, a.addresses()[0])
    turn(network, a, b, until_s=0.5)
    assert b.links() == ()
    turn(network, a, b, until_s=2.0)
    assert b.links()[0].is_dialled


def test_a_stranger_is_refused_and_let_in_once_it_is_a_member() -> None:
    network = MemoryNetwork()
    a, b = start(network, A), start(network, B)
    b.allow({})
    a.dial(B, b.addresses()[0])
    turn(network, a, b, until_s=3.0)
    assert a.receive() == [Refused(b.addresses()[0], "The peer there does not know this node as a member, or not yet.")]
    assert b.receive() == [Refused(KEY[A], "This key belongs to no member of the farm.")]
    b.allow(KEY)
    turn(network, a, b, until_s=10.0)
    assert a.links() != ()


def test_a_removed_member_is_cut_off_and_not_heard() -> None:
    network, a, b = linked()
    assert a.send(B, b"on its way")
    b.allow({})
    network.advance(network.now_s)
    assert [type(event) for event in b.receive()] == [LinkDown]
    assert [type(event) for event in a.receive()] == [LinkDown]


def test_what_lies_in_the_inbox_of_a_member_removed_since_is_dropped() -> None:
    network, a, b = linked()
    assert a.send(B, b"delivered, not read")
    network.advance(network.now_s)
    b.allow({})
    assert data(b) == []
    assert b.traffic.dropped_in == 1


def test_another_node_at_a_members_address_is_reported() -> None:
    network = MemoryNetwork()
    a, b = start(network, A), start(network, B)
    a.allow({B: "C" * 40})
    a.dial(B, b.addresses()[0])
    a.tick(0.0)
    assert a.receive() == [PeerKeyChanged(B, b.addresses()[0])]


def test_a_taken_port_is_a_config_error_and_a_node_keeps_its_address_over_a_restart() -> None:
    network = MemoryNetwork()
    a = start(network, A, port=7000)
    before = a.addresses()
    with pytest.raises(ConfigError, match="in use"):
        a.open_join("0.0.0.0", 7000, KeyPair("J" * 40, ""))
    network.kill(A)
    assert start(network, A, port=7000).addresses() == before


def test_joining_works_with_the_right_key_alone() -> None:
    network = MemoryNetwork()
    farm, joiner = start(network, A), start(network, B, is_listening=False)
    port = farm.open_join("0.0.0.0", 0, KeyPair("J" * 40, ""))
    address = farm.addresses()[0].rpartition(":")[0] + f":{port}"
    joiner.ask_join(address, "K" * 40, b"wrong key", 5.0)
    assert [type(event) for event in joiner.receive()] == [JoinFailed]
    joiner.ask_join(address, "J" * 40, b"let me in", 5.0)
    network.advance(0.1)
    (asked,) = farm.receive()
    assert isinstance(asked, JoinAsked)
    assert (asked.data, asked.public_key) == (b"let me in", KEY[B])
    farm.answer_join(asked.ticket, b"welcome")
    farm.close_join()
    network.advance(0.2)
    assert joiner.receive() == [JoinAnswered(b"welcome")]
    joiner.ask_join(address, "J" * 40, b"again", 5.0)
    assert [type(event) for event in joiner.receive()] == [JoinFailed]


def test_a_lost_question_to_join_fails_after_its_time() -> None:
    network = MemoryNetwork()
    farm, joiner = start(network, A), start(network, B, is_listening=False)
    port = farm.open_join("127.0.0.1", 0, KeyPair("J" * 40, ""))
    network.plan = lambda *_: ()
    joiner.ask_join(f"127.0.0.1:{port}", "J" * 40, b"?", 5.0)
    joiner.tick(100.0)
    joiner.tick(104.0)
    assert joiner.receive() == []
    joiner.tick(105.0)
    assert [type(event) for event in joiner.receive()] == [JoinFailed]
