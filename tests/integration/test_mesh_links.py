from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from mesh_driver import Driver, Peer, befriend

from peerfarm.errors import ConfigError
from peerfarm.mesh import LinkDown, LinkUp, Received, new_keys
from peerfarm.model.ids import NodeId, node_id_of

CORE = Path(__file__).resolve().parents[2] / "core"


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.stop_all()


@pytest.fixture
def process(driver: Driver) -> Iterator[tuple[Peer, subprocess.Popen[bytes], NodeId]]:
    """A peer here, and one in a process of its own that dials it; ends with the process."""
    here, keys = driver.start(), new_keys()
    program = Path(__file__).with_name("mesh_driver.py")
    argv = [sys.executable, str(program), keys.public, keys.secret, here.keys.public, here.address]
    node = node_id_of(keys.public)
    here.mesh.allow({node: keys.public})
    with subprocess.Popen(argv, env=os.environ | {"PYTHONPATH": str(CORE)}) as started:
        driver.until(lambda: Received(node, b"ready") in here.seen)
        yield here, started, node
        started.kill()


def test_members_reach_each_other_over_the_one_connection_that_was_dialled(driver: Driver) -> None:
    lower, higher = driver.linked_pair()
    assert lower.mesh.send(higher.node, b"there")
    assert higher.mesh.send(lower.node, b"and back")
    driver.until(lambda: higher.data_from(lower) and lower.data_from(higher))
    assert higher.data_from(lower) == [b"there"]
    assert lower.data_from(higher) == [b"and back"]
    assert lower.seen[0] == LinkUp(higher.node, is_dialled=True)
    assert higher.seen[0] == LinkUp(lower.node, is_dialled=False)


def test_messages_of_a_link_keep_their_order(driver: Driver) -> None:
    lower, higher = driver.linked_pair()
    sent = [b"%d" % number for number in range(5000)]
    assert all(lower.mesh.send(higher.node, data) for data in sent)
    driver.until(lambda: len(higher.data_from(lower)) == len(sent))
    assert higher.data_from(lower) == sent


def test_two_that_dial_each_other_at_once_end_with_one_connection_and_no_flapping(driver: Driver) -> None:
    lower, higher = driver.pair()
    driver.until(lambda: True)
    # The patience of the higher one is taken away, so that both dial in the same instant.
    lower.mesh.dial(higher.node, higher.address)
    higher.mesh.dial(lower.node, lower.address)
    higher.mesh._dialler.targets[lower.node].redial.restart(is_patient=False)
    sent = 0

    def talk() -> bool:
        nonlocal sent
        if lower.is_linked_to(higher) and higher.is_linked_to(lower):
            assert lower.mesh.send(higher.node, b"%d" % sent)
            assert higher.mesh.send(lower.node, b"%d" % sent)
            sent += 1
        return sent >= 200 and connections(lower, higher) == 1

    driver.until(talk)
    driver.until(lambda: len(higher.data_from(lower)) == len(lower.data_from(higher)) == sent)
    assert [lower.mesh.links()[0].is_dialled, higher.mesh.links()[0].is_dialled] == [True, False]
    for peer in (lower, higher):
        assert (len(peer.all_of(LinkUp)), len(peer.all_of(LinkDown))) == (1, 0)


def connections(*peers: Peer) -> int:
    """Established TCP connections among the peers' ports, as the system counts them."""
    ports = {peer.port for peer in peers}
    count = 0
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        count += state == "01" and int(local.rpartition(":")[2], 16) in ports
    return count


def test_a_node_that_can_only_dial_out_is_reached_over_its_own_connection(driver: Driver) -> None:
    peers = sorted((new_keys() for _ in range(2)), key=lambda keys: node_id_of(keys.public))
    inside = driver.start(peers[1], port=None)
    outside = driver.start(peers[0])
    befriend(inside, outside)
    inside.mesh.dial(outside.node, outside.address)
    driver.until(lambda: outside.is_linked_to(inside))
    assert outside.mesh.send(inside.node, b"work")
    driver.until(lambda: inside.data_from(outside))
    assert inside.mesh.addresses() == ()


def test_the_higher_id_dials_too_when_the_lower_cannot(driver: Driver) -> None:
    lower, higher = driver.pair()
    higher.mesh.dial(lower.node, lower.address)
    driver.until(lambda: lower.is_linked_to(higher) and higher.is_linked_to(lower))
    assert higher.mesh.links()[0].is_dialled


def test_a_peer_that_restarts_with_its_key_takes_over_its_link(driver: Driver) -> None:
    lower, higher = driver.linked_pair()
    driver.stop(lower)
    again = driver.start(lower.keys)
    befriend(again, higher)
    again.mesh.dial(higher.node, higher.address)
    driver.until(lambda: len(higher.all_of(LinkUp)) == 2 and again.is_linked_to(higher))
    assert len(higher.all_of(LinkDown)) == 1
    assert higher.mesh.send(again.node, b"welcome back")
    driver.until(lambda: again.data_from(higher))


