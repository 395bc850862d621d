"""What a panel shows of the farm: sentences and rows, kept up to date, without any user interface.

`tick` belongs into a timer of the application's main thread, a few times a second; drawing reads `view` alone. The
standard library alone, Python 3.7 or later; the same file in the plug-ins for Blender and Maya.
"""

import base64
import os
import shutil
import tempfile

from .client import CONNECTED
from .rows import View, job_row, node_rows, sending_share, sending_words

ASK_S = 1.0
"""The farm is asked at most so often, after something happened."""
REST_S = 10.0
"""And at least so often."""
LOG_BYTES = 20000
THUMBNAIL_PIXELS = 160
SUBMIT_S = 600.0
"""A submission is given up when nothing is heard of it for so long: a heavy scene takes minutes to look through."""


def _standing(status):
    """From the answer to `status`: the farm's name, what is to be warned of, and the node's version."""
    farm, alarms = status.get("farm") or {}, status.get("alarms") or ()
    return farm.get("name", ""), tuple(map(str, alarms)), str(status["node"].get("version", ""))


def _with_pictures(rows, paths):
    """The rows with other thumbnails, by the jobs' ids."""
    return tuple([row._replace(thumbnail=paths[row.id]) if row.id in paths else row for row in rows])


def _remove(path):
    try:
        if path:
            os.unlink(path)
    except OSError:
        pass  # the application still reads it; the directory goes with the panel


