"""What the demo found, as one object for programs and as sentences for people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peerfarm.cli import text
from peerfarm.cli.demo_nodes import Farm
from peerfarm.cli.demo_sheet import write_sheet
from peerfarm.cli.demo_stage import Stage
from peerfarm.cli.demo_verify import check_frames, count_duplicates, read_starts
from peerfarm.cli.demo_watch import Watch, frames_by_worker
from peerfarm.cli.exitcode import ExitCode

_PROBLEMS_TOLD = 10


@dataclass(frozen=True, slots=True)
class Report:
    """The demo's outcome."""

    data: dict[str, Any]
    """As `--json` prints it."""
    exit_code: ExitCode


def make_report(
    farm: Farm,
    watch: Watch,
    names: list[str],
    output: Path,
    app: dict[str, Any],
    submitted_ns: int,
    agreement: tuple[dict[str, str], bool],
) -> Report:
    """Verify everything and put the figures together.

    Args:
        names: The frames' file names.
        submitted_ns: When the job was submitted, on the monotonic clock.
        agreement: See `Farm.await_agreement`.
    """
    found = check_frames(output, names)
    problems = list(found.problems)
    try:
        sheet = write_sheet(found.valid, output)
    except OSError as error:
        sheet = None
        problems.append(f"the contact sheet cannot be written: {error}")
    killed_ns = {node.name: node.killed_ns for node in farm.nodes if node.killed_ns is not None}
    starts = read_starts(farm.nodes, watch.job)
    hashes, has_converged = agreement
    attempts = [a for step in watch.view["steps"] for task in step["tasks"] for a in task["attempts"]]
    data = {
        "app": app["app"],
        "app_version": app["version"],
        "nodes": [node.name for node in farm.nodes],
        "submitter": watch.submitter.name,
        "killed": watch.killed.name if watch.killed else None,
        "status": watch.view["status"],
        "frames_expected": len(names),
        "frames_valid": len(found.valid),
        "frames_by_node": frames_by_worker(watch.view),
        "starts": len(starts),
        "duplicate_starts": count_duplicates(starts, killed_ns),
        "first_start_s": round((starts[0].started_ns - submitted_ns) / 1e9, 4) if starts else None,
        "makespan_s": round(watch.over_s - watch.started_s, 3) if watch.over_s is not None else None,
        "render_s": round(sum(a["render_s"] or 0.0 for a in attempts if a["outcome"] == "rendered"), 3),
        "state_hashes": hashes,
        "converged": has_converged,
        "output": str(output),
        "contact_sheet": str(sheet) if sheet else None,
        "problems": problems,
        "error": watch.view["error"],
    }
    return Report(data, _exit_code(data))


def _exit_code(data: dict[str, Any]) -> ExitCode:
    if data["status"] in ("failed", "cancelled"):
        return ExitCode.JOB_FAILED
    if data["makespan_s"] is None:
        return ExitCode.TIMED_OUT
    is_whole = data["frames_valid"] == data["frames_expected"] and not data["problems"]
    return ExitCode.OK if is_whole and not data["duplicate_starts"] and data["converged"] else ExitCode.REFUSED


def tell(report: Report, stage: Stage) -> None:
    """Say what was found, in plain sentences."""
    data = report.data
    if data["makespan_s"] is None:
        stage.say("The job was not done in time.", "red")
    elif data["status"] != "done":
        stage.say(f"The job is {data['status']}: {data['error'] or 'the lines above say why'}", "red")
    else:
        spent, rendered = text.duration(data["makespan_s"]), text.duration(data["render_s"])
        stage.say(f"Done after {spent}; the renderers worked {rendered} in all.")
    valid, expected = data["frames_valid"], text.count(data["frames_expected"], "frame")
    if valid == data["frames_expected"]:
        stage.say(f"{expected} verified: every one a complete image, all of one size.", "green")
    else:
        stage.say(f"Only {valid} of {expected} are complete images of one size.", "red")
    for problem in data["problems"][:_PROBLEMS_TOLD]:
        stage.say(f"  {problem}", "red")
    shares = ", ".join(f"{name} {count}" for name, count in sorted(data["frames_by_node"].items()))
    stage.say(f"Rendered by: {shares or 'nobody'}.")
    if data["duplicate_starts"]:
        stage.say(f"{text.count(data['duplicate_starts'], 'task')} started twice without a cause.", "red")
    else:
        stage.say("No task was started twice without a cause.", "green")
    count = len(data["state_hashes"])
    survivors, hold = text.count(count, "node"), "holds" if count == 1 else "hold"
    if data["converged"]:
        some_hash = next(iter(data["state_hashes"].values()))
        stage.say(f"{survivors} {hold} the same state: {some_hash[:16]}…", "green")
    else:
        stage.say(f"The nodes do not hold the same state: {data['state_hashes']}", "red")
    stage.say(f"Frames:        {data['output']}", "bold")
    if data["contact_sheet"]:
        stage.say(f"Contact sheet: {data['contact_sheet']}", "bold")
    if report.exit_code is not ExitCode.OK:
        stage.say("Something is not as it should be; `peerfarm demo --keep` keeps the nodes' logs.", "red")
