"""What members write into their logs: jobs, leases, ends, marks, each as odd as the protocol lets it be."""

from __future__ import annotations

from typing import Any

import msgpack
from hypothesis import strategies as st
from storm_farm import ASH, ASH_KEY, ASHS_FILM, BOOT, ELM, FARM, JOBS, OAK, OAK_KEY, YEW, YEW_KEY, Act
from storm_words import MOST, boots, counts, few, generations, jobs, leases, nodes, pick, reasons, steps, tasks, texts

from peerfarm.model import job as spec
from peerfarm.model.ids import JobId
from peerfarm.model.speccodec import encode_spec
from peerfarm.state import actions as a

_OUT = {"output_dir": "/out", "output_pattern": "f_####.png"}
_SEA = {"width": 16, "height": 16, "seconds_per_frame": 0, "seed": 1}


_FILES: dict[str, Any] = {"files": spec.FilesMode.PEERS, "manifest": "ab" * 32, "manifest_bytes": 200}


def _step(name: str, frames: tuple[spec.FrameRange, ...], **more: Any) -> spec.Step:
    return spec.Step(name, "ocean", _SEA, frames, **{**(_OUT if frames else {}), **more})


_JOBS = (
    spec.JobSpec("sea", "ada", (_step("sea", ((1, 4, 1),)),)),
    spec.JobSpec("sea", "ada", (_step("sea", ((1, 3, 1),), tries=1, chunk_size=3),), priority=100),
    spec.JobSpec("x", "", (_step("sea", ((1, 100_000, 1),), stall_limit_s=1.0),), paused=True, pool="night"),
    spec.JobSpec("odd", "ada", (spec.Step("s", "nuke", {"a": [1.5, "x" * 9000]}, ()),), workers=("ash",)),
    spec.JobSpec(
        "chain",
        "ada",
        (
            _step("sea", ((-3, 3, 3),)),
            spec.Step(
                "s", "ocean", _SEA, ((-3, 3, 1),), 2, depends_on=(spec.Dependency(0, spec.DependencyKind.FRAMES),)
            ),
            spec.Step("e", "ocean", {}, (), depends_on=(spec.Dependency(1),), run=spec.RunWhen.ALWAYS),
        ),
    ),
    spec.JobSpec("film", "ada", (_step("sea", ((1, 6, 1),)),), priority=90, **_FILES),
    spec.JobSpec("wide", "ada", (_step("sea", ((1, 400, 1),), chunk_size=200),), files=spec.FilesMode.PEERS),
    spec.JobSpec(
        "cut",
        "ada",
        (
            _step("sea", ((1, 3, 1),)),
            _step(
                "mix",
                ((1, 3, 1),),
                depends_on=(spec.Dependency(0, spec.DependencyKind.FRAMES),),
                output_pattern="mix_##.png",
            ),
        ),
        overwrite=True,
        **_FILES,
    ),
)
specs = pick([msgpack.packb(encode_spec(job)) for job in _JOBS])
ranges = few(st.tuples(tasks, tasks).map(sorted).map(tuple))
place = (jobs, steps, tasks)
ending = (*place, leases)
file_names = pick(["f_0001.png", "f_0002.png", "x" * 255])
registers = pick([("priority", 100), ("priority", 0), ("paused", True), ("paused", False), ("pool", "night")])
members = pick([(OAK, OAK_KEY), (ASH, ASH_KEY), (YEW, YEW_KEY)])
doomed = pick([*JOBS[:6], ASHS_FILM, ASHS_FILM, JobId("q" * 12)])
bodies = st.one_of(
    st.builds(a.FarmCreated, texts(100)),
    st.builds(lambda who, name: a.MemberAdded(*who, name), members, texts(100)),
    st.builds(a.MemberRemoved, pick([ASH, ELM, OAK, *[YEW] * 6])),
    st.builds(a.JobSubmitted, jobs, specs),
    st.builds(a.JobSubmitted, jobs, specs),
    st.builds(lambda job, to: a.JobChanged(job, *to), jobs, registers),
    st.builds(a.JobDeleted, doomed),
    st.builds(a.JobArchived, doomed, st.deferred(lambda: summaries)),
    st.builds(a.TasksCancelled, jobs, steps, ranges, generations),
    st.builds(a.TasksRetried, jobs, steps, ranges, generations),
    st.builds(a.TasksPublished, jobs, steps, ranges, generations),
    st.builds(a.TaskLeased, *place, generations, st.integers(1, 3) | pick([1 << 31]), nodes, boots, counts(MOST)),
    st.builds(a.TaskLeased, *place, st.just(0), st.just(1), st.just(OAK), st.just(BOOT), st.integers(1, 9)),
    st.builds(
        a.TaskRendered,
        *ending,
        few(st.tuples(file_names, counts(), st.just(b"x" * 32))),
        counts(MOST),
    ),
    st.builds(a.TaskFailed, *ending, reasons, st.none() | pick([-9, 1 << 32]), texts(2000), few(texts(1000)), counts()),
    st.builds(a.TaskReturned, *ending, reasons),
    st.builds(a.TaskRequeued, *ending, reasons),
)
_ROW = {"name": "n", "user": "", "status": "done", "tasks": {}, "frames": {}, "output": "", "submitted_ms": 0}
summaries = pick(
    [
        b"",
        b"\xc1",
        msgpack.packb([]),
        msgpack.packb(_ROW),
        msgpack.packb({**_ROW, "tasks": {"done": b"\xff"}}),
        msgpack.packb({**_ROW, "frames": {b"done": 1}}),
        msgpack.packb({**_ROW, "tasks": {"done": float("nan")}, "submitted_ms": -(1 << 63)}),
        msgpack.packb({**_ROW, "tasks": {"done": msgpack.Timestamp(1)}}),
        msgpack.packb({**_ROW, "submitted_ms": True, "name": "x" * 9000}),
    ]
)
acts = st.builds(
    Act,
    pick([ASH, ELM, ASH, ELM, YEW, OAK]),
    pick([0, 0, 0, 0, 0, 0, 1, 3, MOST]),
    st.integers(0, 99) | pick([0, MOST]),
    bodies,
    pick([FARM, FARM, FARM, FARM, FARM, FARM, FARM, FARM, FARM, "g" * 16]),
)

SWELL = msgpack.packb(encode_spec(_JOBS[1]))
"""A job of one task that goes before all others."""
TIDE = msgpack.packb(encode_spec(_JOBS[5]))
"""A job whose files travel."""
