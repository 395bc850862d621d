"""Bad input, from the command line of a user down to a real node: a clear error that says what to do, nothing lost."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from farm_rig import LIMIT_S, RealFarm, RealNode, peerfarm

from peerfarm.protocol.jsonrpc import HELLO_LIMIT, REQUEST_LIMIT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

ZMTP_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(15) + b"\x00" + bytes(31)
"""As every program begins that speaks ZeroMQ with CURVE; see rfc.zeromq.org/spec/23."""

FAKE_BLENDER = """#!/bin/sh
echo 'Blender 3.4.1'
[ -e "{switch}" ] || exit 0
echo 'Error: the moon is full'
exit 1
"""


@pytest.fixture(scope="module")
def lonely_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealFarm]:
    """One node of a farm of its own, whose Blender renders nothing; shared, for nothing here may harm it."""
    directory = tmp_path_factory.mktemp("lonely")
    farm = RealFarm(directory)
    blender = directory / "blender"
    blender.write_text(FAKE_BLENDER.format(switch=directory / "moon"))
    blender.chmod(0o755)
    farm.add("ada", blender=[str(blender)])
    try:
        farm.start()
        yield farm
    finally:
        farm.close()


@pytest.fixture
def ada(lonely_farm: RealFarm) -> Iterator[RealNode]:
    """The lonely farm's node; after the test it must be as well as before."""
    (node,) = lonely_farm.nodes
    pid = node.process.pid if node.process else 0
    yield node
    assert node.is_running
    assert node.call("status")["alarms"] == []
    assert pid == (node.process.pid if node.process else 0)


def submit(farm: RealFarm, node: RealNode, *arguments: str) -> str:
    """What `peerfarm submit` says when it refuses a job of the ocean app."""
    usual = {"--app": "ocean", "--frames": "1-3", "--output": str(farm.output)}
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    jobs = len(node.call("jobs")["jobs"])
    done = peerfarm(node, "submit", *[word for pair in (usual | given).items() for word in pair])
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert jobs == len(node.call("jobs")["jobs"])
    return done.stderr


def test_second_node_on_the_same_home_ends_and_leaves_the_first_alone(ada: RealNode) -> None:
    second = peerfarm(ada, "start", "--foreground")
    assert second.returncode == 1
    assert "already uses this home" in second.stderr
    assert "`peerfarm stop`" in second.stderr
    again = peerfarm(ada, "start")
    assert again.returncode == 0
    assert "is running already" in again.stdout


@pytest.mark.parametrize("setting", ["port", "transfer_port", "local_port"])
def test_port_in_use_is_named_with_its_setting_before_the_node_runs(farm: RealFarm, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        node = farm.add("ada", **{setting: port})
        done = peerfarm(node, "start")
    assert done.returncode == 1
    assert f"port {port}" in done.stderr.lower()
    assert setting in done.stderr.replace(f"port {port}", "")
    assert peerfarm(node, "status").returncode == 3


def test_node_whose_last_port_was_taken_by_another_program_takes_a_new_one(farm: RealFarm) -> None:
    ada, ben = farm.add("ada"), farm.add("ben")
    farm.start()
    place = ben.call("nodes")["nodes"][0]["address"]
    assert ben.stop() == 0
    with socket.create_server(("127.0.0.1", int(place.rpartition(":")[2]))):
        ben.start()
        ben.await_hello()
        farm.await_sight()
        assert place != ben.call("nodes")["nodes"][0]["address"]
        farm.agreed_hash()
    assert ada.is_running


def test_a_node_listens_at_the_same_ports_after_a_restart_and_names_them(farm: RealFarm) -> None:
    ada = farm.add("ada")
    farm.start()
    ports = ada.call("status")["ports"]
    assert 0 < ports["peers"] != ports["files"] > 0
    assert ada.stop() == 0
    ada.start()
    ada.await_hello()
    farm.wait_for("the ports", lambda: ada.call("status")["ports"] == ports)
    words = f"listens at ports {ports['peers']} (peers) and {ports['files']} (files)"
    assert words in peerfarm(ada, "status").stdout


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ("1:5", ("column 2", "1-100x5")),
        ("5-1", ("backwards", "1-5")),
        ("one", ('"one" cannot be read', "1-10,20-30x2")),
        ("1-", ("column 3", "missing")),
        ("1-999999999", ("999999999 frames", "digit too many")),
    ],
)
def test_wrong_frames_are_quoted_with_the_place_and_the_right_form(
    lonely_farm: RealFarm, ada: RealNode, frames: str, words: tuple[str, ...]
) -> None:
    said = submit(lonely_farm, ada, "--frames", frames)
    assert [word for word in words if word not in said] == []


