"""What an artist sees in the panel of a real Blender and what she does there, before a node of the tests' own."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from blender_rig import BlenderOnDesktop, desktop, program, until
from blender_studio import ERROR, SENT, Artist, Studio, machine

from peerfarm.errors import RequestRefused

pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(180)]

SCENES = """
import bpy, sys
scene = bpy.context.scene
scene.frame_end, scene.render.filepath, scene.render.engine = 60, "//frames/sea_", "BLENDER_WORKBENCH"
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1])
scene.frame_end = 7
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1].replace("sea", "other"))
"""
XDG_OPEN = '#!/bin/sh\nprintf "%s\\n" "$1" >> "$OPENED"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes with 60 and 7 frames, and a desktop's way to open files, which only writes down what it is given."""
    made = tmp_path_factory.mktemp("studio")
    argv = [program("blender"), "-b", "--factory-startup", "--python-expr", SCENES, "--", str(made / "sea.blend")]
    subprocess.run(argv, check=True, capture_output=True)
    (made / "bin").mkdir()
    (made / "bin/xdg-open").write_text(XDG_OPEN, "utf-8")
    (made / "bin/xdg-open").chmod(0o755)
    (made / "opened.txt").touch()
    (made / "home").mkdir()
    return made


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with desktop() as name:
        yield name


def started(display: str, folder: Path, name: str) -> BlenderOnDesktop:
    path = f"{folder / 'bin'}:/usr/bin:/bin"
    more = {"PATH": path, "OPENED": str(folder / "opened.txt")}
    return BlenderOnDesktop(display, folder / "sea.blend", folder / "home", folder / name, **more)


@pytest.fixture(scope="module")
def seated(display: str, folder: Path) -> Iterator[Artist]:
    """One Blender for all tests here: it takes longer to start than they to run."""
    with Studio(folder / "home") as node:
        blender = started(display, folder, "asks")
        try:
            blender.ask(CHEAP)
            blender.make_room()
            blender.open_output_tab()
            yield Artist(blender, node)
            assert "Traceback" not in blender.log.read_text("utf-8", "replace")
        finally:
            blender.close()


@pytest.fixture
def artist(seated: Artist, folder: Path) -> Artist:
    """With the scene open as it was saved, nothing asked, and the usual farm."""
    seated.node.be_usual()
    seated.opens(folder / "sea.blend")
    seated.presses("cancel_send")
    seated.node.change()
    seated.awaits("rendering, 12 of 60 frames")
    return seated


