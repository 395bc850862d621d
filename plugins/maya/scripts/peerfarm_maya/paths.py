"""From paths as Maya writes them to files on this disk. Knows nothing of Maya."""

import os
import re

_TOKEN = re.compile(
    r"<UDIM>|<tile>|<UVTILE>|<f\d*>|<frame\d*>|<frameNum>|<[uv]>|<attr:[^>]*>|%0?\d?d|\$F\d?|#+", re.IGNORECASE
)


def full(path, project, scene, textures=""):
    """The absolute path: `~`, variables, `<project>` and `<scene>` put in, and looked for where Maya looks.

    Relative paths begin at the project; what is not there may lie beside the scene, or under its name alone in the
    project's folder for textures.
    """
    path = os.path.expanduser(os.path.expandvars(path)).replace("\\", "/")
    path = re.sub("<project>", lambda _: project, path, flags=re.IGNORECASE)
    stem = os.path.splitext(os.path.basename(scene))[0]
    path = re.sub("<scene>", lambda _: stem, path, flags=re.IGNORECASE)
    if os.path.isabs(path) or re.match(r"[A-Za-z]:/|//", path):
        places = [path]
        _, slashes, rest = path[2:].partition("//")  # Maya writes PROJECT//PLACE-IN-PROJECT
        if slashes and project:
            places.append(project + "/" + rest)
    else:
        places = [project + "/" + path, os.path.dirname(scene) + "/" + path]
    if textures:
        places.append(textures + "/" + os.path.basename(path))
    for place in places:
        if existing(_plain(place)):
            return _plain(place)
    return _plain(places[0])


def existing(path):
    """The files that a full path stands for; sequences and tiles are all their siblings, sorted."""
    folder, name = os.path.split(path)
    if not _TOKEN.search(name):
        return [path] if os.path.isfile(path) else []
    expression = "-?\\d+".join(re.escape(part) for part in _TOKEN.split(name))
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return [folder + "/" + one for one in sorted(names) if re.match(expression + r"\Z", one)]


def with_number(path):
    """The path of a sequence's one image as that of all."""
    if _TOKEN.search(os.path.basename(path)):
        return path
    folder, name = os.path.split(path)
    stem, extension = os.path.splitext(name)
    numbers = list(re.finditer(r"\d+", stem))
    if not numbers:
        return path
    at = numbers[-1]
    return folder + "/" + stem[: at.start()] + "<f>" + stem[at.end() :] + extension


def _plain(path):
    return os.path.normpath(path).replace("\\", "/")
