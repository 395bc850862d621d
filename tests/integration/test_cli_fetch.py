"""`peerfarm fetch` shows how far it is, says what is missing, and can be given up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from command_rig import ANSWERS, JOB_ID, Said
from fake_node import FakeNode

from peerfarm.cli.exitcode import ExitCode
from peerfarm.cli.main import main
from peerfarm.cli.transferline import progress_fraction, progress_words
from peerfarm.errors import RequestRefused
from peerfarm.gateway.server import LocalRequest

BEGUN = {"job": JOB_ID, "tasks": 12, "not_done": 0, "directories": ["/shots/out"]}
ENDED = {
    "type": "fetch/ended",
    "job": JOB_ID,
    "is_cancelled": False,
    "done": 12,
    "total": 12,
    "missing_count": 0,
    "missing": [],
}
LOST = {
    "step": 0,
    "step_name": "render",
    "waits_for": "",
    "task": 7,
    "frames": "36-40",
    "why": "no machine that can be reached holds 1 of its 5 files",
}


def progress(job: str = JOB_ID, **more: Any) -> dict[str, Any]:
    return {"type": "fetch/progress", "job": job, "done": 3, "total": 12, "missing": 0, **more}


class FetchNode(FakeNode):
    """Tells whoever asks it something the events of a fetch, once that was ordered or cancelled."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, {**ANSWERS, "fetch": self._fetch, "cancel_fetch": self._cancel})
        self.begun: dict[str, Any] = BEGUN
        self.events: list[dict[str, Any]] = []
        self.after_cancel: list[dict[str, Any]] = []

    def _answer(self, request: LocalRequest) -> None:
        self.subscribed.add(request.client)
        super()._answer(request)

    def _fetch(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        for event in self.events:
            self.push(event)
        return self.begun

    def _cancel(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        for event in self.after_cancel:
            self.push(event)
        return {"job": params["job"]}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FetchNode]:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    with FetchNode(tmp_path) as fake:
        yield fake


def test_a_fetch_is_followed_to_its_end(node: FetchNode, capsys: Said) -> None:
    node.events = [progress(), progress(done=9), progress("another", done=1), ENDED]
    assert main(["fetch", "sea"]) == ExitCode.OK
    assert node.params_of("fetch") == {"job": "sea", "overwrite": False}
    out, err = capsys.readouterr()
    assert out == "fetched 12 of 12 tasks into /shots/out\n"
    assert "25 %  fetching 3 of 12 tasks" in err
    assert "75 %  fetching 9 of 12 tasks" in err


def test_the_folder_is_told_from_the_root_on(
    node: FetchNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.chdir(tmp_path)
    node.events = [ENDED]
    assert main(["fetch", "sea", "out", "--overwrite"]) == ExitCode.OK
    assert node.params_of("fetch") == {"job": "sea", "overwrite": True, "directory": str(tmp_path / "out")}


def test_what_is_missing_is_named_with_its_reason(node: FetchNode, capsys: Said) -> None:
    node.begun = {**BEGUN, "not_done": 4}
    node.events = [{**ENDED, "done": 11, "missing_count": 1, "missing": [{**LOST, "why": "\x1b[2Jgone"}]}]
    assert main(["fetch", "sea"]) == ExitCode.REFUSED
    out, err = capsys.readouterr()
    assert "fetched 11 of 12 tasks" in out
    assert "4 tasks not rendered yet" in err
    assert "1 task missing:" in err
    assert "step render, task 7 (frames 36-40): ?[2Jgone\n" in err
    assert "to go on from there: `peerfarm fetch sea`\n" in err


def test_who_is_waited_for_is_named_and_the_command_to_run_again_keeps_the_folder(
    node: FetchNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.chdir(tmp_path)
    missing = [{**LOST, "why": "nobody who is here has them", "waits_for": "elm"}]
    node.events = [{**ENDED, "done": 11, "missing_count": 1, "missing": missing, "waits_for": ["elm"]}]
    assert main(["fetch", "sea", "my frames"]) == ExitCode.REFUSED
    err = capsys.readouterr().err
    assert "task 7 (frames 36-40): nobody who is here has them; elm has them and is not here\n" in err
    assert "waiting for elm: when back, run `peerfarm fetch sea 'my frames'`\n" in err


def test_of_many_missing_the_first_ten_are_named(node: FetchNode, capsys: Said) -> None:
    missing = [{**LOST, "task": number, "why": f"/shots/out/{number}.png is in the way"} for number in range(20)]
    node.events = [{**ENDED, "done": 0, "total": 50, "missing_count": 50, "missing": missing}]
    assert main(["fetch", "sea"]) == ExitCode.REFUSED
    err = capsys.readouterr().err
    assert err.count("step render, task") == 10
    assert "and 40 more" in err


def test_tasks_that_are_missing_for_one_reason_take_one_line(node: FetchNode, capsys: Said) -> None:
    why = "the output folder /shots/out is a file"
    missing = [{**LOST, "task": number, "frames": str(number + 1), "why": why} for number in range(3)]
    missing.append({**LOST, "task": 5, "frames": "6", "why": "it is rendered anew"})
    node.events = [{**ENDED, "done": 8, "missing_count": 4, "missing": missing}]
    assert main(["fetch", "sea"]) == ExitCode.REFUSED
    err = capsys.readouterr().err
    assert f"  step render, tasks 0 to 2 (frames 1, 2, 3): {why}\n" in err
    assert "  step render, task 5 (frame 6): it is rendered anew\n" in err
    assert "more" not in err


def test_json_holds_the_whole_outcome(node: FetchNode, capsys: Said) -> None:
    node.events = [progress(), {**ENDED, "missing_count": 1, "missing": [LOST]}]
    assert main(["fetch", "sea", "--json"]) == ExitCode.REFUSED
    told = json.loads(capsys.readouterr().out)
    assert told["directories"] == ["/shots/out"]
    assert told["missing"] == [LOST]
    assert told["is_timed_out"] is False


def test_the_time_limit_cancels_the_fetch_and_says_so(node: FetchNode, capsys: Said) -> None:
    node.events = [progress()]
    node.after_cancel = [{**ENDED, "is_cancelled": True, "done": 3}]
    assert main(["fetch", "sea", "--overwrite", "--timeout", "0.2"]) == ExitCode.TIMED_OUT
    assert node.params_of("cancel_fetch") == {"job": JOB_ID}
    err = capsys.readouterr().err
    assert "did not end in time" in err
    assert "to go on from there: `peerfarm fetch sea --overwrite`" in err


def test_ctrl_c_cancels_the_fetch(node: FetchNode, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    node.events = [progress()]
    monkeypatch.setattr("peerfarm.cli.transferline.TransferLine.show", interrupt)
    assert main(["fetch", "sea"]) == ExitCode.INTERRUPTED
    assert node.methods()[-1] == "cancel_fetch"
    assert (
        "the fetch is cancelled; what has come stays. To go on from there: `peerfarm fetch sea`"
        in capsys.readouterr().err
    )


def test_a_refusal_says_what_to_do(node: FetchNode, capsys: Said) -> None:
    node.answers["fetch"] = RequestRefused("the job was submitted on another machine", "say where the frames shall go")
    assert main(["fetch", "sea"]) == ExitCode.REFUSED
    assert "say where the frames shall go" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("event", "fraction", "words"),
    [
        ({"text": "looking into a.blend"}, 0.0, "looking into a.blend"),
        (
            {
                "text": "hashing",
                "done_bytes": 500_000_000,
                "total_bytes": 2_000_000_000,
                "done_files": 3,
                "total_files": 40,
                "rate_bytes_s": 100_000_000,
            },
            0.25,
            "hashing 500 MB of 2.0 GB, 3 of 40 files, 100 MB/s, 15 s left",
        ),
        ({"done": 3, "total": 4, "missing": 1}, 0.75, "fetching 3 of 4 tasks, 1 could not be fetched"),
        (
            {"done": 0, "total": 4, "done_bytes": 10, "total_bytes": 40, "rate_bytes_s": 0},
            0.25,
            "fetching 0 of 4 tasks, 10 B of 40 B",
        ),
        ({"text": "\x1b[31mred", "total_bytes": 0, "rate_bytes_s": None}, 0.0, "?[31mred"),
    ],
)
def test_progress_is_told_in_bytes_rate_and_time_left(event: dict[str, Any], fraction: float, words: str) -> None:
    assert progress_fraction(event) == fraction
    assert progress_words(event) == words
