"""Looks on the disk for what the scene named. Knows nothing of Maya, and runs beside it: a share may not answer."""

import os
import threading

from . import paths

FILE, OPTIONAL, CACHE, COLORS = "file", "optional", "cache", "colors"
"""Kinds of wants: a file or sequence; one that nobody misses; a geometry cache; a color configuration."""
_SHARDS = ("Frame",)


class Collected(object):
    """What the scene needs. The main thread adds wants, then a Search turns them into files."""

    def __init__(self):
        self.wants = []
        """(kind, path as the scene writes it, who needs it), in the order in which they were found."""
        self.files = []
        """Absolute paths of files that are there, each once; without the scene itself."""
        self.missing = []
        """(path as the scene writes it, who needs it)."""
        self.faults = []
        """Sentences about nodes that could not be asked."""
        self._wanted = set()
        self._seen = set()
        self._missed = set()

    def want(self, kind, path, why):
        """One more; the same path twice counts once."""
        if path and (kind, path) not in self._wanted:
            self._wanted.add((kind, path))
            self.wants.append((kind, path, why))

    def add(self, path):
        """A file that is there."""
        if path not in self._seen:
            self._seen.add(path)
            self.files.append(path)

    def miss(self, path, why):
        """A file that is not."""
        if path not in self._missed:
            self._missed.add(path)
            self.missing.append((path, why))


class Search(object):
    """Finds the files of all wants, in a thread of its own."""

    def __init__(self, found, settings):
        self._found = found
        self._project = settings.project
        self._scene = settings.scene
        self._folder = settings.textures
        self._textures = {}
        """Folder -> names of the converted textures (.tx) in it."""
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="peerfarm-search", daemon=True)

    def start(self):
        """Begin."""
        self._thread.start()

    def stop(self):
        """Nobody waits for it any more; does not wait for what the disk is at."""
        self._is_stopped.set()

    @property
    def is_over(self):
        """Whether every want was looked for."""
        return not self._thread.is_alive()

    def wait(self):
        """For programs without a window: until it is over."""
        self._thread.join()

    def _run(self):
        for kind, path, why in list(self._found.wants):
            if self._is_stopped.is_set():
                return
            try:
                self._look(kind, path, why)
            except (OSError, ValueError) as error:  # a name that this disk cannot have, a folder without permission
                self._found.faults.append("%s (%s) could not be looked for: %s" % (path, why, error))

    def _look(self, kind, path, why):
        full = paths.full(path, self._project, self._scene, self._folder)
        files = _cache_files(full) if kind == CACHE else paths.existing(full)
        for one in files:
            if one != self._scene:
                self._found.add(one)
            for texture in self._converted(one):
                self._found.add(texture)
        if kind == COLORS:
            for one in _below(os.path.dirname(full) + "/luts"):
                self._found.add(one)
        if not files and kind != OPTIONAL:
            self._found.miss(path + ".xml" if kind == CACHE else path, why)

    def _converted(self, image):
        """Arnold's textures beside an image; their names may hold color spaces: `wood_sRGB_ACEScg.png.tx`."""
        folder, name = os.path.split(image)
        if name.endswith(".tx"):
            return []
        if folder not in self._textures:
            try:
                names = os.listdir(folder)
            except OSError:
                names = []
            self._textures[folder] = sorted(one for one in names if one.endswith(".tx"))
        stem = os.path.splitext(name)[0]
        own = (stem + ".", stem + "_")
        return [folder + "/" + one for one in self._textures[folder] if one.startswith(own)]


def _cache_files(path):
    """A description (.xml) and its data, in one file or one a frame."""
    folder, name = os.path.split(path)
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    heads = tuple(name + shard for shard in _SHARDS)
    return [folder + "/" + one for one in names if os.path.splitext(one)[0] == name or one.startswith(heads)]


def _below(place):
    for folder, _, names in os.walk(place):
        for name in sorted(names):
            yield folder.replace("\\", "/") + "/" + name
