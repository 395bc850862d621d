from __future__ import annotations

from collections.abc import Iterator

import pytest
from mesh_driver import Driver

from peerfarm.mesh import LinkDown
from peerfarm.mesh.window import WINDOW_BYTES


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.stop_all()


@pytest.mark.parametrize("is_sender_dialled", [True, False])
def test_a_peer_that_does_not_read_gets_a_bounded_queue_and_nobody_waits_for_it(
    driver: Driver, is_sender_dialled: bool
) -> None:
    pair = driver.linked_pair()
    sender, slow = pair if is_sender_dialled else pair[::-1]
    slow.is_reading = False
    data = b"x" * (256 << 10)
    taken = 0
    while sender.mesh.send(slow.node, data):
        taken += len(data)
    assert taken == WINDOW_BYTES
    assert sender.mesh.links()[0].unread_bytes == WINDOW_BYTES
    assert sender.mesh.traffic.refused_out == 1


@pytest.mark.parametrize("is_sender_dialled", [True, False])
def test_small_messages_to_a_peer_that_does_not_read_are_bounded_too(driver: Driver, is_sender_dialled: bool) -> None:
    pair = driver.linked_pair()
    sender, slow = pair if is_sender_dialled else pair[::-1]
    slow.is_reading = False
    # Two queues of 10 000 and the system's buffers of some MB are all that can fill.
    refused_at = next(count for count in range(300_000) if not sender.mesh.send(slow.node, b"x" * 200))
    assert refused_at > 9_000
    assert sender.mesh.links()[0].unread_bytes <= WINDOW_BYTES


def test_a_slow_peer_that_reads_again_gets_everything_that_was_accepted(driver: Driver) -> None:
    sender, slow = driver.linked_pair()
    slow.is_reading = False
    data = b"x" * (256 << 10)
    accepted = 0
    while sender.mesh.send(slow.node, data):
        accepted += 1
    slow.is_reading = True
    driver.until(lambda: len(slow.data_from(sender)) == accepted)
    driver.until(lambda: sender.mesh.send(slow.node, b"go on"))
    driver.until(lambda: b"go on" in slow.data_from(sender))
    assert slow.all_of(LinkDown) == []


def test_one_slow_peer_does_not_hold_up_another(driver: Driver) -> None:
    sender, slow = driver.linked_pair()
    quick = driver.start()
    members = {peer.node: peer.keys.public for peer in driver.peers}
    for peer in driver.peers:
        peer.mesh.allow(members)
    quick.mesh.dial(sender.node, sender.address)
    driver.until(lambda: sender.is_linked_to(quick))
    slow.is_reading = False
    while sender.mesh.send(slow.node, b"x" * (1 << 20)):
        pass
    assert sender.mesh.send(quick.node, b"not held up")
    driver.until(lambda: quick.data_from(sender))


def test_a_full_turn_is_bounded_and_the_rest_is_still_announced(driver: Driver) -> None:
    sender, reader = driver.linked_pair()
    reader.is_reading = False
    for _ in range(500):
        assert sender.mesh.send(reader.node, b"x")
    seen = 0
    while seen < 500:
        turn = len(reader.mesh.receive(limit=100))
        assert turn <= 100
        seen += turn
    assert seen == 500


def test_thirty_peers_link_to_one_and_all_hear_it(driver: Driver) -> None:
    centre = driver.start()
    others = [driver.start(port=None) for _ in range(30)]
    members = {peer.node: peer.keys.public for peer in driver.peers}
    for peer in driver.peers:
        peer.mesh.allow(members)
    for peer in others:
        peer.mesh.dial(centre.node, centre.address)
    driver.until(lambda: len(centre.mesh.links()) == 30)
    assert all(centre.mesh.send(peer.node, b"to all") for peer in others)
    driver.until(lambda: all(peer.data_from(centre) for peer in others))
