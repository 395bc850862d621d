"""The one way from the open scene to a job, for the panel and for mayapy.

In mayapy, after the scene was opened:  import peerfarm_maya.submit; peerfarm_maya.submit.submit()
"""

from . import VERSION, checks, collect, disk, job, settings
from .client import Fault, call_once
from .mayacmds import app, cmds

QUIET_S = 120.0
"""Hashing a large scene may take long, but tells how far it is."""
IN_THE_WAY = "frames of that name exist already"
"""How the node begins to say that frames of an earlier render stand in the output folder."""


class NotSent(Exception):
    """Why a scene was not sent, in a sentence with what to do."""


class Preparation(object):
    """Reads the scene in short steps; afterwards everything that is to be sent stands here."""

    def __init__(self, choices=None):
        self.choices = choices or job.Choices()
        self.settings = None
        """Known after the first step."""
        self.collected = disk.Collected()
        self.is_done = False
        self._scene = settings.scene_name()
        self._steps = None
        self._search = None

    @property
    def is_waiting(self):
        """Whether a step has nothing to do but to look whether the disk has answered."""
        return self._search is not None and not self._search.is_over

    def step(self):
        """Do a little more, for some milliseconds: only the first may take longer, where layers have to be switched.

        Raises:
            NotSent: Another scene was opened meanwhile.
        """
        if settings.scene_name() != self._scene:
            self.close()
            raise NotSent("Another scene was opened meanwhile: nothing was sent.")
        if self.settings is None:
            self.settings = settings.read()
            self._steps = collect.steps(self.settings, self.collected)
        elif self._search is None:
            try:
                next(self._steps)
            except StopIteration:
                self._search = disk.Search(self.collected, self.settings)
                self._search.start()
        elif self._search.is_over:
            self.is_done = True

    def finish(self):
        """All the steps, for programs without a window."""
        while not self.is_done:
            self.step()
            if self.is_waiting:
                self._search.wait()

    def close(self):
        """It is given up."""
        if self._search is not None:
            self._search.stop()

    def findings(self, nodes=None):
        """What is wrong, the worst first; `nodes` as the node tells them."""
        return checks.check(self.settings, self.choices, self.collected, nodes)

    @property
    def job(self):
        """The job as the node wants it."""
        return job.build(self.settings, self.choices)

    @property
    def files(self):
        """What travels with it beside the scene."""
        return list(self.collected.files)

    def request(self, allow_missing=False):
        """What `submit` is asked with."""
        return {"job": self.job, "files": self.files, "allow_missing": bool(allow_missing)}


def save():
    """Save the open scene under its own name."""
    cmds.file(save=True)


def submit(choices=None, unsaved="stop", allow_missing=False, say=print, home=None):
    """Send the open scene and wait until the farm has it; the job's id.

    Args:
        choices: See `job.Choices`; None for what the scene says.
        unsaved: What to do about changes that were not saved: "stop", "save", or "last" to send the last saved scene.
        say: Called with each note and sign of progress.

    Raises:
        NotSent: Something has to be done first; the sentence says what.
    """
    said = set()

    def tell(words):
        if words and words not in said:
            said.add(words)
            say(words)

    if settings.scene_name() and cmds.file(query=True, modified=True):
        if unsaved == "save":
            save()
        elif unsaved != "last":
            raise NotSent('The scene has unsaved changes. Say unsaved="save" or unsaved="last".')
    prepared = Preparation(choices)
    prepared.finish()
    try:
        nodes = call_once(app(), VERSION, "nodes", home=home)["nodes"]
    except Fault as fault:
        raise NotSent(str(fault))
    for finding in prepared.findings(nodes):
        if finding.severity == checks.STOP:
            raise NotSent(str(finding))
        tell(str(finding))
    if prepared.collected.missing and not allow_missing:
        raise NotSent("Files are missing. Say allow_missing=True to send the scene without them.")
    request = prepared.request(allow_missing)
    try:
        answer = call_once(app(), VERSION, "submit", request, lambda event: tell(event.get("text", "")), QUIET_S, home)
    except Fault as fault:
        if fault.sentence.startswith(IN_THE_WAY):
            raise NotSent(fault.sentence + ". Say job.Choices(overwrite=True) to replace them.")
        raise NotSent(str(fault))
    for warning in answer.get("warnings", ()):
        tell(warning)
    return answer["job"]