class Board(object):
    """Keeps a View up to date over a Link, and carries out what the artist clicks. Never waits, never raises."""

    def __init__(self, link, limit=20):
        """Args: limit: How many jobs are shown, the newest."""
        self.link = link
        self.limit = limit
        self.notice = ""
        """What the last click came to, or why it failed."""
        self.view = View(0, link.sentence, "", False, (), (), 0, (), "", "")
        self._answers = {}
        self._waits_for = set()
        self._trouble = ""
        self._troubles = []
        self._is_stale = True
        self._asked_s = -REST_S
        self._sending = 0
        self._pictures = {}  # job id -> its done count then, and the file's path
        self._new_paths = {}  # of the pictures that came since jobs were asked for
        self._picture_asked = False
        self._directory = ""
        link.listen(self._heard)

    def close(self):
        """Remove the pictures from the disk."""
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = ""
            self._pictures.clear()

    def tick(self, now_s, budget_s=0.002):
        """Hear what came and ask what has to be asked; True when `view` or `notice` changed."""
        before = self.view.revision, self.notice
        self.link.drain(budget_s)
        if self.link.state != CONNECTED:
            self._answers.clear()
            self._waits_for = set()
            self._trouble = ""
            self._picture_asked = False
            self._asked_s = now_s - REST_S
            self._show()
        elif not self._waits_for and now_s - self._asked_s >= (ASK_S if self._is_stale else REST_S):
            self._ask(now_s)
        return before != (self.view.revision, self.notice)

    def refresh(self):
        """Ask the farm soon."""
        self._is_stale = True

    # What the artist clicks

    def pause(self, job):
        """Start no more tasks of a job."""
        self._order("pause", job, "Paused.")

    def resume(self, job):
        """Go on with a paused job."""
        self._order("resume", job, "Goes on.")

    def cancel(self, job):
        """Stop a job and its running tasks."""
        self._order("cancel", job, "Cancelled.")

    def retry(self, job):
        """Render what failed or was cancelled again."""
        self._order("retry", job, "Is tried again.")

    def set_priority(self, job, priority):
        """0 to 100; higher goes first."""
        self._order("priority", job, "Priority is %d now." % priority, priority=priority)

    def log_text(self, job, on_text):
        """Hand the end of the renderer's log of the latest attempt to `on_text(text)`."""

        def show(answer):
            on_text(answer.get("text") or "The log is empty.")

        self.link.call("log", {"job": job, "tail": LOG_BYTES}, show, self._failed)

    def start_node(self):
        """Start peerfarm on this machine; a sentence, and the view tells how that goes."""
        self.notice = ""
        return self.link.start_node()

    @property
    def is_sending(self):
        """Whether a submission is under way."""
        return self._sending != 0

    def send(self, job, allow_missing=False, files=(), on_progress=None, on_done=None, on_fault=None):
        """Submit a job: `on_progress(words, share)`, then `on_done(answer)` or `on_fault(fault)`."""

        def progress(event):
            if on_progress is not None:
                on_progress(sending_words(event), sending_share(event))

        def done(answer):
            self._sending = 0
            self.notice = "Sent: %d frames in %d tasks." % (answer.get("frames", 0), answer.get("tasks", 0))
            if answer.get("submission"):
                self.notice = "Its files are being packed."
            elif answer.get("warnings"):
                self.notice += " " + str(answer["warnings"][0])
            self.refresh()
            if on_done is not None:
                on_done(answer)

        def fault(error):
            self._sending = 0
            self.notice = str(error)
            if on_fault is not None:
                on_fault(error)

        params = {"job": job, "allow_missing": bool(allow_missing)}
        if files:
            params["files"] = list(files)
        number = self.link.call("submit", params, done, fault, progress, limit_s=SUBMIT_S)
        self._sending = number
        return number

    def cancel_send(self):
        """Give up the submission that is under way."""
        self.link.call("cancel_submit", {}, None, self._failed)

    # What the node tells

    def _order(self, method, job, words, **params):
        def done(_):
            self.notice = words
            self.refresh()

        params["job"] = job
        self.link.call(method, params, done, self._failed)

    def _failed(self, fault):
        self.notice = str(fault)

    def _heard(self, event):
        if event.get("type") != "submit/progress":
            self._is_stale = True

    def _ask(self, now_s):
        self._asked_s = now_s
        self._is_stale = False
        self._troubles = []
        waits_for = self._waits_for = {"status", "nodes", "jobs"}
        self._new_paths = {}
        limit = {"limit": self.limit, "mine": True}
        for method, params, prepare in (
            ("status", {}, _standing),
            ("nodes", {}, lambda answer: tuple(node_rows(answer["nodes"]))),
            ("jobs", limit, self._job_answer),
        ):
            self.link.call(method, params, self._keep(method, waits_for), self._lost(method, waits_for), None, prepare)

    def _job_answer(self, answer):
        """In the connection's thread: the rows, and how many jobs are left out."""
        pictures = self._pictures
        rows = [job_row(job, pictures.get(job["id"], (0, ""))[1]) for job in answer["jobs"]]
        return rows, max(int(answer.get("total", 0)) - len(rows), 0)

    def _keep(self, method, waits_for):
        def keep(answer):
            if waits_for is self._waits_for:
                if method == "jobs":
                    answer = _with_pictures(answer[0], self._new_paths), answer[1]
                    self._forget_pictures({row.id for row in answer[0]})
                self._answers[method] = answer
                self._heard_of(method)

        return keep

    def _lost(self, method, waits_for):
        def keep(fault):
            if waits_for is self._waits_for:
                self._troubles.append(str(fault))
                self._is_stale = True
                self._heard_of(method)

        return keep

    def _heard_of(self, method):
        self._waits_for.discard(method)
        if not self._waits_for:
            self._trouble = self._troubles[0] if self._troubles else ""
            self._show()
            self._ask_picture()

    def _show(self):
        shown = self._answers
        if self.link.state != CONNECTED or "status" not in shown:
            sentence = self._trouble or self.link.sentence
            new = View(0, sentence, self.link.hint, self.link.can_start, (), (), 0, (), "", "")
        else:
            farm, alarms, version = shown["status"]
            nodes = shown.get("nodes", ())
            jobs, more_jobs = shown.get("jobs", ((), 0))
            if self._trouble and farm:
                alarms += (self._trouble,)
            hint = "" if farm else "Run `peerfarm init NAME`, or `peerfarm join`."
            new = View(0, self._sentence(farm, nodes), hint, False, nodes, jobs, more_jobs, alarms, farm, version)
        if new != self.view._replace(revision=0):
            self.view = new._replace(revision=self.view.revision + 1)

    @staticmethod
    def _sentence(farm, nodes):
        if not farm:
            return "This machine belongs to no farm yet."
        live = [node for node in nodes if node.state == "live"]
        busy = sum(node.words.startswith("rendering") for node in live)
        return "%s: %d %s, %d rendering" % (farm, len(live), "node" if len(live) == 1 else "nodes", busy)

    def _ask_picture(self):
        """Fetch the last frame of one job that got on, at most one at a time."""
        if self._picture_asked:
            return
        for job in self.view.jobs:
            if job.done and self._pictures.get(job.id, (0, ""))[0] != job.done:
                self._picture_asked = True
                params = {"job": job.id, "size": THUMBNAIL_PIXELS}
                self.link.call("thumbnail", params, self._keep_picture(job), self._no_picture(job), None, self._write)
                return

    def _write(self, answer):
        """In the connection's thread: the picture as a file; its path, or ""."""
        if not answer.get("png"):
            return ""
        if not self._directory:
            self._directory = tempfile.mkdtemp(prefix="peerfarm-")
        descriptor, path = tempfile.mkstemp(suffix=".png", dir=self._directory)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64decode(answer["png"]))
        return path

    def _keep_picture(self, job):
        def keep(path):
            self._picture_asked = False
            former = self._pictures.get(job.id, (0, ""))[1]
            self._pictures[job.id] = (job.done, path)
            if path != former:
                self._new_paths[job.id] = path
                jobs, more_jobs = self._answers.get("jobs", ((), 0))
                self._answers["jobs"] = _with_pictures(jobs, {job.id: path}), more_jobs
                self._show()
                _remove(former)
            self._ask_picture()

        return keep

    def _forget_pictures(self, listed):
        for gone in set(self._pictures) - listed:
            _remove(self._pictures.pop(gone)[1])

    def _no_picture(self, job):
        def keep(_):
            self._picture_asked = False
            self._pictures[job.id] = (job.done, self._pictures.get(job.id, (0, ""))[1])

        return keep
