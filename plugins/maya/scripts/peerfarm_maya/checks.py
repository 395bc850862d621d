"""What is wrong with a scene before it is sent, each with what to do. Knows nothing of Maya."""

from . import job as jobs
from .settings import MOVIES

STOP = "stop"
"""It cannot be rendered so."""
ASK = "ask"
"""The artist decides."""
NOTE = "note"


class Finding(object):
    """One thing that was found."""

    def __init__(self, severity, sentence, what_to_do):
        self.severity = severity
        self.sentence = sentence
        self.what_to_do = what_to_do

    def __str__(self):
        return "%s %s" % (self.sentence, self.what_to_do)


def check(settings, choices, collected, nodes):
    """All findings, the worst first.

    `nodes` are the farm's, as the node tells them; None when nobody was asked.
    """
    found = []

    def note(severity, sentence, what_to_do):
        found.append(Finding(severity, sentence, what_to_do))

    if not settings.scene:
        note(STOP, "This scene has never been saved.", "Save it, so that the farm can open it.")
    if not settings.renderable:
        note(STOP, "No render layer is set to render.", "Switch one on in Render Setup.")
    elif not any(layer.cameras for layer in settings.renderable):
        note(STOP, "No camera is set to render.", "Add one under Render Settings, Renderable Cameras.")
    elif not jobs.passes(settings, choices):
        note(STOP, "No layer and camera is chosen.", "Tick at least one of each.")
    chosen = jobs.passes(settings, choices)
    layers = [layer for at, (layer, _) in enumerate(chosen) if layer not in [one for one, _ in chosen[:at]]]
    for layer in layers:
        _check_layer(layer, choices, note)
    for layer in settings.renderable:
        if not layer.cameras and (choices.layers is None or layer.node in choices.layers) and layers:
            note(ASK, "The layer %s has no renderable camera." % layer.label, "It is left out; or add one first.")
    if nodes is not None:
        _check_workers(settings, layers, nodes, note)
    if settings.unknown:
        some = ", ".join(settings.unknown[:3]) + (
            " and %d more" % (len(settings.unknown) - 3) if len(settings.unknown) > 3 else ""
        )
        note(
            NOTE, "This Maya lacks the plug-ins of some nodes (%s)." % some, "They render only where workers have them."
        )
    if collected is not None:
        if collected.missing:
            some = ", ".join("%s (%s)" % one for one in collected.missing[:5])
            more = len(collected.missing) - 5
            some += " and %d more" % more if more > 0 else ""
            note(ASK, "Files are missing: %s." % some, "Send it without them, or correct the paths first.")
        for fault in collected.faults[:5]:
            note(NOTE, fault.rstrip(".") + ".", "Look whether its files are in the list.")
    for fault in settings.faults:
        note(NOTE, fault.rstrip(".") + ".", "It is left out.")
    order = (STOP, ASK, NOTE)
    return sorted(found, key=lambda finding: order.index(finding.severity))


def _check_layer(layer, choices, note):
    if layer.last < layer.first and not choices.frames:
        note(STOP, "The last frame of %s comes before its first." % layer.label, "Correct the Render Settings.")
    names = [name for _, name in layer.outputs.values()]
    if any(name.lower().endswith(MOVIES) for name in names):
        note(STOP, "%s writes a movie, which many machines cannot share." % layer.label, "Choose PNG or EXR.")
    if not layer.has_whole_frames and not choices.frames:
        note(
            ASK,
            "%s renders between whole frames." % layer.label,
            "The farm renders whole frames alone; set By Frame to 1.",
        )
    if not layer.is_animated:
        frames = choices.frames or str(layer.first)
        words = "The file name of %s has no frame number in Maya." % layer.label
        note(NOTE, words, "The farm writes %s, frames %s." % (names[0] if names else "one", frames))


def _check_workers(settings, layers, nodes, note):
    able = [node for node in nodes if node.get("render") and node.get("state") == "live"]
    mayas = [found for node in able for found in node.get("apps", ()) if found.get("app") == "maya"]
    years = {str(found.get("version")) for found in mayas}
    if not years:
        note(ASK, "No worker of the farm has Maya.", "Send it and wait for one?")
        return
    if settings.year not in years and "" not in years:
        listed = ", ".join(sorted(years))
        note(ASK, "No worker has Maya %s; the farm has %s." % (settings.year, listed), "Send it and wait for one?")
        return
    fitting = [found for found in mayas if str(found.get("version")) in (settings.year, "")]
    if not all(found.get("tags") for found in fitting):
        return  # a Maya that does not tell its renderers may have any
    there = sorted({str(tag) for found in fitting for tag in found["tags"]})
    for name in sorted({jobs.renderer_name(layer) for layer in layers} - set(there) - {"file"}):
        words = "No worker's Maya %s has the renderer %s; the farm has %s." % (settings.year, name, ", ".join(there))
        note(ASK, words, "Install it on a worker, or choose another in the Render Settings.")