def test_unknown_app_is_answered_with_the_nearest_name(lonely_farm: RealFarm, ada: RealNode) -> None:
    said = submit(lonely_farm, ada, "--app", "blendr")
    assert "there is no app 'blendr'" in said
    assert "Did you mean 'blender'?" in said


def test_output_outside_the_roots_is_refused_with_the_settings_name(lonely_farm: RealFarm, ada: RealNode) -> None:
    said = submit(lonely_farm, ada, "--files", "shared", "--output", "/srv/elsewhere")
    assert "/srv/elsewhere" in said
    assert "`roots`" in said
    assert str(lonely_farm.output) in said


def test_output_that_cannot_be_a_directory_is_refused_at_submission(lonely_farm: RealFarm, ada: RealNode) -> None:
    (lonely_farm.output / "notes").write_text("a file")
    said = submit(lonely_farm, ada, "--output", str(lonely_farm.output / "notes"))
    assert f"{lonely_farm.output / 'notes'} is no directory" in said


def test_missing_scene_is_refused_at_submission(lonely_farm: RealFarm, ada: RealNode) -> None:
    scene = str(lonely_farm.scenes / "missing.blend")
    done = peerfarm(ada, "submit", scene, "--frames", "1-3", "--output", str(lonely_farm.output))
    assert done.returncode == 1
    assert f"peerfarm: there is no file {scene} on this machine" in done.stderr


def test_unknown_field_of_a_job_file_is_named_with_its_line(
    lonely_farm: RealFarm, ada: RealNode, tmp_path: Path
) -> None:
    job = tmp_path / "job.yaml"
    job.write_text("name: shot\nsteps:\n  - name: render\n    app: ocean\n    framez: 1-3\n")
    done = peerfarm(ada, "submit", str(job), "--json")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert "job.yaml, line 5: steps[0].framez" in error["message"]
    assert '"frames"' in error["hint"]


def test_unknown_setting_stops_the_start_and_names_the_nearest(farm: RealFarm) -> None:
    node = farm.add("ada", slotz=3)
    done = peerfarm(node, "start")
    assert done.returncode == 1
    assert 'there is no setting "slotz"' in done.stderr
    assert 'Did you mean "slots"?' in done.stderr


def test_wrong_token_is_shown_the_door_and_changes_nothing(ada: RealNode) -> None:
    port = json.loads(ada.home.local.read_text())["port"]
    hello = {"token": "A" * 43, "client": "thief", "version": "1", "protocol": 1}
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as link, link.makefile("rw") as lines:
        for number, (method, params) in enumerate([("hello", hello), ("stop", {})]):
            lines.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\n")
        lines.flush()
        answers = list(lines)  # ends, for the node closes the connection
    assert len(answers) == 1
    assert json.loads(answers[0])["error"]["code"] == 3


@pytest.mark.parametrize(
    ("is_greeted", "size_bytes"), [(False, HELLO_LIMIT + 1), (True, REQUEST_LIMIT + 1)], ids=["hello", "request"]
)
def test_line_too_long_for_the_local_socket_is_answered_with_its_limit(
    ada: RealNode, is_greeted: bool, size_bytes: int
) -> None:
    local = json.loads(ada.home.local.read_text())
    hello = {"token": local["token"], "client": "talker", "version": "1", "protocol": 1}
    line = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "hello", "params": hello})
    with socket.create_connection(("127.0.0.1", local["port"]), timeout=LIMIT_S) as link, link.makefile("rw") as lines:
        if is_greeted:
            lines.write(line + "\n")
            lines.flush()
            assert "result" in json.loads(lines.readline())
        lines.write("x" * size_bytes + "\n")
        lines.flush()
        (answer,) = list(lines)  # ends, for the node closes the connection
    limit = REQUEST_LIMIT if is_greeted else HELLO_LIMIT
    assert json.loads(answer)["error"]["message"] == f"the line is longer than {limit} bytes"


