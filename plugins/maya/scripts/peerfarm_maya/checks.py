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
    for layer, _ in jobs.passes(settings, choices):
        if layer.last < layer.first and not choices.frames:
            note(STOP, "The last frame of %s comes before its first." % layer.label, "Correct the Render Settings.")
            break
    for layer, camera in jobs.passes(settings, choices):
        name = layer.outputs[camera][1]
        if name.lower().endswith(MOVIES):
            note(STOP, "%s writes a movie, which many machines cannot share." % layer.label, "Choose PNG or EXR.")
            break
    if nodes is not None:
        _check_workers(settings, nodes, note)
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


def _check_workers(settings, nodes, note):
    able = [node for node in nodes if node.get("render") and node.get("state") == "live"]
    years = set()
    for node in able:
        years.update(str(app.get("version")) for app in node.get("apps", ()) if app.get("app") == "maya")
    if settings.year in years or "" in years:
        return
    if years:
        listed = ", ".join(sorted(years))
        note(ASK, "No worker has Maya %s; the farm has %s." % (settings.year, listed), "Send it and wait for one?")
    else:
        note(ASK, "No worker of the farm has Maya.", "Send it and wait for one?")
