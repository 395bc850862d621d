"""What a Maya scene says for its submission, read from its text and those of the scenes that it refers to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from peerfarm.apps.maya_binary import binary_year
from peerfarm.apps.maya_passes import binary_defaults, submission_defaults
from peerfarm.apps.maya_scene import Camera, SceneText, images_rule, parse_scene, renderable, under
from peerfarm.errors import PeerfarmError, RequestRefused
from peerfarm.runner.reading import NESTED, PROJECT_FILE, content_of, first_bytes, places_of, project_above

_HEAD_BYTES = 4096
_DESCRIPTION_BYTES = 1 << 20


def inspect_maya(scene: str, is_closing: Callable[[], bool]) -> dict[str, Any]:
    """The answer to `inspect`; see `submission_defaults`.

    Raises:
        FileNotFoundError: There is no such scene.
        RequestRefused: It cannot be read, or this node is ending.
        AppFailed: It is no scene.
    """
    head = first_bytes(scene, _HEAD_BYTES)
    if not scene.lower().endswith(".ma"):
        return binary_defaults(Path(scene).name, binary_year(head))
    project = project_above(scene)
    reading = _Cameras(project, is_closing)
    said = parse_scene(content_of(scene))
    cameras = reading.of(said, scene, 0)
    return submission_defaults(said, list(renderable(cameras)), scene, _images(project, scene), reading.unread)


class _Cameras:
    """Gathers the cameras of a scene and of all that it refers to."""

    def __init__(self, project: str, is_closing: Callable[[], bool]) -> None:
        self.unread: list[str] = []
        self._project = project
        self._is_closing = is_closing
        self._read: dict[str, list[Camera]] = {}
        """Scene -> its cameras, as it names them itself; empty while it is being read, so that rings end."""

    def of(self, said: SceneText, scene: str, depth: int) -> list[Camera]:
        found = list(said.cameras)
        for reference in said.references:
            if self._is_closing():
                raise RequestRefused("this node is ending", "Submit again when it runs.")
            path = self._place(reference.path, scene)
            if path and path.lower().endswith(".ma") and depth < NESTED:
                found += [under(reference, camera) for camera in self._cameras(path, depth + 1)]
            else:
                self._miss(path or reference.path)
        return [
            Camera(camera.name, camera.shape, said.edits.get(camera.shape, camera.is_renderable)) for camera in found
        ]

    def _cameras(self, path: str, depth: int) -> list[Camera]:
        if path not in self._read:
            self._read[path] = []
            try:
                self._read[path] = self.of(parse_scene(content_of(path)), path, depth)
            except PeerfarmError:
                self._miss(path)
        return self._read[path]

    def _place(self, path: str, scene: str) -> str:
        places = places_of(path.replace("\\", "/"), self._project, str(Path(scene).parent))
        return next((place for place in places if Path(place).is_file()), "")

    def _miss(self, path: str) -> None:
        name = path.replace("\\", "/").rpartition("/")[2]
        if name not in self.unread:
            self.unread.append(name)


def _images(project: str, scene: str) -> str:
    """Where the project puts images; beside the scene where it belongs to none."""
    if not project:
        return str(Path(scene).parent / "images")
    try:
        with (Path(project) / PROJECT_FILE).open("rb") as stream:
            rule = images_rule(stream.read(_DESCRIPTION_BYTES).decode("utf-8", "replace"))
    except OSError:
        rule = "images"
    return str(Path(project) / rule)