def test_job_file_too_large_for_the_node_is_refused_with_its_limit(ada: RealNode, tmp_path: Path) -> None:
    job = tmp_path / "job.yaml"
    job.write_text("name: shot\n" + "# and so on\n" * 100_000)
    done = peerfarm(ada, "submit", str(job))
    assert done.returncode == 1
    assert f"the job file {job} is larger than 900000 bytes" in done.stderr
    assert "Split the job" in done.stderr


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\nHost: farm\r\n\r\n",
        b"\xff" * 4_000_000,
        ZMTP_GREETING + b"\x06" + b"\x7f" * 4_000_000,
    ],
    ids=["a web browser", "noise", "an endless message"],
)
def test_junk_at_the_port_for_peers_harms_nobody_and_is_told(lonely_farm: RealFarm, ada: RealNode, junk: bytes) -> None:
    address = ada.call("nodes")["nodes"][0]["address"]
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=LIMIT_S) as link:
        try:
            link.sendall(junk)
            while link.recv(1 << 16):
                pass
        except ConnectionError:
            pass  # it may be closed while we still speak
    words = re.compile(
        rf"stranger key=(127\.0\.0\.1|{address}) reason=Somebody .*without a key, or with another farm's"
    )
    lonely_farm.wait_for("the word in the log", lambda: words.search(ada.journal()) is not None)
    assert len(words.findall(ada.journal())) <= 2  # once a minute for each, whatever comes from there
    job = lonely_farm.submit(ada, "301", 1, frame_s=0)
    lonely_farm.wait_published(job, ada)


@pytest.mark.parametrize(("is_honest", "words"), [(True, "the moon is full"), (False, "without frame 1, 2")])
def test_blender_that_renders_nothing_fails_the_job_with_its_own_words(
    lonely_farm: RealFarm, ada: RealNode, tmp_path: Path, is_honest: bool, words: str
) -> None:
    switch = lonely_farm.directory / "moon"
    if is_honest:
        switch.touch()
    else:
        switch.unlink(missing_ok=True)
    scene = lonely_farm.scenes / "shot.blend"
    scene.write_bytes(b"BLENDER-v304RENDH")
    step = {
        "name": "render",
        "app": "blender",
        "params": {"scene": str(scene)},
        "frames": "1-2",
        "chunk": 2,
        "tries": 1,
        "output": {"dir": str(lonely_farm.output), "pattern": "b_####.png"},
    }
    job = tmp_path / "job.json"
    job.write_text(json.dumps({"name": "shot", "files": "shared", "steps": [step]}))
    done = peerfarm(ada, "submit", str(job), "--wait", "--json")
    assert done.returncode == 4
    outcome = json.loads(done.stdout)
    assert outcome["status"] == "failed"
    assert words in outcome["error"]
    log = peerfarm(ada, "log", outcome["job"])
    assert "Blender 3.4.1" in log.stdout
    assert f"PROCESS END exit code {1 if is_honest else 0}" in log.stdout
    assert list(lonely_farm.output.glob("b_*")) == []


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_node_with_a_damaged_database_says_so_and_gets_the_farms_state_back(farm: RealFarm, share: float) -> None:
    ada, ben = farm.add("ada"), farm.add("ben")
    farm.start()
    job = farm.submit(ada, "1-10", 1, 0)
    farm.wait_published(job, ben)
    farm.agreed_hash()
    assert ben.stop() == 0
    database = ben.home.data / "log.db"
    pages = bytearray(database.read_bytes())
    damage = int(len(pages) * share)
    first = (len(pages) - damage) // 2
    pages[first : first + damage] = b"\xff" * damage
    database.write_bytes(pages)

    ben.start()
    ben.await_hello()
    farm.await_sight()
    alarms = ben.call("status")["alarms"]
    assert any("damaged" in alarm for alarm in alarms), alarms
    farm.agreed_hash()
    assert farm.is_published(job, ben)
    second = farm.submit(ben, "101-104", 1, 0)
    farm.wait_published(second, ada)
