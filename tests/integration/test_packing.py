"""A submission's files are found, hashed and kept, or the artist hears what is wrong before there is a job."""

from __future__ import annotations

import json
import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from runner_rig import LIMIT_S, Heard, ScriptApp, is_alive

from peerfarm.apps.base import COLLECTED, Command
from peerfarm.apps.command import CommandApp
from peerfarm.config import Settings
from peerfarm.daemon.outputs import Outputs
from peerfarm.daemon.packing import Packing
from peerfarm.errors import AppFailed
from peerfarm.model.collected import Collected, MissingFile, NamedFile, collected
from peerfarm.model.files import Packed, PackOrder, PackProgressed, StepFiles
from peerfarm.model.ids import JobId
from peerfarm.model.manifest import Manifest, decode_manifest
from peerfarm.model.render import Capability, Discovered
from peerfarm.runner import ProcessRunner
from peerfarm.store.blobs import BlobStore, HashCache

JOB = JobId("abcdefghijkl")
PIN = f"scene/{JOB}"


class SceneApp(ScriptApp):
    """An application whose scenes name further files: they are JSON."""

    name = "scenes"

    def __init__(self, heard: Heard, record: Path) -> None:
        super().__init__(heard)
        self._record = record

    def paths(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        return (params["scene"],)

    def identify(self, path: str, output: str) -> Capability | None:
        return Capability(self.name, "1.2", path) if output.startswith("script ") else None

    def collect(self, found: Capability, params: Mapping[str, Any], work: str) -> Command:
        code = (
            "import os, sys, time\n"
            "scene, record, listed = sys.argv[1:]\n"
            "text = open(scene).read()\n"
            "open(record, 'a').write(f'{os.getpid()} {scene}\\n')\n"
            "while 'hang' in text: time.sleep(0.05)\n"
            "open(listed, 'w').write(text)\n"
        )
        return Command((found.executable, "-c", code, params["scene"], str(self._record), COLLECTED), {}, {})

    def collected(self, output: str, listed: str) -> Collected:
        told = json.loads(listed)
        if "error" in told:
            raise AppFailed(told["error"])
        missing = [MissingFile(path, "image 'Wood'") for path in told.get("missing", ())]
        named = [NamedFile(path, "image 'Wood'") for path in (*told.get("files", ()), *told.get("missing", ()))]
        return collected(told["scene"], named, "linux", missing, told.get("warnings", ()))


class Desk:
    """A node's packing and what it told."""

    def __init__(self, directory: Path) -> None:
        self.home, self.shots = directory / "home", directory / "shots"
        self.shots.mkdir()
        self.record = directory / "asked"
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        heard = Heard()
        apps = {"script": ScriptApp(heard), "scenes": SceneApp(heard, self.record), "command": CommandApp()}
        self.runner = ProcessRunner(self.home, Settings(name="oak"), apps, self.events.put)
        self.runner.discover()
        while not isinstance(self.events.get(timeout=LIMIT_S), Discovered):
            pass
        self.store = BlobStore(self.home / "blobs", 1_000_000_000)
        self.cache = HashCache(self.home / "hashes.db")
        self.outputs = Outputs(self.home / "outputs.jsonl")
        self.stops_when_hashing = False
        self.on_hashing: Callable[[], None] = lambda: None
        self.goes_on_hashing = threading.Event()
        self.goes_on_hashing.set()
        self.packing = self.new_packing()
        self.progress: list[PackProgressed] = []

    def new_packing(self, **more: float) -> Packing:
        """One that tells this desk."""
        return Packing(self.store, self.cache, self.runner, self.outputs, self.hear, **more)

    def hear(self, event: PackProgressed | Packed) -> None:
        """What packing tells, from any of its threads."""
        if self.stops_when_hashing and isinstance(event, PackProgressed) and event.text == "hashing":
            self.packing.stop(event.request)
        if isinstance(event, PackProgressed) and event.text == "hashing":
            self.on_hashing()
        self.events.put(event)
        if threading.current_thread().name == "peerfarm-pack" and isinstance(event, PackProgressed):
            assert event.text != "hashing" or self.goes_on_hashing.wait(LIMIT_S)

    def write(self, name: str, data: bytes = b"some texture") -> str:
        path = self.shots / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return str(path)

    def scene(self, name: str, **told: Any) -> str:
        path = str(self.shots / name)
        return self.write(name, json.dumps({"scene": path, **told}).encode())

    def pack(self, *steps: StepFiles, **more: Any) -> Packed:
        self.packing.begin(order(*steps, **more))
        return self.packed()

    def packed(self) -> Packed:
        while not isinstance(event := self.events.get(timeout=LIMIT_S), Packed):
            self.progress.append(event)
        return event

    def manifest(self, packed: Packed) -> Manifest:
        assert packed.root is not None, packed
        raw = self.store.read_bytes(packed.root)
        assert raw is not None
        return decode_manifest(raw)

    def asked(self) -> list[str]:
        """The scenes that the application looked into."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [Path(line.split(maxsplit=1)[1]).name for line in lines]

    def close(self) -> None:
        self.packing.close()
        self.runner.close(LIMIT_S)
        self.cache.close()
        self.store.close()


def order(
    *steps: StepFiles,
    request: str = "1",
    outputs: tuple[tuple[str, tuple[str, ...]], ...] = (),
    may_miss_files: bool = False,
    is_overwriting: bool = False,
    files: tuple[str, ...] = (),
) -> PackOrder:
    return PackOrder(request, JOB, steps, outputs, is_overwriting, may_miss_files, files)


def step(scene: str, **more: Any) -> StepFiles:
    return StepFiles("render", "scenes", {"scene": scene, **more})


def naming(*paths: str) -> StepFiles:
    return StepFiles("tool", "script", {"paths": paths})


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def test_everything_that_a_scene_names_is_kept_and_pinned_for_the_job(desk: Desk) -> None:
    textures = [desk.write(f"tex/{number}.png", os.urandom(200_000)) for number in range(3)]
    packed = desk.pack(step(desk.scene("a.scene", files=textures, warnings=["it uses a script"])))
    manifest = desk.manifest(packed)
    assert [file.path for file in manifest.files] == ["a.scene", "tex/0.png", "tex/1.png", "tex/2.png"]
    assert (packed.files, packed.size_bytes) == (4, manifest.size_bytes)
    assert packed.warnings == ("it uses a script",)
    assert all(desk.store.has(file.blocks.id) for file in manifest.files)
    assert packed.root is not None
    assert desk.store.pinned(PIN) == {packed.root.id, *(file.blocks.id for file in manifest.files)}


def test_files_that_only_the_application_knows_of_travel_too(desk: Desk) -> None:
    named = desk.write("plates/a.mov"), desk.write("elsewhere/b.ttf")
    packed = desk.pack(step(desk.scene("a.scene")), files=named)
    assert packed.error == ""
    assert {file.path for file in desk.manifest(packed).files} == {"a.scene", "plates/a.mov", "elsewhere/b.ttf"}
    packed = desk.pack(step(desk.scene("a.scene")), files=(*named, "/nowhere/c.mov"))
    assert "/nowhere/c.mov" in packed.error
    packed = desk.pack(step(desk.scene("a.scene")), files=(*named, "/nowhere/c.mov"), may_miss_files=True)
    assert "/nowhere/c.mov" in packed.warnings[0]


def test_progress_is_told_while_an_application_looks_and_while_files_are_hashed(desk: Desk) -> None:
    desk.pack(step(desk.scene("a.scene", files=[desk.write("wood.png", os.urandom(500_000))])))
    assert desk.progress[0] == PackProgressed("1", "looking into a.scene")
    last = desk.progress[-1]
    assert last.text == "hashing"
    assert (last.done_bytes, last.done_files) == (last.total_bytes, last.total_files)
    assert last.total_files == 2
    assert last.total_bytes > 500_000


def test_files_that_are_known_already_make_no_rate(desk: Desk) -> None:
    textures = [desk.write(f"{number}.png", os.urandom(500_000)) for number in range(3)]
    scene = desk.scene("a.scene", files=textures)
    for path in (scene, *textures):
        os.utime(path, (1_600_000_000, 1_600_000_000))  # a file of just now is read again
    desk.pack(step(scene))
    assert desk.progress[-1].rate_bytes_s > 0
    desk.progress.clear()
    desk.pack(step(scene))
    last = desk.progress[-1]
    assert (last.done_bytes, last.done_files, last.rate_bytes_s) == (last.total_bytes, 4, 0.0)


def test_missing_files_are_named_and_nothing_is_kept(desk: Desk) -> None:
    missing = [f"/nowhere/{number:02}.png" for number in range(12)]
    packed = desk.pack(step(desk.scene("a.scene", missing=missing)), outputs=((str(desk.shots / "out"), ()),))
    assert packed.root is None
    assert "/nowhere/00.png (image 'Wood')" in packed.error
    assert "/nowhere/09.png" in packed.error
    assert "/nowhere/10.png" not in packed.error
    assert "and 2 more" in packed.error
    assert "--allow-missing" in packed.hint
    assert "`files: shared`" in packed.hint
    assert desk.store.pin_keys() == ()
    assert not desk.outputs.is_named(JOB, str(desk.shots / "out"))
    assert not (desk.shots / "out").exists()


def test_missing_files_are_a_warning_when_the_artist_says_so(desk: Desk) -> None:
    packed = desk.pack(step(desk.scene("a.scene", missing=["/nowhere/wood.png"])), may_miss_files=True)
    assert [file.path for file in desk.manifest(packed).files] == ["a.scene"]
    assert "/nowhere/wood.png" in packed.warnings[0]


def test_frames_that_stand_in_the_output_folder_are_never_written_over_unasked(desk: Desk) -> None:
    scene, out = desk.scene("a.scene"), desk.shots / "out"
    names = tuple(f"f_{number:04}.exr" for number in range(1, 30))
    for name in names[:12]:
        desk.write(f"out/{name}")
    desk.write("out/notes.txt")
    wanted = ((str(out), names),)
    packed = desk.pack(step(scene), outputs=wanted)
    assert packed.root is None
    assert str(out / "f_0001.exr") in packed.error
    assert "f_0011.exr" not in packed.error
    assert "and 2 more" in packed.error
    assert "--overwrite" in packed.hint
    assert desk.asked() == []
    assert desk.pack(step(scene), outputs=wanted, is_overwriting=True).error == ""
    assert desk.pack(step(scene), outputs=((str(out), names[12:]),)).error == ""


def test_the_output_folder_is_made_and_durably_named_for_the_job(desk: Desk) -> None:
    out = desk.shots / "new" / "out"
    assert desk.pack(step(desk.scene("a.scene")), outputs=((str(out), ("f_0001.exr",)),)).error == ""
    assert out.is_dir()
    assert Outputs(desk.home / "outputs.jsonl").is_named(JOB, str(out))


@pytest.mark.parametrize("place", ["file", "file/below", "link/below"])
def test_an_output_folder_that_cannot_be_is_refused(desk: Desk, place: str) -> None:
    desk.write("file")
    (desk.shots / "link").symlink_to(desk.shots / "nowhere")
    packed = desk.pack(step(desk.scene("a.scene")), outputs=((str(desk.shots / place), ()),))
    assert "is no directory" in packed.error
    assert desk.asked() == []


def test_a_file_of_a_folder_that_becomes_a_link_out_of_it_does_not_travel(desk: Desk) -> None:
    found, secret = Path(desk.write("cache/a.vdb")), desk.home / "secret"
    secret.write_bytes(b"of somebody else")

    def swap() -> None:
        found.unlink(missing_ok=True)
        found.symlink_to(secret)

    desk.on_hashing = swap
    packed = desk.pack(files=(str(found.parent),))
    assert packed.root is None
    assert f"{found} became a link that leads out of {found.parent}" in packed.error


def test_an_output_folder_of_another_system_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk.shots)
    packed = desk.pack(step(desk.scene("a.scene")), outputs=(("C:\\frames", ()),))
    assert "none of this system" in packed.error
    assert list(desk.shots.glob("C:*")) == []


def test_a_scene_that_several_steps_render_is_looked_into_once(desk: Desk) -> None:
    scene = desk.scene("a.scene", files=[desk.write("wood.png")])
    packed = desk.pack(step(scene), step(scene, camera="left"))
    assert desk.asked() == ["a.scene"]
    assert packed.files == 2


def test_several_scenes_share_one_checkout(desk: Desk) -> None:
    one = desk.scene("shot/a.scene", files=[desk.write("shot/wood.png")])
    other = desk.scene("lib/b.scene", files=[desk.write("lib/stone.png")])
    manifest = desk.manifest(desk.pack(step(one), step(other)))
    assert manifest.base == str(desk.shots / "shot")
    assert [file.path for file in manifest.files] == [
        "a.scene",
        "outside/0/b.scene",
        "outside/0/stone.png",
        "wood.png",
    ]
    origins = {file.path: file.origin for file in manifest.files}
    assert origins["outside/0/stone.png"] == str(desk.shots / "lib" / "stone.png")
    assert origins["wood.png"] == ""


def test_files_and_folders_that_a_step_names_itself_come_along(desk: Desk, tmp_path: Path) -> None:
    tool = desk.write("tools/bake.txt")
    desk.write("maps/a.png")
    desk.write("maps/deep/b.png", b"deep")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (desk.shots / "maps" / "leak.png").symlink_to(secret)
    (desk.shots / "maps" / "loop").symlink_to(desk.shots / "maps")
    packed = desk.pack(naming(str(desk.shots / "maps"), tool))
    origins = {file.path: file.origin for file in desk.manifest(packed).files}
    assert origins == {"a.png": "", "deep/b.png": "", "outside/0/bake.txt": tool}
    assert "leak.png is a link that leads out" in packed.warnings[0]


def command(*args: str) -> StepFiles:
    return StepFiles("tool", "command", {"command": "tool", "args": args})


def test_a_command_brings_the_folders_that_its_author_names_with_all_that_lies_in_them(desk: Desk) -> None:
    plate = desk.write("plates/a.exr")
    desk.write("plates/deep/b.exr")
    folder = str(desk.shots / "plates")
    step = StepFiles("tool", "command", {"command": "tool", "args": [folder, plate], "brings": [folder]})
    packed = desk.pack(step)
    assert packed.warnings == ()
    assert [file.path for file in desk.manifest(packed).files] == ["a.exr", "deep/b.exr"]


def test_a_command_brings_the_files_that_its_arguments_name_and_nothing_else(desk: Desk) -> None:
    lut, plate = desk.write("lut.cube"), desk.write("plates/a.exr")
    pipe = desk.shots / "pipe"
    os.mkfifo(pipe)
    tool = Path(desk.shots / "tool")
    tool.symlink_to("/bin/sh")
    packed = desk.pack(
        command(
            *("-x", f"--lut={lut}", plate, "{output}/a.exr", "lut.cube", "/bin/sh", "/dev/null", "/etc/hostname"),
            *(str(tool), str(pipe), f"--out={desk.shots / 'new.mov'}", str(desk.shots / "plates")),
        )
    )
    assert [file.path for file in desk.manifest(packed).files] == ["lut.cube", "plates/a.exr"]
    assert [warning.partition(":")[0] for warning in packed.warnings] == [
        f"{pipe} is no file that can be read here",
        f"{desk.shots / 'new.mov'} is no file that can be read here",
        f"{desk.shots / 'plates'} is a folder",
    ]


def test_a_command_that_names_no_file_of_its_own_needs_no_manifest(desk: Desk) -> None:
    packed = desk.pack(command("/usr/bin/env", str(desk.shots / "new.mov")))
    assert (packed.root, packed.error) == (None, "")
    assert len(packed.warnings) == 1


def test_a_step_that_needs_no_files_needs_no_manifest(desk: Desk) -> None:
    packed = desk.pack(naming(), outputs=((str(desk.shots / "out"), ()),))
    assert packed == Packed("1", None)
    assert desk.outputs.is_named(JOB, str(desk.shots / "out"))


def test_a_named_file_that_is_not_there_is_missing(desk: Desk) -> None:
    there, gone = desk.write("there.txt"), str(desk.shots / "gone.txt")
    assert f"{gone} (the step)" in desk.pack(naming(there, gone)).error
    assert [file.path for file in desk.manifest(desk.pack(naming(there, gone), may_miss_files=True)).files] == [
        "there.txt"
    ]
    assert desk.pack(naming(gone), may_miss_files=True).root is None


def test_a_scene_that_is_not_there_is_told_in_words(desk: Desk) -> None:
    packed = desk.pack(step(str(desk.shots / "gone.scene")), may_miss_files=True)
    assert packed.error == f"there is no file {desk.shots / 'gone.scene'} on this machine"


def test_what_the_application_says_of_the_scene_is_told(desk: Desk) -> None:
    assert desk.pack(step(desk.scene("a.scene", error="the scene is damaged"))).error == "the scene is damaged"


def test_a_bug_becomes_an_answer(desk: Desk) -> None:
    assert "packing the job's files failed: JSONDecodeError" in desk.pack(step(desk.write("a.scene"))).error


def test_a_file_that_cannot_be_read_is_named(desk: Desk) -> None:
    loop = desk.shots / "loop.png"
    loop.symlink_to(loop)
    packed = desk.pack(step(desk.scene("a.scene", files=[str(loop)])))
    assert f"{loop} is a link that leads round in a circle" in packed.error


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("pipe", "a named pipe"),
        ("socket", "a socket"),
        ("device", "a device"),
        ("folder", "a folder"),
        ("loop", "a link that leads round in a circle"),
        ("dangling", "a link to nowhere.png, where nothing is"),
    ],
)
def test_what_is_no_plain_file_is_told_by_its_kind_and_nothing_waits_for_it(desk: Desk, kind: str, words: str) -> None:
    odd = desk.shots / "odd.png"
    if kind == "pipe":
        os.mkfifo(odd)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.relpath(odd))
    elif kind == "folder":
        odd.mkdir()
    else:
        odd.symlink_to({"device": "/dev/zero", "loop": odd.name, "dangling": "nowhere.png"}[kind])
    packed = desk.pack(step(desk.scene("a.scene", files=[str(odd)])))
    assert packed.error == f"some of the job's files cannot be sent along: {odd} is {words}, not a plain file"
    assert "take" in packed.hint
    packed = desk.pack(step(desk.scene("b.scene", missing=[str(odd)])))
    assert packed.error == f"the scene needs files that are not there: {odd} (image 'Wood'; it is {words})"
    assert "--allow-missing" in packed.hint
    packed = desk.pack(step(str(odd)))
    assert str(odd) in packed.error


def test_stopping_ends_the_application_that_is_being_asked(desk: Desk) -> None:
    desk.packing.begin(order(step(desk.scene("a.scene", hang=True))))
    pid = int(_first_line(desk).split()[0])
    desk.packing.stop("1")
    assert "cancelled" in desk.packed().error
    assert not is_alive(pid)
    assert desk.store.pin_keys() == ()


def test_stopping_ends_the_hashing_and_pins_nothing(desk: Desk) -> None:
    desk.stops_when_hashing = True
    textures = [desk.write(f"tex/{number}.png", os.urandom(3_000_000)) for number in range(4)]
    packed = desk.pack(step(desk.scene("a.scene", files=textures)), outputs=((str(desk.shots / "out"), ()),))
    assert "cancelled" in packed.error
    assert desk.store.pin_keys() == ()
    assert not (desk.shots / "out").exists()
    desk.stops_when_hashing = False
    assert desk.pack(step(str(desk.shots / "a.scene"))).files == 5


def test_a_submission_that_waits_for_others_can_be_stopped_too(desk: Desk) -> None:
    for number in range(3):
        desk.packing.begin(order(step(desk.scene(f"{number}.scene", hang=True)), request=str(number)))
    desk.packing.stop("2")
    desk.packing.stop("0")
    desk.packing.stop("1")
    ended = [desk.packed() for _ in range(3)]
    assert {packed.request for packed in ended} == {"0", "1", "2"}
    assert all("cancelled" in packed.error or "ending" in packed.error for packed in ended)
    assert "2.scene" not in desk.asked()
    assert "looking into 2.scene" not in {event.text for event in desk.progress}


def test_every_submission_is_heard_of_while_it_waits_or_is_looked_into(desk: Desk) -> None:
    desk.packing = desk.new_packing(alive_every_s=0.01)
    for number in range(3):
        desk.packing.begin(order(step(desk.scene(f"{number}.scene", hang=True)), request=str(number)))
    waiting = ("2", "waiting for 2 other submissions")
    for _ in range(2):  # and not once alone
        await_told(desk, waiting, ("0", "looking into 0.scene, "), ("1", "looking into 1.scene, "))
    desk.packing.stop("1")
    await_told(desk, ("2", "looking into 2.scene, "))
    desk.packing.stop("0")
    desk.packing.stop("2")


def await_told(desk: Desk, *wanted: tuple[str, str]) -> None:
    """Until each of these requests has said, from now on, something that begins so."""
    said: list[tuple[str, str]] = []
    while not all(any(one == request and text.startswith(words) for one, text in said) for request, words in wanted):
        event = desk.events.get(timeout=LIMIT_S)
        if isinstance(event, PackProgressed):
            said.append((event.request, event.text))


def test_what_stands_still_while_it_is_hashed_is_heard_of_with_the_bytes_so_far(desk: Desk) -> None:
    desk.packing = desk.new_packing(alive_every_s=0.01)
    desk.goes_on_hashing.clear()  # the disk does not answer
    desk.packing.begin(order(step(desk.scene("a.scene", files=[desk.write("wood.png", os.urandom(500_000))]))))
    await_told(desk, ("1", "hashing"))
    told: list[PackProgressed] = []
    while len(told) < 3:
        event = desk.events.get(timeout=LIMIT_S)
        assert isinstance(event, PackProgressed)
        if told and event.done_bytes != told[-1].done_bytes:
            told.clear()  # the last bytes that came before the disk fell silent
        told += [event] if event.text == "hashing" else []
    desk.goes_on_hashing.set()
    assert desk.packed().files == 2


def test_a_step_that_may_miss_files_by_itself_needs_no_further_word(desk: Desk) -> None:
    scene = desk.scene("a.scene", missing=["/nowhere/wood.png"])
    packed = desk.pack(step(scene, allow_missing=True))
    assert "/nowhere/wood.png" in packed.warnings[0]
    assert packed.files == 1
    strict = desk.pack(step(scene, allow_missing=True), step(desk.scene("b.scene", missing=["/nowhere/stone.png"])))
    assert "/nowhere/stone.png" in strict.error
    assert "wood" not in strict.error


def test_closing_waits_for_nobody(desk: Desk) -> None:
    desk.packing.begin(order(step(desk.scene("a.scene", hang=True))))
    _first_line(desk)
    desk.packing.close()
    assert "cancelled" in desk.packed().error


def _first_line(desk: Desk) -> str:
    """The application has begun."""
    while not (desk.record.exists() and desk.record.read_text().endswith("\n")):
        event = desk.events.get(timeout=LIMIT_S) if not desk.events.empty() else None
        assert not isinstance(event, Packed), event
    return desk.record.read_text().splitlines()[0]