def blends(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.blend"))


def test_what_the_artist_chose_is_in_the_job(artist: Artist, folder: Path) -> None:
    artist.does("""
wishes = scene.peerfarm
wishes.frames_from, wishes.frames, wishes.chunk, wishes.priority, wishes.pool = "CUSTOM", "1-20x5,60", 4, 80, "gpu"
wishes.output = "//frames of Zoë/shot 010_"
wishes.cameras = wishes.view_layers = "CHOSEN"
bpy.data.objects["Camera"].peerfarm_render = True
for name in ("Beauty", "Shadow"):
    scene.view_layers.new(name).peerfarm_render = True
""")
    artist.sends()
    sent = artist.node.end(SENT)
    shown = artist.awaits("Sent sea: 60 frames in 60 tasks.")
    assert "1-20x5,60" in shown
    assert (sent["priority"], sent["pool"]) == (80, "gpu")
    assert [(step["frames"], step["chunk"], step["requires"]) for step in sent["steps"]] == [
        ("1-20x5,60", 4, {"version": "3.4"})
    ] * 2
    assert [(step["params"]["view_layer"], step["params"]["camera"]) for step in sent["steps"]] == [
        ("Beauty", "Camera"),
        ("Shadow", "Camera"),
    ]
    assert [step["output"] for step in sent["steps"]] == [
        {"dir": str(folder / "frames of Zoë"), "pattern": f"shot 010_{layer}_Camera_####.png"}
        for layer in ("Beauty", "Shadow")
    ]
    assert artist.node.was_asked("submit")[0]["allow_missing"] is False


TEXTURE = """
nodes = bpy.data.materials["Material"].node_tree.nodes
nodes.new("ShaderNodeTexImage").image = bpy.data.images.new("wood", 8, 8)
bpy.data.images["wood"].source, bpy.data.images["wood"].filepath = "FILE", "/gone/wood.png"
"""
FRAMES = "scene.peerfarm.frames_from, scene.peerfarm.frames = 'CUSTOM', '1-'"
DENOISE = "scene.render.engine, scene.cycles.use_denoising = 'CYCLES', True"


@pytest.mark.parametrize(
    ("script", "words", "what_to_do", "may_be_sent"),
    [
        ("bpy.ops.wm.read_homefile(load_ui=False)", "was never saved", "Save it once", False),
        ("scene.camera = None", "no active camera", "Add a camera", False),
        ("scene.peerfarm.cameras = 'CHOSEN'", "No camera is chosen", "Tick at least one", False),
        ("scene.view_layers[0].use = False", "No view layer is used", "Switch one on", False),
        ("scene.render.filepath = ''", "There is no output folder", "Choose one", False),
        (FRAMES, "frames cannot be read: 1-.", "1-60", False),
        ("scene.render.image_settings.file_format = 'FFMPEG'", "writes a movie", "Send anyway for PNG", True),
        (TEXTURE, "A file is missing: /gone/wood.png.", "Find Missing Files", True),
        (DENOISE, "no fitting Blender of the farm was built with a denoiser", "Switch it off", True),
        ("scene.peerfarm.pool = 'cpu'", "No machine is in the pool cpu", "Pools are: gpu", True),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_scene_is_told_with_what_to_do(
    artist: Artist, script: str, words: str, what_to_do: str, may_be_sent: bool
) -> None:
    artist.does(script)
    artist.sends()
    shown = artist.awaits(words)
    assert what_to_do in shown
    assert ("[peerfarm.send_anyway]" in shown) is may_be_sent
    assert artist.node.was_asked("submit") == []
    if may_be_sent:
        artist.presses("send_anyway")
        artist.node.end(SENT)
        artist.awaits("Sent sea")
    else:
        artist.presses("cancel_send")
        assert words not in " ".join(artist.sees())


def test_a_farm_with_another_blender_only_is_told_by_version(artist: Artist) -> None:
    artist.node.change([machine("oak", apps=[{"app": "blender", "version": "4.2.1", "tags": []}])])
    artist.sends()
    assert "tick Any Version" in artist.awaits("No machine has Blender 3.4; they have 4.2.1.")
    artist.does("scene.peerfarm.any_version = True")
    artist.sends()
    assert artist.node.end(SENT)["steps"][0]["params"]["any_version"] is True


def test_findings_stand_in_the_panel_as_an_artist_would_read_them(artist: Artist) -> None:
    artist.node.change(jobs=[])
    artist.does("scene.camera = None\nscene.render.image_settings.file_format = 'FFMPEG'")
    artist.sends()
    artist.awaits("no active camera")
    artist.photographs("findings")
    artist.does("scene.camera = bpy.data.objects['Camera']")
    artist.sends()
    artist.awaits("[peerfarm.send_anyway]")
    artist.photographs("question")


def test_packing_is_shown_and_a_click_stops_it_without_a_trace(artist: Artist, folder: Path) -> None:
    artist.node.change(jobs=[])
    artist.sends(copy=True)
    event = {"text": "packing", "done_bytes": 13 * 10**8, "total_bytes": 42 * 10**8}
    artist.node.pack(**event, rate_bytes_s=9 * 10**7, left_s=32)
    shown = artist.awaits("Packing, 1.3 GB of 4.2 GB=30.9")
    assert "90.0 MB a second, 32 s left" in shown
    assert len(blends(folder)) == 3
    artist.photographs("packing")
    stop = max((one for one in artist.blender.buttons("stop") if one[2] < 40), key=lambda one: one[3])
    artist.blender.click(stop[0] + stop[2] // 2, stop[1] + stop[3] // 2)
    artist.awaits("Not sent.")
    assert len(artist.node.was_asked("cancel_submit")) == 1
    assert blends(folder) == ["other.blend", "sea.blend"]


def test_a_stop_that_comes_too_late_does_not_hide_that_the_job_is_there(artist: Artist) -> None:
    artist.node.answers["cancel_submit"] = {"cancelled": 0}
    artist.sends()
    artist.node.pack(text="packing")
    artist.presses("cancel_send")
    artist.awaits("Stopping")
    artist.node.end(SENT)
    assert "cancel it in My Jobs" in artist.awaits("Sent sea")
    artist.node.answers["cancel_submit"] = artist.node._cancelled


def test_frames_that_are_there_are_replaced_only_after_a_yes(artist: Artist) -> None:
    artist.sends()
    artist.node.end(RequestRefused("frames of that name exist already: sea_0001.png", "Choose another folder."))
    artist.awaits("Frames of that name exist already")
    artist.presses("send_anyway")
    assert artist.node.end(SENT)["overwrite"] is True


def test_machines_and_jobs_show_what_they_do_and_what_went_wrong(artist: Artist) -> None:
    shown = artist.awaits("3 min left")
    for words in ("oak (this) rendering frames 12-13", "elm fetching files, 42 %", "ash idle", "fir away"):
        assert words in shown
    assert "birch does not answer" in shown
    assert "rendering, 12 of 60 frames=20.0" in shown
    assert ERROR in shown
    until("pictures", lambda: artist.sees().count("picture") == 4)
    assert "no picture" not in artist.sees()
    artist.photographs("farm")
    artist.presses("more_jobs")
    assert "cancelled, 7 of 60" in artist.awaits("[Show Fewer]")
    artist.presses("more_jobs")


@pytest.mark.parametrize("deed", ["pause", "resume", "cancel", "retry"])
def test_a_jobs_buttons_reach_the_node(artist: Artist, deed: str) -> None:
    artist.presses("job", job="j1", action=deed)
    until(deed, lambda: artist.node.was_asked(deed))
    assert artist.node.was_asked(deed) == [{"job": "j1"}]


def test_the_folder_and_the_log_are_opened_outside_of_blender(artist: Artist, folder: Path) -> None:
    artist.presses("open", path=str(folder))
    artist.presses("show_log", job="j2")
    shown = artist.awaits("[Open in Text Editor]")
    assert "Fra:31 Mem:2048M Error: Out of memory" in shown
    artist.photographs("log")
    path = artist.blender.session("now.log_path")
    artist.presses("open", path=path)
    opened = until("both", lambda: len(found := (folder / "opened.txt").read_text("utf-8").splitlines()) == 2 and found)
    assert opened == [str(folder), path]
    assert "Out of memory" in Path(path).read_text("utf-8")
    artist.presses("show_log", job="j2")
    assert artist.does("answer = list(bpy.ops.peerfarm.open(path='/nowhere'))") == ["CANCELLED"]


def test_another_file_ends_what_was_asked_about_the_first(artist: Artist, folder: Path) -> None:
    artist.does("scene.camera = None")
    artist.sends()
    artist.awaits("no active camera")
    artist.opens(folder / "other.blend")
    assert "no active camera" not in artist.awaits("another file was opened")


def test_another_file_leaves_alone_what_is_being_packed(artist: Artist, folder: Path) -> None:
    artist.sends(copy=True)
    artist.node.pack(text="packing")
    artist.opens(folder / "other.blend")
    sent = artist.node.end(SENT)
    assert sent["steps"][0]["frames"] == "1-60"
    assert re.fullmatch(r"sea\.peerfarm-[0-9a-f]{8}\.blend", Path(sent["steps"][0]["params"]["scene"]).name)
    artist.awaits("Sent sea")
    assert blends(folder) == ["other.blend", "sea.blend"]


def test_send_anyway_sends_the_scene_as_it_is_by_then(artist: Artist) -> None:
    artist.does("scene.render.image_settings.file_format = 'FFMPEG'")
    artist.sends()
    artist.awaits("writes a movie")
    artist.does("scene.frame_end = 9")
    artist.presses("send_anyway")
    assert artist.node.end(SENT)["steps"][0]["frames"] == "1-9"


def test_undo_and_another_scene_change_what_is_sent_and_nothing_else(artist: Artist) -> None:
    artist.does("""
bpy.ops.ed.undo_push(message="before")
scene.peerfarm.chunk = 9
bpy.ops.ed.undo_push(message="after")
with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
    bpy.ops.ed.undo()
""")
    assert "Frames per Task=1 " in artist.awaits("Frames per Task")
    artist.does("bpy.context.window_manager.windows[0].scene = bpy.data.scenes.new('Second')")
    artist.does("scene.camera = bpy.data.objects['Camera']\nscene.frame_end, scene.render.filepath = 3, '//second/'")
    artist.does("with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):\n"
                "    bpy.ops.peerfarm.send(copy=True, anyway=True)")  # fmt: skip
    sent = artist.node.end(SENT)
    assert (sent["name"], sent["steps"][0]["frames"]) == ("sea Second", "1-3")
    assert sent["steps"][0]["params"]["scene_name"] == "Second"


def test_two_hundred_view_layers_are_shown_and_too_many_for_one_job(artist: Artist) -> None:
    artist.does("""
scene.peerfarm.view_layers = "CHOSEN"
for number in range(200):
    scene.view_layers.new(f"layer {number}").peerfarm_render = True
""")
    assert "list of 201" in artist.awaits("list of")
    artist.sends()
    assert "Choose fewer" in artist.awaits("make 200 sets of frames; a job holds 64")


def test_a_copy_that_cannot_be_saved_is_told(artist: Artist, folder: Path) -> None:
    locked = folder / "locked"
    locked.mkdir()
    path = locked / "sea.blend"
    path.write_bytes((folder / "sea.blend").read_bytes())
    artist.opens(path)
    locked.rename(folder / "unlocked")
    artist.sends(copy=True)
    shown = artist.awaits("A copy of the scene could not be saved in")
    assert "folder that you can write to" in shown
    assert artist.node.was_asked("submit") == []


def test_the_add_on_is_switched_off_and_on_while_it_is_connected(artist: Artist) -> None:
    artist.does("import addon_utils\naddon_utils.disable('peerfarm_blender')")
    left = "import threading\nanswer = [one.name for one in threading.enumerate() if 'peerfarm' in one.name]"
    assert artist.does(left) == []
    assert artist.does("answer = hasattr(scene, 'peerfarm')") is False
    artist.does("import addon_utils\naddon_utils.enable('peerfarm_blender')")
    artist.awaits("rendering, 12 of 60 frames")


def test_what_is_sent_from_the_menu_without_a_panel_is_told_over_the_window(artist: Artist) -> None:
    artist.does(f"{LISTEN}\nscene.render.image_settings.file_format = 'FFMPEG'")
    artist.sends(is_told=True)
    assert until("the pop-up", lambda: artist.does("answer = bpy.app.driver_namespace['told']")) == ["asking"]


def test_a_second_blender_and_its_end_while_it_packs_leave_nothing_behind(
    artist: Artist, display: str, folder: Path
) -> None:
    second = started(display, folder, "second")
    try:
        second.ask("bpy.ops.peerfarm.send(copy=True)")
        artist.node.pack(text="packing")
        assert len(blends(folder)) == 3
        second.ask("bpy.app.timers.register(lambda: bpy.ops.wm.quit_blender() and None, first_interval=0.2)")
        until("the end", lambda: second.process.poll() is not None)
    finally:
        second.close()
    assert blends(folder) == ["other.blend", "sea.blend"]
    assert "Traceback" not in second.log.read_text("utf-8", "replace")
    artist.awaits("rendering, 12 of 60 frames")


CHEAP = """
for area in bpy.context.window_manager.windows[0].screen.areas:
    if area.type == "VIEW_3D":
        area.type = "TEXT_EDITOR"
"""
"""Without a graphics card, the 3D view alone takes most of the time."""
LISTEN = """
from peerfarm_blender import state
told = bpy.app.driver_namespace["told"] = []
real = state._state.tell
def tell(now):
    told.append(now.phase)
    real(now)
state._state.tell = tell
"""
