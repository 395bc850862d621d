"""The job that a scene's settings and the artist's choices make. Asks Maya nothing."""

from .renderers import NAMES


class Choices(object):
    """What the artist may change before sending; empty means as the scene says."""

    def __init__(self, **values):
        self.name = ""
        self.frames = ""
        self.chunk = 5
        self.priority = 50
        self.pool = ""
        self.output = ""
        """Directory; empty for the one that the scene names."""
        self.layers = None
        """Names of the layers' nodes; None for all that render."""
        self.cameras = None
        """Names of cameras; None for all that render."""
        self.paused = False
        self.overwrite = False
        for name, value in values.items():
            if not hasattr(self, name):
                raise TypeError("there is no choice %r" % name)
            setattr(self, name, value)


def passes(settings, choices):
    """What is to be rendered: (layer, camera) pairs in the order of the scene."""
    return [
        (layer, camera)
        for layer in settings.renderable
        if choices.layers is None or layer.node in choices.layers or layer.label in choices.layers
        for camera in layer.cameras
        if choices.cameras is None or camera in choices.cameras
    ]


def build(settings, choices):
    """The job as the node wants it: one step for each layer and camera."""
    chosen = passes(settings, choices)
    outputs = _outputs(chosen, choices.output)
    steps = []
    names = set()
    for (layer, camera), output in zip(chosen, outputs):
        name = _plain("%s-%s" % (layer.label, camera) if len(chosen) > 1 else layer.label)
        while name in names:
            name += "_"
        names.add(name)
        params = {
            "scene": settings.scene,
            "renderer": renderer_name(layer),
            "camera": camera,
            "layer": layer.node,
            "width": layer.width,
            "height": layer.height,
            "listed": True,
        }
        if settings.project:
            params["project"] = settings.project
        steps.append(
            {
                "name": name,
                "app": "maya",
                "frames": choices.frames or frames_of(layer),
                "chunk": choices.chunk,
                "output": {"dir": output[0], "pattern": output[1]},
                "requires": {"version": settings.year},
                "params": params,
            }
        )
    stem = settings.scene.rpartition("/")[2].rpartition(".")[0]
    job = {"name": choices.name or stem or "untitled", "priority": choices.priority, "steps": steps}
    if choices.pool:
        job["pool"] = choices.pool
    if choices.paused:
        job["paused"] = True
    if choices.overwrite:
        job["overwrite"] = True
    return job


def renderer_name(layer):
    """What `Render -r` is to be called with."""
    return NAMES.get(layer.renderer, "file")


def frames_of(layer):
    """A layer's frames as an expression."""
    if layer.first == layer.last:
        return str(layer.first)
    frames = "%d-%d" % (layer.first, layer.last)
    return frames if layer.by == 1 else "%sx%d" % (frames, layer.by)


def _outputs(chosen, folder):
    """(directory, pattern) of each pass; where two would write over each other, folders tell them apart."""
    given = []
    for layer, camera in chosen:
        place, name = layer.outputs[camera]
        given.append((folder.replace("\\", "/").rstrip("/") or "/" if folder else place, name))
    outputs = []
    for (layer, camera), (place, name) in zip(chosen, given):
        same = [each for each, other in zip(chosen, given) if other == (place, name)]
        below = [_plain(layer.label)] if len({each.node for each, _ in same}) > 1 else []
        below += [_plain(camera)] if len({each for _, each in same}) > 1 else []
        outputs.append(("/".join([place.rstrip("/"), *below]) if below else place, name))
    return outputs


def _plain(name):
    """A name without what file systems and job files give a meaning."""
    return "".join(letter if letter.isalnum() or letter in "_.-" else "_" for letter in name).strip(".") or "_"
