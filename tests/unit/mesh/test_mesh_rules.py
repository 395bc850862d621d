from __future__ import annotations

import pytest

from peerfarm.mesh import LinkDown, LinkUp, MeshEvent
from peerfarm.mesh.addresses import format_address, own_addresses, parse_address, reachable_addresses
from peerfarm.mesh.links import LinkTable
from peerfarm.mesh.redial import PATIENCE_S, Redial, dials_at_once, pause_s
from peerfarm.mesh.throttle import MOST_SUBJECTS, QUIET_S, Throttle
from peerfarm.mesh.window import REPORT_BYTES, WINDOW_BYTES, Window
from peerfarm.mesh.wire import Wire
from peerfarm.model.ids import NodeId

A, B = NodeId("a" * 16), NodeId("b" * 16)


@pytest.mark.parametrize(
    ("own", "peer", "is_listening", "expected"),
    [(A, B, True, True), (B, A, True, False), (A, B, False, True), (B, A, False, True)],
)
def test_the_lower_id_dials_at_once_and_so_does_who_cannot_be_dialled(
    own: NodeId, peer: NodeId, is_listening: bool, expected: bool
) -> None:
    assert dials_at_once(own, peer, is_listening) is expected


@pytest.mark.parametrize(
    ("failures", "expected_s"), [(0, 0.2), (1, 0.2), (2, 0.4), (3, 0.8), (5, 3.2), (6, 5.0), (10_000, 5.0)]
)
def test_pauses_between_dials_double_up_to_five_seconds(failures: int, expected_s: float) -> None:
    assert pause_s(failures) == expected_s


def test_a_patient_dialler_waits_from_the_first_look_at_the_clock() -> None:
    redial = Redial(is_patient=True)
    assert not redial.is_due(1000.0)
    assert not redial.is_due(1000.0 + PATIENCE_S / 2)
    assert redial.is_due(1000.0 + PATIENCE_S)


def test_a_failed_dial_is_due_again_after_its_pause_and_at_once_after_a_restart() -> None:
    redial = Redial(is_patient=False)
    assert redial.is_due(10.0)
    redial.failed(10.0)
    assert not redial.is_due(10.1)
    assert redial.is_due(10.3)
    redial.failed(10.3)
    redial.restart(is_patient=False)
    assert redial.is_due(10.3)


def test_a_window_fills_up_and_opens_with_the_readers_report() -> None:
    window = Window()
    window.sent = WINDOW_BYTES - 10
    assert window.has_room(10)
    assert not window.has_room(11)
    assert window.note_report(1000)
    assert window.has_room(1010)


@pytest.mark.parametrize("total_bytes", [49, 101])
def test_a_report_that_cannot_be_true_is_refused(total_bytes: int) -> None:
    window = Window(sent=100, taken_by_peer=50)
    assert not window.note_report(total_bytes)
    assert window.unread_bytes == 50


def test_a_reader_reports_each_time_it_took_a_mebibyte_more() -> None:
    window = Window(taken=REPORT_BYTES - 1)
    assert not window.owes_report()
    window.taken += 1
    assert window.owes_report()
    window.reported = window.taken
    assert not window.owes_report()


def test_the_same_refusal_is_told_once_a_minute() -> None:
    throttle = Throttle()
    assert throttle.lets_pass("key", 0.0)
    assert not throttle.lets_pass("key", QUIET_S - 1)
    assert throttle.lets_pass("other", 1.0)
    assert throttle.lets_pass("key", QUIET_S)


def test_strangers_with_ever_new_keys_are_not_all_told_of_nor_remembered() -> None:
    throttle = Throttle()
    told = sum(throttle.lets_pass(f"key {number}", 0.0) for number in range(10_000))
    assert told == len(throttle.said_s) == MOST_SUBJECTS
    assert throttle.lets_pass("later", QUIET_S)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1:7654", ("10.0.0.1", 7654)),
        ("farm-server.studio.lan:1", ("farm-server.studio.lan", 1)),
        ("[fe80::1]:65535", ("fe80::1", 65535)),
        ("10.0.0.1", None),
        ("10.0.0.1:0", None),
        ("10.0.0.1:65536", None),
        ("10.0.0.1:٣", None),
        (":7654", None),
        ("a b:1", None),
        ("host;other:1", None),
        ("tcp://host:1", None),
        ("host\n:1", None),
        ("*:1", None),
        ("[not an address]:1", None),
    ],
)
def test_addresses_from_peers_are_read_strictly(text: str, expected: tuple[str, int] | None) -> None:
    assert parse_address(text) == expected
    if expected is not None:
        assert format_address(*expected) == text


def test_loopback_is_told_only_by_a_node_that_listens_there_alone() -> None:
    assert reachable_addresses("127.0.0.1", 5) == ("127.0.0.1:5",)
    assert reachable_addresses("0.0.0.0", 5) == tuple(f"{own}:5" for own in own_addresses())
    assert [own for own in own_addresses() if own.startswith("127.")] == []


def wire(node: NodeId, boot: bytes, route: bytes = b"") -> Wire:
    """A connection without a socket; the table never touches it."""
    return Wire(node, None, boot, route)  # type: ignore[arg-type]


def test_a_second_connection_of_two_crossed_dials_is_the_same_link() -> None:
    events: list[MeshEvent] = []
    table = LinkTable(events.append)
    dialled, accepted = wire(B, b"boot"), wire(B, b"boot", b"route")
    table.add(dialled)
    table.add(accepted)
    table.remove(dialled, "closed")
    assert events == [LinkUp(B, is_dialled=True)]
    assert table.route(B) is accepted
    table.remove(accepted, "closed too")
    assert events[1:] == [LinkDown(B, "closed too")]


@pytest.mark.parametrize("second", [wire(B, b"boot 2"), wire(B, b"boot", b"route 2")], ids=["restart", "reconnect"])
def test_a_peer_that_connects_anew_is_seen_as_down_and_up(second: Wire) -> None:
    events: list[MeshEvent] = []
    table = LinkTable(events.append)
    first = wire(B, b"boot", b"route 1")
    table.add(first)
    table.add(second)
    assert [type(event) for event in events] == [LinkUp, LinkDown, LinkUp]
    table.remove(first, "at last")
    table.remove(first, "twice is once")
    assert table.route(B) is second
