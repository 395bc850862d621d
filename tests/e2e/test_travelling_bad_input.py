"""Files that cannot travel as they are: the artist is told which and why, and nothing is left of a refused job."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import plain_user_node
import pytest
from apart_rig import ApartFarm, printed_sums, sums_job, sums_of
from farm_rig import RealNode, peerfarm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture(scope="module")
def lone_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApartFarm]:
    """One node, shared by all tests here: nothing that they do may harm it."""
    farm = ApartFarm(tmp_path_factory.mktemp("lone"))
    ada = farm.add("ada", command=farm.sums_allowed())
    ada.program = Path(plain_user_node.__file__)
    try:
        farm.start()
        yield farm
    finally:
        farm.close()


@pytest.fixture
def folder(lone_farm: ApartFarm, request: pytest.FixtureRequest) -> Path:
    """A new folder of the artist's, with one good file in it."""
    place = lone_farm.laptop / request.node.name[:60]
    place.mkdir()
    (place / "good.png").write_bytes(b"good")
    return place


def send(node: RealNode, folder: Path, output: str = "out") -> subprocess.CompletedProcess[str]:
    """`peerfarm submit` of a job that needs the folder."""
    job = sums_job(folder, output=folder.parent / f"{folder.name} {output}")
    file = folder.parent / f"{folder.name}.json"
    file.write_text(json.dumps(job))
    return peerfarm(node, "submit", str(file))


def refusal(farm: ApartFarm, folder: Path) -> str:
    """What the artist reads when the job is refused; nothing else may have come of it."""
    (ada,) = farm.nodes
    assert isinstance(ada, RealNode)
    store = ada.home.data / "blobs"

    def kept() -> tuple[int, list[str], int]:
        begun = [*(store / "drafts").iterdir(), *(store / "partial").iterdir()]
        return len(ada.call("jobs", all=True)["jobs"]), [path.name for path in begun], len(outputs(ada))

    before = kept()
    done = send(ada, folder, "never")
    assert done.returncode == 1, done.stdout + done.stderr
    assert kept() == before
    assert before[1] == []
    assert not (folder.parent / f"{folder.name} never").exists()
    assert ada.call("status")["alarms"] == []
    return done.stderr


def outputs(node: RealNode) -> list[str]:
    """The lines about output folders that were named on this machine."""
    path = node.home.data / "outputs.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def test_links_that_lead_round_outside_or_nowhere_are_left_out_and_told(lone_farm: ApartFarm, folder: Path) -> None:
    (ada,) = lone_farm.nodes
    secret = lone_farm.laptop / "secret"
    secret.write_bytes(b"secret")
    (folder / "leak").symlink_to(secret)
    (folder / "round").symlink_to(folder / "back")
    (folder / "back").symlink_to(folder / "round")
    (folder / "up").symlink_to(folder)
    (folder / "nowhere").symlink_to(folder / "gone.png")
    (folder / "alias.png").symlink_to(folder / "good.png")
    os.mkfifo(folder / "pipe")
    assert isinstance(ada, RealNode)
    done = send(ada, folder)
    assert done.returncode == 0, done.stderr
    for name, words in {
        "leak": "is a link that leads out of the directory",
        "round": "is a link that leads nowhere",
        "back": "is a link that leads nowhere",
        "up": "is a link to a directory",
        "nowhere": "is a link that leads nowhere",
        "pipe": "is no plain file",
    }.items():
        assert f"warning: {folder / name} {words}, and is left out\n" in done.stderr
    job = done.stdout.split()[1].rstrip(":")
    good = sums_of(folder)["good.png"]
    assert printed_sums(lone_farm, ada, job) == {"good.png": good, "alias.png": good}


def test_a_file_or_folder_that_the_node_may_not_read_is_named(lone_farm: ApartFarm, folder: Path) -> None:
    shut = folder / "secret.exr"
    shut.write_bytes(b"x")
    shut.chmod(0)
    assert f"{shut} may not be read by this user" in refusal(lone_farm, folder)
    shut.unlink()
    closed = folder / "closed"
    closed.mkdir(mode=0)
    assert f"the directory {closed} cannot be looked into: Permission denied" in refusal(lone_farm, folder)
    closed.rmdir()
    assert send(lone_farm.nodes[0], folder).returncode == 0  # type: ignore[arg-type] # the rig's nodes are real ones


@contextmanager
def being_written(path: Path) -> Iterator[None]:
    """An application that saves into the file without a pause."""
    is_over = threading.Event()

    def write() -> None:
        with path.open("r+b") as file:
            while not is_over.is_set():
                file.seek(0)
                file.write(os.urandom(4096))
                file.flush()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def test_a_file_that_is_being_saved_all_the_time_is_named_and_travels_when_it_holds_still(
    lone_farm: ApartFarm, folder: Path
) -> None:
    (ada,) = lone_farm.nodes
    assert isinstance(ada, RealNode)
    cache = folder / "smoke.vdb"
    cache.write_bytes(os.urandom(16 << 20))
    with being_written(cache):
        words = refusal(lone_farm, folder)
    assert f"{cache} changes while it is read" in words
    assert "Wait until the application has saved it" in words
    done = send(ada, folder)
    assert done.returncode == 0, done.stderr
    job = done.stdout.split()[1].rstrip(":")
    assert printed_sums(lone_farm, ada, job) == sums_of(folder)


def test_names_that_another_system_cannot_hold_travel_with_a_warning_and_impossible_ones_are_refused(
    lone_farm: ApartFarm, folder: Path
) -> None:
    (ada,) = lone_farm.nodes
    assert isinstance(ada, RealNode)
    odd = ["wood:grain?.png", "con.txt", "ends with a dot.", "Größe 木目.png", "-rf", "{frame}.png", "a'b\"c.png"]
    for name in odd:
        (folder / name).write_bytes(name.encode())
    done = send(ada, folder)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "Windows cannot render this job" in line]
    assert len(told) == 4  # the first three and the last
    job = done.stdout.split()[1].rstrip(":")
    assert printed_sums(lone_farm, ada, job) == sums_of(folder)

    for name, words in {"a\nb.png": "control character", "a\\b.png": "backslash", "Good.PNG": "the same file"}.items():
        (folder / name).write_bytes(b"x")
        assert words in refusal(lone_farm, folder)
        (folder / name).unlink()
    unreadable = os.fsencode(folder) + b"/caf\xe9.png"
    Path(os.fsdecode(unreadable)).write_bytes(b"x")
    assert "holds bytes that are no text" in refusal(lone_farm, folder)
