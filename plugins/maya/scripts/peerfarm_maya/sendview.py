"""The upper part of the panel: what of the open scene is to be rendered, and the way to the farm."""

import time

from . import checks, job, settings, submit
from .mayacmds import cmds

STEP_S = 0.02
"""How long the scene is looked into at a time, so that Maya stays responsive."""
_CHUNK, _PRIORITY, _POOL = "peerfarmChunk", "peerfarmPriority", "peerfarmPool"
"""Option variables: what the artist chose last."""
SAVE, LAST, CANCEL = "Save and send", "Send last saved", "Cancel"
ANYWAY = "Send anyway"
REPLACE = "Replace them"


class SendView(object):
    """The fields and the button."""

    def __init__(self, owner, parent):
        self._owner = owner
        self._layers = {}
        self._cameras = {}
        self._preparation = None
        self._nodes = None
        self._is_asking = False
        guarded = owner.guarded
        self._frame = cmds.frameLayout(
            "peerfarmSending", label="Send", collapsable=True, marginWidth=6, marginHeight=4, parent=parent
        )
        self._about = cmds.text("peerfarmScene", label="", align="left", parent=self._frame)
        self._layer_box = cmds.columnLayout("peerfarmLayers", adjustableColumn=True, parent=self._frame)
        self._camera_box = cmds.columnLayout("peerfarmCameras", adjustableColumn=True, parent=self._frame)
        group, numbers = cmds.textFieldGrp, cmds.intFieldGrp
        self.frames = group(
            "peerfarmFrames",
            label="Frames",
            placeholderText="as the scene says",
            parent=self._frame,
            adjustableColumn=2,
            columnAlign=(1, "left"),
            columnWidth=(1, 110),
        )
        self.chunk = numbers(
            "peerfarmChunkField",
            label="Frames per task",
            value1=5,
            parent=self._frame,
            columnAlign=(1, "left"),
            columnWidth=(1, 110),
        )
        self.priority = numbers(
            "peerfarmPriorityField",
            label="Priority",
            value1=50,
            parent=self._frame,
            columnAlign=(1, "left"),
            columnWidth=(1, 110),
        )
        self.pool = group(
            "peerfarmPoolField",
            label="Pool",
            placeholderText="all machines",
            parent=self._frame,
            adjustableColumn=2,
            columnAlign=(1, "left"),
            columnWidth=(1, 110),
        )
        self.output = cmds.textFieldButtonGrp(
            "peerfarmOutput",
            label="Output",
            placeholderText="as the scene says",
            buttonLabel="...",
            buttonCommand=guarded(self._browse),
            parent=self._frame,
            adjustableColumn=2,
            columnAlign=(1, "left"),
            columnWidth=(1, 110),
        )
        self.overwrite = cmds.checkBox("peerfarmOverwrite", label="Replace frames that are there", parent=self._frame)
        self._button = cmds.button(
            "peerfarmSendButton", label="Send to peerfarm", height=32, parent=self._frame, command=guarded(self.send)
        )
        self._bar = cmds.progressBar("peerfarmBar", maxValue=1000, manage=False, parent=self._frame)
        self._words = cmds.text("peerfarmWords", label="", align="left", parent=self._frame)
        self._cancel = cmds.button(
            "peerfarmGiveUp", label="Give up", manage=False, parent=self._frame, command=guarded(self._give_up)
        )
        for name, field in ((_CHUNK, self.chunk), (_PRIORITY, self.priority)):
            if cmds.optionVar(exists=name):
                cmds.intFieldGrp(field, edit=True, value1=int(cmds.optionVar(query=name)))
        if cmds.optionVar(exists=_POOL):
            group(self.pool, edit=True, text=str(cmds.optionVar(query=_POOL)))

    def unfold(self, is_open):
        """Show the fields, or their headline alone."""
        cmds.frameLayout(self._frame, edit=True, collapse=not is_open)

    def read(self):
        """Show the open scene's layers and cameras, as they stand in the current layer."""
        found = settings.glance()
        name = found.scene.rpartition("/")[2] or "a scene that was never saved"
        about = "%s, Maya %s" % (name, found.year)
        for layer in found.renderable[:1]:
            about += ", %s, %d x %d, frames %s" % (layer.renderer, layer.width, layer.height, job.frames_of(layer))
        cmds.text(self._about, edit=True, label=about)
        self._layers = self._boxes(self._layer_box, "Layers", [(one.node, one.label) for one in found.renderable])
        cameras = []
        for layer in found.renderable:
            cameras += [(one, one) for one in layer.cameras if (one, one) not in cameras]
        self._cameras = self._boxes(self._camera_box, "Cameras", cameras)
        if found.faults:
            self._owner.say(found.faults[0])

    def _boxes(self, parent, title, rows):
        for child in cmds.layout(parent, query=True, childArray=True) or []:
            cmds.deleteUI(child)
        if len(rows) < 2:
            return {}
        cmds.text(label=title, align="left", parent=parent)
        return {node: cmds.checkBox(label=label, value=True, parent=parent) for node, label in rows}

    def choices(self):
        """What the fields say."""
        value = cmds.intFieldGrp
        text = cmds.textFieldGrp
        return job.Choices(
            frames=str(text(self.frames, query=True, text=True) or "").strip(),
            chunk=max(1, int(value(self.chunk, query=True, value1=True))),
            priority=min(100, max(0, int(value(self.priority, query=True, value1=True)))),
            pool=str(text(self.pool, query=True, text=True) or "").strip(),
            output=str(cmds.textFieldButtonGrp(self.output, query=True, text=True) or "").strip(),
            layers=_ticked(self._layers),
            cameras=_ticked(self._cameras),
            overwrite=bool(cmds.checkBox(self.overwrite, query=True, value=True)),
        )

    def opened(self):
        """Another scene is open: what was being looked into is no more."""
        if self._preparation is not None:
            self.give_up()
            self._owner.say("Another scene was opened meanwhile: nothing was sent.")
        self.read()

    @property
    def is_preparing(self):
        """Whether a scene is being looked into."""
        return self._preparation is not None

    def send(self):
        """The button: begin to look into the scene; the ticker goes on, and asks and sends at the end."""
        if self._preparation is not None or self._owner.board.is_sending:
            return
        if self._owner.link.state != "connected":
            self._owner.say(" ".join(filter(None, (self._owner.link.sentence, self._owner.link.hint))))
            return
        if not settings.scene_name():
            self._owner.say("This scene has never been saved. Save it, so that the farm can open it.")
            return
        choices = self.choices()
        self._remember(choices)
        if cmds.file(query=True, modified=True):
            answer = cmds.confirmDialog(
                title="peerfarm",
                message="The scene has changes that are not saved.",
                button=[SAVE, LAST, CANCEL],
                defaultButton=SAVE,
                cancelButton=CANCEL,
                dismissString=CANCEL,
            )
            if answer == SAVE:
                submit.save()
            elif answer != LAST:
                return
        self._owner.say("")
        self._nodes = None
        self._is_asking = True
        self._owner.link.call("nodes", {}, self._heard_nodes, self._heard_nodes)
        self._preparation = submit.Preparation(choices)
        self._show("Looking into the scene", 0.0)
        self.update()

    def step(self):
        """A little more of what is under way; called by the ticker."""
        preparation = self._preparation
        if preparation is None:
            return
        until_s = time.monotonic() + STEP_S
        try:
            while not preparation.is_done and time.monotonic() < until_s:
                preparation.step()
                if preparation.is_waiting:
                    break
            if preparation.is_done and not self._is_asking:
                self._preparation = None
                self._decide(preparation)
            elif preparation.is_waiting:
                self._show("Looking for files, %d found" % len(preparation.collected.files), 0.0)
            else:
                self._show("Looking into the scene, %d names of files" % len(preparation.collected.wants), 0.0)
        except submit.NotSent as error:
            self.give_up()
            self._owner.say(str(error))
        except Exception:
            self.give_up()
            raise
        finally:
            if self._preparation is None:
                self.update()

    def _heard_nodes(self, answer):
        self._is_asking = False
        self._nodes = answer["nodes"] if isinstance(answer, dict) else None

    def _decide(self, preparation):
        findings = preparation.findings(self._nodes)
        stops = [str(one) for one in findings if one.severity == checks.STOP]
        if stops:
            self._owner.say(" ".join(stops))
            return
        asks = [str(one) for one in findings if one.severity == checks.ASK]
        if asks:
            answer = cmds.confirmDialog(
                title="peerfarm",
                message="\n\n".join(asks),
                button=[ANYWAY, CANCEL],
                defaultButton=CANCEL,
                cancelButton=CANCEL,
                dismissString=CANCEL,
            )
            if answer != ANYWAY:
                self._owner.say("Not sent.")
                return
        notes = [str(one) for one in findings if one.severity == checks.NOTE]
        self._submit(preparation.request(bool(preparation.collected.missing)), notes)

    def _submit(self, request, notes):
        self._show("Sending", 0.0)
        self._owner.board.send(
            request["job"],
            request["allow_missing"],
            request["files"],
            self._show,
            lambda _: self._sent(notes),
            lambda fault: self._refused(fault, request, notes),
        )

    def _refused(self, fault, request, notes):
        """Frames of an earlier render are replaced only when the artist says so."""
        self._ended()
        if not fault.sentence.startswith(submit.IN_THE_WAY):
            return
        answer = cmds.confirmDialog(
            title="peerfarm",
            message=fault.sentence,
            button=[REPLACE, CANCEL],
            defaultButton=CANCEL,
            cancelButton=CANCEL,
            dismissString=CANCEL,
        )
        if answer == REPLACE:
            self._owner.say("")
            request["job"]["overwrite"] = True
            self._submit(request, notes)
        else:
            self._owner.say("Not sent.")

    def _sent(self, notes):
        if notes:
            self._owner.say(" ".join([self._owner.board.notice, *notes[:2]]))
        self._ended()

    def _ended(self):
        self._show("", 0.0)
        self.update()

    def give_up(self):
        """Look no further into the scene."""
        preparation, self._preparation = self._preparation, None
        if preparation is not None:
            preparation.close()

    def _give_up(self):
        if self._preparation is not None:
            self.give_up()
            self._ended()
            self._owner.say("Not sent.")
        else:
            self._owner.board.cancel_send()

    def _show(self, words, share):
        cmds.text(self._words, edit=True, label=words)
        cmds.progressBar(self._bar, edit=True, progress=int(1000 * share))

    def update(self):
        """Which buttons can be pressed now."""
        is_busy = self._preparation is not None or self._owner.board.is_sending
        cmds.button(self._button, edit=True, enable=not is_busy)
        cmds.button(self._cancel, edit=True, manage=is_busy)
        cmds.progressBar(self._bar, edit=True, manage=is_busy)

    def _browse(self):
        chosen = cmds.fileDialog2(fileMode=3, caption="Where the frames belong")
        if chosen:
            cmds.textFieldButtonGrp(self.output, edit=True, text=str(chosen[0]))

    def _remember(self, choices):
        cmds.optionVar(intValue=(_CHUNK, choices.chunk))
        cmds.optionVar(intValue=(_PRIORITY, choices.priority))
        cmds.optionVar(stringValue=(_POOL, choices.pool))


def _ticked(boxes):
    """The names that are ticked; None where all are, so that one that was made since is rendered too."""
    ticked = [name for name, box in boxes.items() if cmds.checkBox(box, query=True, value=True)]
    return None if len(ticked) == len(boxes) else ticked
