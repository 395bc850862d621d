"""What a panel shows of nodes, jobs and a submission: from the node's answers to words and numbers.

The standard library alone, Python 3.7 or later; the same file in the plug-ins for Blender and Maya.
"""

import collections

JOB_WORDS = {
    "ready": "waiting for a worker",
    "active": "rendering",
    "paused": "paused",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "blocked": "waiting for other steps",
}
NODE_WORDS = {"suspect": "does not answer", "dead": "away", "left": "stopped", "unknown": "not seen yet"}

NodeRow = collections.namedtuple("NodeRow", "name state words is_self progress")
NodeRow.__doc__ = "One machine of the farm; `progress` is 0 to 1, of what it renders first."

JobRow = collections.namedtuple(
    "JobRow",
    "id name status words progress left error output can_pause can_resume can_cancel can_retry thumbnail done",
)
JobRow.__doc__ = """One job of this user.

`words` say the status, `left` the time left (or ""), `thumbnail` is the path of a small PNG (or ""), `done` counts
finished frames.
"""

View = collections.namedtuple("View", "revision sentence hint can_start nodes jobs more_jobs alarms farm version")
View.__doc__ = """All that a panel shows.

`revision` grows with every change; `sentence` is what is the matter, or how the farm is; `version` that of the node.
"""


def duration(seconds):
    """Seconds as `20 s`, `3 min` or `2 h 5 min`; empty when nobody knows."""
    if seconds is None or seconds < 0:
        return ""
    if seconds < 60:
        return "%d s" % max(1, round(seconds))
    minutes = round(seconds / 60.0)
    return "%d min" % minutes if minutes < 60 else "%d h %d min" % (minutes // 60, minutes % 60)


def size(count):
    """Bytes as `12.3 MB`."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return ("%d %s" if unit == "B" else "%.1f %s") % (count, unit)
        count /= 1000.0
    return "%.1f TB" % count


def sending_words(event):
    """How a submission is getting on, from a `submit/progress` event."""
    words = event.get("text") or "packing"
    if event.get("total_bytes"):
        words += ", %s of %s" % (size(event.get("done_bytes", 0)), size(event["total_bytes"]))
        if event.get("rate_bytes_s"):
            words += ", %s a second" % size(event["rate_bytes_s"])
        left = duration(event.get("left_s"))
        words += ", %s left" % left if left else ""
    return words


def sending_share(event):
    """The same as a share of 1."""
    total = event.get("total_bytes") or 0
    return min(1.0, event.get("done_bytes", 0) / float(total)) if total else 0.0


def node_rows(nodes):
    """From the answer to `nodes`; the own machine first, then those that render, then by name."""
    rows = [_node_row(node) for node in nodes]
    return sorted(rows, key=lambda row: (not row.is_self, row.state != "live", -row.progress, row.name))


def _node_row(node):
    tasks, fetching = node.get("tasks") or [], node.get("fetching") or []
    progress = tasks[0].get("progress") or 0.0 if tasks else 0.0
    if node["state"] != "live":
        words = NODE_WORDS.get(node["state"], node["state"])
    elif tasks:
        names = [_frames_words(task.get("frames") or "") for task in tasks[:3]]
        words = "rendering " + ", ".join(names) + (" and more" if len(tasks) > 3 else "")
    elif fetching:
        words = "fetching files, %d %%" % int(100 * (fetching[0].get("progress") or 0.0))
    else:
        words = "idle" if node.get("render") else "does not render"
    return NodeRow(node["name"], node["state"], words, bool(node.get("is_self")), progress)


def _frames_words(frames):
    several = frames.count("-", 1) or "," in frames  # a frame may be below 0
    return ("frames %s" if several else "frame %s") % frames if frames else "a task"


def job_row(job, thumbnail=""):
    """From a SUMMARY of the node."""
    status, frames = job["status"], job.get("frames") or {}
    words = JOB_WORDS.get(status, status)
    if status == "ready" and job.get("waits"):
        words = str(job["waits"])
    elif status == "done" and not job.get("is_published", True):
        words = "done, frames are on their way"
    elif frames.get("total"):
        words += ", %d of %d frames" % (frames.get("done", 0), frames["total"])
    left = duration(job.get("eta_s")) if status in ("active", "done") else ""
    return JobRow(
        job["id"],
        job["name"],
        status,
        words,
        job.get("progress") or 0.0,
        left,
        job.get("error") or "",
        job.get("output") or "",
        status in ("ready", "active", "blocked"),
        status == "paused",
        status not in ("done", "cancelled"),
        status in ("failed", "cancelled"),
        thumbnail,
        frames.get("done", 0),
    )