def test_a_link_comes_back_by_itself_when_the_listening_peer_restarts(driver: Driver) -> None:
    lower, higher = driver.linked_pair()
    driver.stop(higher)
    driver.until(lambda: lower.all_of(LinkDown))
    again = driver.start(higher.keys, port=higher.port)
    befriend(lower, again)
    driver.until(lambda: lower.is_linked_to(again) and again.is_linked_to(lower))


def test_two_starts_with_one_key_at_the_same_time_do_not_push_each_other_out_for_ever(driver: Driver) -> None:
    lower, higher = driver.linked_pair()
    twin = driver.start(lower.keys)
    befriend(twin, higher)
    twin.mesh.dial(higher.node, higher.address)
    driver.until(lambda: twin.is_linked_to(higher))
    assert lower.mesh.send(higher.node, b"first")
    assert twin.mesh.send(higher.node, b"second")
    driver.until(lambda: sorted(higher.data_from(lower)) == [b"first", b"second"])
    assert len(higher.all_of(LinkUp)) == 2
    assert len(higher.all_of(LinkDown)) == 1


def test_a_goodbye_arrives_before_its_link_goes_down(driver: Driver) -> None:
    lower, higher = driver.linked_pair()
    assert higher.mesh.send(lower.node, b"goodbye")
    driver.stop(higher, linger_s=1.0)
    driver.until(lambda: lower.all_of(LinkDown))
    assert [type(event) for event in lower.seen] == [LinkUp, Received, LinkDown]


def test_a_goodbye_of_the_dialling_side_arrives_before_its_link_goes_down(driver: Driver) -> None:
    lower, higher = driver.linked_pair()
    assert lower.mesh.send(higher.node, b"goodbye")
    driver.stop(lower, linger_s=1.0)
    driver.until(lambda: higher.all_of(LinkDown))
    assert [type(event) for event in higher.seen] == [LinkUp, Received, LinkDown]


def test_hanging_up_ends_the_link_on_both_sides_and_nobody_dials_again(driver: Driver) -> None:
    lower, higher = driver.linked_pair()
    lower.mesh.hang_up(higher.node)
    driver.until(lambda: lower.all_of(LinkDown) and higher.all_of(LinkDown))
    assert not is_dialling(lower)
    assert lower.mesh.links() == higher.mesh.links() == ()


def test_a_killed_peer_process_is_noticed_without_waiting_for_silence(
    driver: Driver, process: tuple[Peer, subprocess.Popen[bytes], NodeId]
) -> None:
    here, started, node = process
    started.send_signal(signal.SIGKILL)
    driver.until(lambda: here.all_of(LinkDown), limit_s=4.0)  # ZMTP's own silence limit is 15 s
    assert here.all_of(LinkDown)[0].node == node


def test_a_peer_in_another_process_echoes(
    driver: Driver, process: tuple[Peer, subprocess.Popen[bytes], NodeId]
) -> None:
    here, _, node = process
    assert here.mesh.send(node, b"hello over there")
    driver.until(lambda: Received(node, b"hello over there") in here.seen)


def test_a_peer_that_does_not_answer_is_dialled_again_after_a_pause_and_not_before(driver: Driver) -> None:
    here, away = driver.start(port=None), driver.start()
    driver.stop(away)
    here.mesh.allow({away.node: away.keys.public})
    here.mesh.tick(100.0)
    here.mesh.dial(away.node, away.address)
    assert is_dialling(here)
    poller = zmq.Poller()
    for one in here.mesh.pollables():
        poller.register(one, zmq.POLLIN)
    while is_dialling(here):
        assert poller.poll(10_000)
        here.mesh.receive()
    here.mesh.tick(100.1)
    assert not is_dialling(here)
    here.mesh.tick(100.3)
    assert is_dialling(here)


def is_dialling(peer: Peer) -> bool:
    """Whether a connection of the peer's own is being made or stands."""
    return zmq.DEALER in [socket.type for socket in peer.mesh.pollables()]


def test_a_port_in_use_is_told_with_the_setting_to_change(driver: Driver) -> None:
    first = driver.start()
    with pytest.raises(ConfigError, match=f"Port {first.port} is in use") as caught:
        driver.start(port=first.port)
    assert "`port`" in caught.value.hint


def test_an_address_of_another_machine_cannot_be_listened_on(driver: Driver) -> None:
    mesh = driver.start(port=None).mesh
    with pytest.raises(ConfigError, match=r"Cannot listen on 192\.0\.2\.1") as caught:
        mesh.open("192.0.2.1", 0)
    assert "`listen`" in caught.value.hint


def test_nothing_listens_before_open_and_the_chosen_port_is_told_after(driver: Driver) -> None:
    peer = driver.start(port=None)
    assert peer.mesh.pollables() == []
    port = peer.mesh.open("127.0.0.1", 0)
    assert peer.mesh.addresses() == (f"127.0.0.1:{port}",)


def test_a_node_that_listens_everywhere_never_tells_its_loopback_address(driver: Driver) -> None:
    peer = driver.start(port=None)
    port = peer.mesh.open("0.0.0.0", 0)
    assert [address for address in peer.mesh.addresses() if address.startswith("127.")] == []
    assert all(address.endswith(f":{port}") for address in peer.mesh.addresses())
