"""The lower part of the panel: the farm's machines and the artist's jobs."""

from . import panel
from .mayacmds import cmds

MOST_NODES = 50
COLOURS = {"live": (0.45, 0.72, 0.45), "suspect": (0.85, 0.7, 0.35), "dead": (0.75, 0.4, 0.4)}
GREY = (0.45, 0.45, 0.45)


class FarmView(object):
    """Rows are made anew when other nodes or jobs are to be shown, else their texts change."""

    def __init__(self, owner, parent):
        self._owner = owner
        self._nodes = {}
        self._jobs = {}
        self._node_names = None
        self._job_ids = None
        frame = cmds.frameLayout("peerfarmFarm", label="Farm", collapsable=True, marginWidth=6, parent=parent)
        self._node_box = cmds.columnLayout("peerfarmNodes", adjustableColumn=True, parent=frame)
        frame = cmds.frameLayout("peerfarmMine", label="My jobs", collapsable=True, marginWidth=6, parent=parent)
        self._job_box = cmds.columnLayout("peerfarmJobs", adjustableColumn=True, rowSpacing=6, parent=frame)
        self._more = cmds.text("peerfarmMore", label="", align="left", parent=frame)
        self._alarms = cmds.text("peerfarmAlarms", label="", align="left", wordWrap=True, parent=frame)

    def update(self, view):
        """Show the view."""
        nodes = view.nodes[:MOST_NODES]
        if [node.name for node in nodes] != self._node_names:
            self._make_nodes(nodes)
        for node in nodes:
            self._show_node(node)
        if [job.id for job in view.jobs] != self._job_ids:
            self._make_jobs(view.jobs)
        for job in view.jobs:
            self._show_job(job)
        more = "and %d more" % view.more_jobs if view.more_jobs else ""
        more = more or ("" if view.jobs or view.hint else "Nothing sent yet.")
        cmds.text(self._more, edit=True, label=more)
        cmds.text(self._alarms, edit=True, label="\n".join(view.alarms))

    def _make_nodes(self, nodes):
        _clear(self._node_box)
        self._node_names = [node.name for node in nodes]
        self._nodes = {}
        for node in nodes:
            row = cmds.rowLayout(numberOfColumns=3, adjustableColumn=3, parent=self._node_box)
            lamp = cmds.text(label="  ", width=16, backgroundColor=GREY, parent=row)
            cmds.text(label=" " + node.name + (" (this one)" if node.is_self else ""), align="left", width=130, parent=row)
            words = cmds.text(label="", align="left", parent=row)
            self._nodes[node.name] = [lamp, words, None]

    def _show_node(self, node):
        row = self._nodes[node.name]
        if row[2] == node:
            return
        row[2] = node
        cmds.text(row[0], edit=True, backgroundColor=COLOURS.get(node.state, GREY))
        cmds.text(row[1], edit=True, label=node.words)

    def _make_jobs(self, jobs):
        _clear(self._job_box)
        self._job_ids = [job.id for job in jobs]
        self._jobs = {}
        for job in jobs:
            self._jobs[job.id] = _JobRow(self._owner, self._job_box, job)

    def _show_job(self, job):
        self._jobs[job.id].update(job)


class _JobRow(object):
    def __init__(self, owner, parent, job):
        self._owner = owner
        self._job = None
        self.id = job.id
        board, guarded = owner.board, owner.guarded
        row = cmds.rowLayout(numberOfColumns=2, adjustableColumn=2, parent=parent)
        self._picture = cmds.image(width=80, height=54, parent=row)
        column = cmds.columnLayout(adjustableColumn=True, rowSpacing=2, parent=row)
        self._name = cmds.text(label=job.name, align="left", font="boldLabelFont", parent=column)
        self._words = cmds.text(label="", align="left", parent=column)
        self._bar = cmds.progressBar(maxValue=1000, height=8, parent=column)
        self._error = cmds.text(label="", align="left", wordWrap=True, parent=column)
        buttons = cmds.rowLayout(numberOfColumns=6, parent=column)
        button = cmds.button
        self._pause = button(label="Pause", height=20, parent=buttons, command=guarded(board.pause, job.id))
        self._resume = button(label="Go on", height=20, parent=buttons, command=guarded(board.resume, job.id))
        self._cancel = button(label="Cancel", height=20, parent=buttons, command=guarded(self._ask_cancel))
        self._retry = button(label="Retry", height=20, parent=buttons, command=guarded(board.retry, job.id))
        self._folder = button(label="Folder", height=20, parent=buttons, command=guarded(self._open_folder))
        button(label="Log", height=20, parent=buttons, command=guarded(board.log_text, job.id, self._show_log))

    def update(self, job):
        if job == self._job:
            return
        before, self._job = self._job, job
        words = job.words + (", %s left" % job.left if job.left else "")
        cmds.text(self._words, edit=True, label=words)
        cmds.progressBar(self._bar, edit=True, progress=int(1000 * job.progress))
        cmds.text(self._error, edit=True, label=job.error, manage=bool(job.error))
        cmds.button(self._pause, edit=True, manage=job.can_pause)
        cmds.button(self._resume, edit=True, manage=job.can_resume)
        cmds.button(self._cancel, edit=True, enable=job.can_cancel)
        cmds.button(self._retry, edit=True, manage=job.can_retry)
        cmds.button(self._folder, edit=True, enable=bool(job.output))
        if job.thumbnail and (before is None or before.thumbnail != job.thumbnail):
            cmds.image(self._picture, edit=True, image=job.thumbnail)

    def _ask_cancel(self):
        answer = cmds.confirmDialog(
            title="peerfarm", message="Cancel %s?" % self._job.name, button=["Cancel the job", "Keep it"],
            defaultButton="Keep it", cancelButton="Keep it", dismissString="Keep it",
        )
        if answer == "Cancel the job":
            self._owner.board.cancel(self.id)

    def _open_folder(self):
        panel.open_folder(self._job.output)

    def _show_log(self, text):
        window = "peerfarmLog"
        if cmds.window(window, exists=True):
            cmds.deleteUI(window)
        cmds.window(window, title="peerfarm: %s" % self._job.name, widthHeight=(760, 420))
        form = cmds.paneLayout(parent=window)
        cmds.scrollField(text=text, editable=False, wordWrap=False, font="fixedWidthFont", parent=form)
        cmds.showWindow(window)


def _clear(layout):
    for child in cmds.layout(layout, query=True, childArray=True) or []:
        cmds.deleteUI(child)
