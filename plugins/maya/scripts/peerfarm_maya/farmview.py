"""The lower part of the panel: the farm's machines and the artist's jobs."""

from . import folders
from .mayacmds import cmds

MOST_NODES = 50
COLOURS = {"live": (0.45, 0.72, 0.45), "suspect": (0.85, 0.7, 0.35), "dead": (0.75, 0.4, 0.4)}
GREY = (0.45, 0.45, 0.45)


class FarmView(object):
    """Rows are made anew when there are more or fewer of them; else their texts change, so that nothing flickers."""

    def __init__(self, owner, parent):
        self._owner = owner
        self._nodes = []
        self._jobs = []
        frame = cmds.frameLayout("peerfarmFarm", label="Farm", collapsable=True, marginWidth=6, parent=parent)
        self._node_box = cmds.columnLayout("peerfarmNodes", adjustableColumn=True, parent=frame)
        frame = cmds.frameLayout("peerfarmMine", label="My jobs", collapsable=True, marginWidth=6, parent=parent)
        self._job_box = cmds.columnLayout("peerfarmJobs", adjustableColumn=True, rowSpacing=6, parent=frame)
        self._more = cmds.text("peerfarmMore", label="", align="left", parent=frame)
        self._alarms = cmds.text("peerfarmAlarms", label="", align="left", wordWrap=True, parent=frame)

    def update(self, view):
        """Show the view."""
        nodes = view.nodes[:MOST_NODES]
        if len(nodes) != len(self._nodes):
            _clear(self._node_box)
            self._nodes = [_NodeRow(self._node_box) for _ in nodes]
        for row, node in zip(self._nodes, nodes):
            row.update(node)
        if len(view.jobs) != len(self._jobs):
            _clear(self._job_box)
            self._jobs = [_JobRow(self._owner, self._job_box) for _ in view.jobs]
        for row, job in zip(self._jobs, view.jobs):
            row.update(job)
        more = "and %d more" % view.more_jobs if view.more_jobs else ""
        more = more or ("" if view.jobs or view.hint else "Nothing sent yet.")
        cmds.text(self._more, edit=True, label=more)
        cmds.text(self._alarms, edit=True, label="\n".join(view.alarms))


class _NodeRow(object):
    def __init__(self, parent):
        self._node = None
        row = cmds.rowLayout(numberOfColumns=3, adjustableColumn=3, parent=parent)
        self._lamp = cmds.text(label="  ", width=16, backgroundColor=GREY, parent=row)
        self._name = cmds.text(label="", align="left", width=130, parent=row)
        self._words = cmds.text(label="", align="left", parent=row)

    def update(self, node):
        if node == self._node:
            return
        self._node = node
        cmds.text(self._lamp, edit=True, backgroundColor=COLOURS.get(node.state, GREY))
        cmds.text(self._name, edit=True, label=" " + node.name + (" (this one)" if node.is_self else ""))
        cmds.text(self._words, edit=True, label=node.words)


class _JobRow(object):
    def __init__(self, owner, parent):
        self._owner = owner
        self._job = None
        board, guarded = owner.board, owner.guarded
        row = cmds.rowLayout(numberOfColumns=2, adjustableColumn=2, parent=parent)
        self._picture = cmds.image(width=80, height=54, manage=False, parent=row)
        column = cmds.columnLayout(adjustableColumn=True, rowSpacing=2, parent=row)
        self._name = cmds.text(label="", align="left", font="boldLabelFont", parent=column)
        self._words = cmds.text(label="", align="left", parent=column)
        self._bar = cmds.progressBar(maxValue=1000, height=8, parent=column)
        self._error = cmds.text(label="", align="left", wordWrap=True, parent=column)
        buttons = cmds.rowLayout(numberOfColumns=6, parent=column)
        button = cmds.button
        self._pause = button(label="Pause", height=20, parent=buttons, command=guarded(self._on_job, board.pause))
        self._resume = button(label="Go on", height=20, parent=buttons, command=guarded(self._on_job, board.resume))
        self._cancel = button(label="Cancel", height=20, parent=buttons, command=guarded(self._ask_cancel))
        self._retry = button(label="Retry", height=20, parent=buttons, command=guarded(self._on_job, board.retry))
        self._folder = button(label="Folder", height=20, parent=buttons, command=guarded(self._open_folder))
        button(label="Log", height=20, parent=buttons, command=guarded(self._ask_log))

    def update(self, job):
        if job == self._job:
            return
        before, self._job = self._job, job
        cmds.text(self._name, edit=True, label=job.name)
        words = job.words + (", %s left" % job.left if job.left else "")
        cmds.text(self._words, edit=True, label=words)
        cmds.progressBar(self._bar, edit=True, progress=int(1000 * job.progress))
        cmds.text(self._error, edit=True, label=job.error, manage=bool(job.error))
        cmds.button(self._pause, edit=True, manage=job.can_pause)
        cmds.button(self._resume, edit=True, manage=job.can_resume)
        cmds.button(self._cancel, edit=True, enable=job.can_cancel)
        cmds.button(self._retry, edit=True, manage=job.can_retry)
        cmds.button(self._folder, edit=True, enable=bool(job.output))
        if before is None or before.thumbnail != job.thumbnail:
            cmds.image(self._picture, edit=True, manage=bool(job.thumbnail))
            if job.thumbnail:
                cmds.image(self._picture, edit=True, image=job.thumbnail)

    def _on_job(self, call):
        """The row shows another job where a newer one came before it."""
        call(self._job.id)

    def _ask_cancel(self):
        job = self._job
        answer = cmds.confirmDialog(
            title="peerfarm",
            message="Cancel %s?" % job.name,
            button=["Cancel the job", "Keep it"],
            defaultButton="Keep it",
            cancelButton="Keep it",
            dismissString="Keep it",
        )
        if answer == "Cancel the job":
            self._owner.board.cancel(job.id)

    def _open_folder(self):
        folders.open_folder(self._job.output)

    def _ask_log(self):
        name = self._job.name
        self._owner.board.log_text(self._job.id, lambda text: self._show_log(name, text))

    def _show_log(self, name, text):
        window = "peerfarmLog"
        if cmds.window(window, exists=True):
            cmds.deleteUI(window)
        cmds.window(window, title="peerfarm: %s" % name, widthHeight=(760, 420))
        form = cmds.paneLayout(parent=window)
        cmds.scrollField(text=text, editable=False, wordWrap=False, font="fixedWidthFont", parent=form)
        cmds.showWindow(window)


def _clear(layout):
    for child in cmds.layout(layout, query=True, childArray=True) or []:
        cmds.deleteUI(child)
