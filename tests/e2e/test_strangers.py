"""Programs that must not, or cannot, take part in a farm: each is refused, named, and harms nobody."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgpack
import pytest
import tomorrow_node
import zmq
from farm_rig import LIMIT_S, RealFarm, RealNode, peerfarm

from peerfarm.mesh.api import MAX_MESSAGE_BYTES
from peerfarm.mesh.wire import HELLO, LINK_VERSION
from peerfarm.model.ids import BootId, FarmId
from peerfarm.protocol.messages import PROTOCOL_VERSION, Greeting, encode_message
from peerfarm.store import load_or_make_keys

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


def invitation(node: RealNode) -> str:
    """What `peerfarm invite` prints for another machine."""
    return next(word for word in peerfarm(node, "invite").stdout.split() if len(word) > 60)


def assert_works(farm: RealFarm, node: RealNode, frames: str) -> None:
    """The node still renders a job, all by itself."""
    job = farm.submit(node, frames, 1, frame_s=0)
    farm.wait_published(job, node)
    assert set(farm.shares(job, node)) == {node.name}


@pytest.fixture
def pair(farm: RealFarm) -> tuple[RealNode, RealNode]:
    """A farm of two that agree; the second was stopped in order."""
    ada, ben = farm.add("ada"), farm.add("ben")
    farm.start()
    farm.agreed_hash()
    assert ben.stop() == 0
    return ada, ben


def test_member_of_a_later_release_is_refused_with_a_sentence_on_both_sides(
    farm: RealFarm, pair: tuple[RealNode, RealNode]
) -> None:
    ada, ben = pair
    ben.program = Path(tomorrow_node.__file__)
    ben.start()
    ben.await_hello()
    ours, theirs = PROTOCOL_VERSION, tomorrow_node.NEXT
    same = "bring both to the same release of peerfarm"
    there = f"alarm: node ben speaks protocol version {theirs}, this node {ours}: {same}"
    here = f"alarm: node ada speaks protocol version {ours}, this node {theirs}: {same}"
    farm.wait_for("ada's words", lambda: ada.alarms() == there)
    farm.wait_for("ben's words", lambda: ben.alarms() == here)
    assert_works(farm, ada, "1-4")
    assert ben.call("jobs")["jobs"] == []

    assert ben.stop() == 0
    ben.program = None
    ben.start()
    ben.await_hello()
    farm.await_sight()
    farm.agreed_hash()
    assert len(ben.call("jobs")["jobs"]) == 1


def test_newcomer_of_a_later_release_is_told_so_and_the_invitation_stays_good(farm: RealFarm) -> None:
    ada = farm.add("ada")
    farm.start()
    late = farm.add("ben")
    late.program = Path(tomorrow_node.__file__)
    late.start()
    late.await_hello()
    string = invitation(ada)
    refused = peerfarm(late, "join", string)
    assert refused.returncode == 1
    versions = f"the farm speaks protocol version {PROTOCOL_VERSION}, you {tomorrow_node.NEXT}: use the same release"
    assert versions in refused.stderr
    assert [row["name"] for row in ada.call("nodes")["nodes"]] == ["ada"]

    assert late.stop() == 0
    late.program = None
    late.start()
    late.await_hello()
    joined = peerfarm(late, "join", string)
    assert joined.returncode == 0, joined.stderr
    farm.await_sight()
    eve = farm.add("eve")
    eve.start()
    eve.await_hello()
    again = peerfarm(eve, "join", string)  # it was good for one
    assert again.returncode == 1
    assert "ask for a new invitation" in again.stderr
    assert len(ada.call("nodes")["nodes"]) == 2


def test_node_with_another_key_in_a_members_place_is_refused_and_named(
    farm: RealFarm, pair: tuple[RealNode, RealNode]
) -> None:
    ada, ben = pair
    (ben.home.data / "key").unlink()  # at its next start it makes another, and so is somebody else
    ben.start()
    ben.await_hello()
    key = load_or_make_keys(ben.home.data / "key", _no_new_keys).public
    farm.wait_for("ada's words", lambda: "is not ben: its key changed; nothing was sent to it" in ada.alarms())
    farm.wait_for(
        "the stranger's key", lambda: f"stranger key={key} reason=This key belongs to no member" in ada.journal()
    )
    farm.wait_for("ben's words", lambda: "the farm no longer lets this node in" in ben.alarms())
    refused = peerfarm(ben, "submit", "--app", "ocean", "--frames", "1", "--output", str(farm.output))
    assert refused.returncode == 1
    assert "peerfarm: " in refused.stderr
    assert [(row["name"], row["state"]) for row in ada.call("nodes")["nodes"]] == [("ada", "live"), ("ben", "left")]
    assert_works(farm, ada, "1-4")


@contextmanager
def rogue(ada: RealNode, ben: RealNode) -> Iterator[zmq.Socket[bytes]]:
    """A connection to ada with ben's own keys, greeted as ben would; what comes over it is up to the test."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    link = context.socket(zmq.DEALER)
    keys = load_or_make_keys(ben.home.data / "key", _no_new_keys)
    link.setsockopt(zmq.CURVE_PUBLICKEY, keys.public.encode())
    link.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())
    link.setsockopt(zmq.CURVE_SERVERKEY, load_or_make_keys(ada.home.data / "key", _no_new_keys).public.encode())
    link.setsockopt(zmq.RCVTIMEO, int(LIMIT_S * 1000))
    link.connect(f"tcp://{ada.call('nodes')['nodes'][0]['address']}")
    farm = FarmId(ada.call("status")["farm"]["id"])
    try:
        link.send_multipart([b"", HELLO, LINK_VERSION, b"boot"])
        assert len(link.recv_multipart()) == 4  # the welcome
        link.send(encode_message(Greeting(PROTOCOL_VERSION, farm, BootId("bootboot"))))
        yield link
    finally:
        context.destroy(0)


def _no_new_keys() -> tuple[str, str]:
    raise AssertionError("the node has made its keys")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (msgpack.packb([5, [b"x" * 70_000]]), "node ben broke the protocol"),
        (b"x" * (2 * MAX_MESSAGE_BYTES), ""),
    ],
    ids=["action too large", "message too large"],
)
def test_member_that_sends_what_no_node_would_is_cut_off_and_named(
    farm: RealFarm, pair: tuple[RealNode, RealNode], message: bytes, words: str
) -> None:
    ada, ben = pair
    with rogue(ada, ben) as link:
        farm.wait_for("ada to see ben", lambda: farm.state_of(ben, ada) == "live")
        link.send(message)
        farm.wait_for("the end of the link", lambda: farm.state_of(ben, ada) != "live")
        farm.wait_for("ada's words", lambda: words in ada.alarms())
    assert_works(farm, ada, "1-2")
    ben.start()
    ben.await_hello()
    farm.await_sight()
    farm.agreed_hash()


def test_whoever_knocks_at_the_port_for_files_is_written_down(farm: RealFarm) -> None:
    ada = farm.add("ada")
    farm.start()
    port = ada.call("status")["ports"]["files"]
    with socket.create_connection(("127.0.0.1", port)) as junk, suppress(ConnectionError):
        junk.sendall(b"GET / HTTP/1.1\r\nHost: files\r\n\r\n" + b"x" * 5000)
        while junk.recv(4096):
            pass

    def told() -> list[str]:
        return [line for line in ada.journal().splitlines() if "stranger key=127.0.0.1" in line]

    farm.wait_for("word of it", lambda: told() != [])
    assert all("without a key, or with another farm's" in line and f"127.0.0.1:{port}" in line for line in told())
    assert_works(farm, ada, "1-2")
