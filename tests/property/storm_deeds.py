"""What can happen to a node, drawn by hypothesis: each deed names a method of `Storm` and its arguments.

Ids come from small pools, so that deeds meet; numbers and texts are small, odd, or the largest that pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgpack
from hypothesis import strategies as st
from node_storm import (
    ASH,
    ASH_KEY,
    ASHS_JOB,
    BOOT,
    ELM,
    FARM,
    JOBS,
    LOGS,
    OAK,
    OAK_KEY,
    PEERS,
    THEIRS,
    YEW,
    YEW_KEY,
    Act,
)

from peerfarm.model import job as spec
from peerfarm.model.ids import JobId, LogId, NodeId, attempt_label
from peerfarm.model.render import (
    AttemptFailed,
    AttemptProgressed,
    AttemptRendered,
    AttemptStarted,
    AttemptStopped,
    Discovered,
    FailReason,
    FrameFile,
    Inspected,
    PublishResult,
)
from peerfarm.model.speccodec import encode_spec
from peerfarm.node import inputs
from peerfarm.protocol import messages as m
from peerfarm.protocol.localmethods import METHODS
from peerfarm.state import actions as a
from peerfarm.state.farm import EMPTY_FARM
from peerfarm.state.reduce import reduce
from peerfarm.state.snapshot import encode_snapshot

MOST = (1 << 53) - 1
pick = st.sampled_from


class Deed(NamedTuple):
    """A method of `Storm` and what it is called with."""

    name: str
    arguments: Sequence[Any]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(_brief, self.arguments))})"


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 1000 else f"{text[:1000]}[and {len(text) - 1000} more]"


def few(element: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    """A short tuple."""
    return st.lists(element, max_size=most).map(tuple)


def one_of(kinds: Sequence[st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """One of several kinds, each as likely as another, though some of them are many; named twice, twice as likely."""
    return pick(kinds).flatmap(lambda kind: kind)


def texts(limit: int) -> st.SearchStrategy[str]:
    """Text of at most so many characters, that many of four bytes among them."""
    odd = ["", "x", " ", "a b\nc", "\u2028\0", "x" * limit, "\U0001d11e" * limit, "-1", "/", "job", "sea", "ash"]
    return pick([text[:limit] for text in odd])


def counts(*extremes: int) -> st.SearchStrategy[int]:
    """Small numbers, and the largest."""
    return st.integers(0, 12) | pick([0, 1, 1 << 31, MOST - 1, *extremes])


# Who and what

peers = pick(PEERS)
nodes = pick([OAK, ASH, ELM, YEW, NodeId("q" * 16)])
jobs = pick([*JOBS[:2], *JOBS[:2], *JOBS[:4], ASHS_JOB, ASHS_JOB, JobId("q" * 12)])
logs = pick([*LOGS.values(), LogId("q" * 8)])
boots = pick([THEIRS, THEIRS, THEIRS, BOOT, BOOT, "", "\u00e9" * 16])
leases = st.tuples(nodes, logs, st.integers(1, 30) | pick([MOST])) | st.tuples(
    st.just(OAK), st.just(LOGS[OAK]), st.integers(5, 14)
)
steps = st.integers(0, 2) | pick([spec.MAX_STEPS - 1])
tasks = st.integers(0, 5) | pick([spec.MAX_TASKS_PER_STEP - 1])
generations = st.integers(0, 2) | pick([a.MAX_GENERATION])
reasons = pick(["died", "lost", "app-not-found", "app-failed", "", "\u00e9" * 40])


# What members write

_OUT = {"output_dir": "/out", "output_pattern": "f_####.png"}
_SEA = {"width": 16, "height": 16, "seconds_per_frame": 0, "seed": 1}


def _step(name: str, frames: tuple[spec.FrameRange, ...], **more: Any) -> spec.Step:
    return spec.Step(name, "ocean", _SEA, frames, **(_OUT if frames else {}), **more)


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
)
specs = pick([msgpack.packb(encode_spec(job)) for job in _JOBS])
ranges = few(st.tuples(tasks, tasks).map(sorted).map(tuple))
place = (jobs, steps, tasks)
ending = (*place, leases)
file_names = pick(["f_0001.png", "f_0002.png", "x" * 255])
registers = pick([("priority", 100), ("priority", 0), ("paused", True), ("paused", False), ("pool", "night")])
members = pick([(OAK, OAK_KEY), (ASH, ASH_KEY), (YEW, YEW_KEY)])
bodies = st.one_of(
    st.builds(a.FarmCreated, texts(100)),
    st.builds(lambda who, name: a.MemberAdded(*who, name), members, texts(100)),
    st.builds(a.MemberRemoved, pick([ASH, ELM, OAK, *[YEW] * 6])),
    st.builds(a.JobSubmitted, jobs, specs),
    st.builds(a.JobSubmitted, jobs, specs),
    st.builds(lambda job, to: a.JobChanged(job, *to), jobs, registers),
    st.builds(a.JobDeleted, pick([*JOBS[:6], JobId("q" * 12)])),
    st.builds(a.JobArchived, pick([*JOBS[:6], JobId("q" * 12)]), st.deferred(lambda: summaries)),
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

# What peers say

chains = pick([b"\0" * 8, b"c" * 8])
positions = st.tuples(nodes, logs, st.integers(1, 30) | pick([MOST]), chains)
addresses = few(texts(200) | pick(["127.0.0.1:9", "[::1]:7"]), 16)
_CROWD = tuple((OAK, LogId(f"{n:a>8}".translate(str.maketrans("0189", "wxyz"))), n + 1, b"d" * 8) for n in range(3000))
vectors = few(positions) | pick([_CROWD, _CROWD[:9], ((1,),), ((OAK, "bad", 1, b""),)])
words = few(texts(200))
told_apps = few(st.tuples(pick(["ocean", "blender", ""]), pick(["", "4.2.0", "x" * 40]), words), 64)
told_frames = few(st.tuples(pick(["f_0001.png", "../f", "", "x" * 200]), counts(), pick([b"h" * 32, b"\0" * 32])))
running = few(st.tuples(leases, pick([0, 500, 1000]), pick([0, 1, -(1 << 40), 1 << 40])))
_BUSY = tuple(((OAK, LOGS[OAK], n + 1), 0, 0) for n in range(m.MAX_RUNNING))
_PULLS = tuple((OAK, LOGS[OAK], n % 30 + 1, MOST) for n in range(10_000))
said = st.one_of(
    st.builds(m.Greeting, pick([1, 1, 1, 0, 2, 1 << 16]), pick([FARM, FARM, FARM, "", "g" * 16, "\u00e9"]), boots),
    st.builds(m.Goodbye, boots),
    st.builds(
        m.About,
        texts(100),
        texts(40),
        st.booleans(),
        pick([0, 1, 64]),
        pick([0, 1, 2, 1 << 16]),
        words,
        words,
        told_apps,
        counts(),
        pick([0, 4, 1 << 16]),
        addresses,
        pick([0, 7103, (1 << 16) - 1]),
    ),
    st.builds(
        m.Beat,
        boots,
        pick([b"", b"d" * 16]),
        texts(64),
        pick([0, 1, 1 << 16]),
        pick([0, 100_000]),
        running | st.just(_BUSY),
        few(st.tuples(jobs, pick([0, 500, 1000])), m.MAX_FETCHING),
    ),
    st.builds(m.Actions, few(st.binary(max_size=9)) | st.just((b"",) * 20_000)),
    st.builds(m.VectorAsk, counts(MOST + 1), boots, counts(MOST + 1)),
    vectors.map(lambda rows: m.VectorTell(0, rows)),
    st.builds(m.VectorTell, st.just(0), vectors, counts(), counts(), st.booleans()),
    st.builds(m.VectorTell, counts(MOST + 1), vectors, counts(MOST + 1), counts(MOST + 1), st.booleans()),
    st.builds(m.Pull, few(st.tuples(nodes, logs, counts().map(lambda n: n + 1), counts(MOST).map(lambda n: n + 1)))),
    st.just(m.Pull(_PULLS)),
    st.builds(m.SnapshotGot, counts(MOST + 1)),
    st.builds(m.Held, logs, counts(MOST + 1)),
    st.builds(m.LeaseAsk, boots, counts(MOST + 1), jobs),
    st.builds(m.LeaseRefused, boots, counts(MOST + 1), reasons, pick([0, 1000, 600_000])),
    st.builds(m.LeaseWithdrawn, boots, counts(MOST + 1)),
    st.builds(m.KeepAsk, leases, jobs, steps, tasks, told_frames),
    st.builds(m.KeepTold, leases, st.booleans(), texts(200)),
    st.builds(m.KeepMoved, leases, pick([0, 500, 1000])),
    st.builds(m.LogAsk, counts(MOST + 1), leases, counts(MOST + 1), pick([1, 512 * 1024])),
    st.builds(m.LogTell, counts(MOST + 1), st.booleans(), texts(60_000), counts(MOST), counts(MOST), st.booleans()),
    st.builds(m.Whereabouts, few(st.tuples(nodes, addresses))),
    st.just(m.Whereabouts(tuple((ASH, (f"10.0.0.{n}:1",)) for n in range(10_000)))),
    st.builds(
        m.JoinAsk,
        pick([0, 1]),
        pick([THEIRS, THEIRS, "", "t" * 32]),
        pick([YEW_KEY, ASH_KEY, " " * 40]),
        texts(100),
        addresses,
    ),
    st.deferred(lambda: welcomes),
)
newcomers = st.builds(m.JoinAsk, st.just(1), st.just(THEIRS), pick([YEW_KEY, ASH_KEY]), texts(100), addresses)
_MEMBERS = few(st.tuples(nodes, pick([YEW_KEY, ASH_KEY, " " * 40]), texts(100), addresses))
welcomes = st.builds(m.JoinTell, texts(1000), pick([FARM, "", "g" * 16, "a\nb"]), texts(100), _MEMBERS)


@st.composite
def snapshot_parts(draw: st.DrawFn) -> list[Any]:
    """What a member sends as its state: the whole of a farm that some actions made, or what is none."""
    farm = EMPTY_FARM
    for number, act in enumerate(draw(st.lists(acts, min_size=1, max_size=5))):
        raw = a.encode_action(act.farm, (act.author, LOGS[act.author], number + 1), act.lamport, 5, act.body)
        farm = reduce(farm, a.decode_action(raw))
    parts = list(encode_snapshot(farm))
    if draw(st.integers(0, 4)) == 0:
        parts = [draw(broken(st.sampled_from(parts or [b"\x90"])))]
    pieces = [*((part, ()) for part in parts), (b"", draw(vectors))]
    farm_id = draw(pick([FARM, FARM, FARM, "g" * 16, ""]))
    told = [m.SnapshotPart(farm_id, number, False, *piece) for number, piece in enumerate(pieces)]
    return [_CLAIM, *told, m.SnapshotPart(farm_id, len(told), True, b"", ())]


_CLAIM = m.VectorTell(0, ((YEW, LogId("wanted22"), 9, b"d" * 8),))
"""It holds a log that is held nowhere else, so that it is asked for it, and may answer with a snapshot."""


@st.composite
def broken(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Bytes with some changed, left out or put in."""
    raw = bytearray(draw(whole))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, min(len(raw), 400) - 1)))
        match draw(st.integers(0, 3)):
            case 0:
                raw[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                del raw[at : at + draw(st.integers(1, 9))]
            case 2:
                raw[at:at] = draw(st.binary(max_size=5))
            case 3:
                raw += raw[: at + 1]
    return bytes(raw[: m.MAX_MESSAGE_BYTES + 1])


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | texts(9) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(9), inner, max_size=2),
    max_leaves=6,
)
raw_bytes = st.one_of(
    st.binary(max_size=60),
    broken(said.map(m.encode_message)),
    st.tuples(st.integers(0, 21), _JUNK, _JUNK, _JUNK).map(msgpack.packb),
    st.lists(_JUNK, min_size=1, max_size=12).map(lambda fields: msgpack.packb([len(fields), *fields])),
    st.builds(
        lambda name, payload: msgpack.packb((5, (msgpack.packb((1, FARM, ASH, LOGS[ASH], 1, 1, 1, name, payload)),))),
        pick(["farm/created", "member/added", "job/submitted", "task/leased", "task/failed", "later/one"]),
        _JUNK,
    ),
    st.just(b"\x91" * 100_000),
)

# What users ask

job_words = pick([*JOBS[:3], JOBS[0][:4], "", "sea", "fine", "no such job", "\0"])
_FRAMES = pick(["1-3", "1", "", "3-1", "-5--1", "1-4x2", "0-1", "1-99999999", "x", "1,1,1", "0", "1-1048575"])
odd_values = st.recursive(
    st.none() | st.booleans() | counts(-1, (1 << 63) - 1, -(1 << 63)) | pick([0.5, -1e300]) | texts(300) | _FRAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(9), inner, max_size=3),
    max_leaves=6,
)
_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": texts(300),
    "app": pick(["ocean", "command", "blender", "nuke", ""]),
    "frames": _FRAMES,
    "chunk": counts(),
    "output": pick(["/out/f_####.png", "/out/", "f.png", "", "/out/#_#.png", "/out/" + "x" * 250 + "#.png"]),
    "priority": pick([0, 50, 100, 101, -1]),
    "pool": texts(99),
    "steps": odd_values,
    "width": pick([16, 0, 1 << 40]),
    "requires": odd_values,
}
good_job = st.fixed_dictionaries(
    {"app": st.just("ocean"), "frames": pick(["1-3", "1", "1-9x4,-2"]), "output": st.just("/out/f_####.png")},
    optional={
        "chunk": pick([1, 2, 99]),
        "name": pick(["sea", "fine"]),
        "priority": pick([0, 100]),
        "tries": st.just(1),
    },
)
odd_job = st.fixed_dictionaries({}, optional=_FIELDS)
job_texts = st.one_of(
    texts(2000),
    pick(
        [
            'app: ocean\nname: "\\ud800"\nframes: 1-3\noutput: /out/f_####.png\n',
            "app: ocean\nframes: 1-3\noutput: /out/f_####.png\n",
            '{"app": "ocean", "frames": "1", "output": "/out/\\ud800_####.png"}',
            "app: command\nexecutable: /bin/true\nargs: ['\\x00']\n",
            "a: &a [*a]\n",
            "!!python/object:os.system {}",
            "[" * 500,
        ]
    ),
)
_PARAMS: dict[str, st.SearchStrategy[Any]] = {
    "job": job_words,
    "step": pick(["sea", "0", "", "7"]) | st.integers(-1, 3),
    "tasks": _FRAMES | texts(99),
    "task": st.integers(-1, 5) | pick([1 << 62]),
    "attempt": st.integers(-1, 3),
    "offset": pick([0, 1, -1, MOST, (1 << 63) - 1]),
    "priority": pick([0, 100, -1, 101, (1 << 63) - 1]),
    "all": st.booleans(),
    "app": pick(["ocean", "blender", "nuke", ""]),
    "path": texts(99),
    "name": texts(101),
    "root": texts(9),
    "join": texts(200),
    "node": pick([OAK, ASH, YEW, "ash", "peer", "oak", ""]),
    "source": texts(30),
    "text": job_texts,
}


@st.composite
def request_params(draw: st.DrawFn, method: str) -> dict[str, Any]:
    """Parameters that the method table knows, with values of all kinds; now and then one of another type."""
    params: dict[str, Any] = {}
    for known in METHODS[method]:
        name = known.rstrip("?")
        if not known.endswith("?") or draw(st.booleans()):
            params[name] = draw(_PARAMS.get(name, texts(9)))
    if method == "submit":
        params.pop("text", None)
        params.pop("job", None)
        kind = draw(st.integers(0, 4))
        params["text" if kind == 4 else "job"] = draw((good_job, good_job, odd_job, odd_values, job_texts)[kind])
    elif method == "hello":
        params["protocol"] = 1
    return params


methods = pick([*sorted(METHODS.keys() - {"stop", "init"}), "submit", "submit", "log", "log", "cancel", "retry", "job"])
asked_of_lonely = pick([*sorted(METHODS.keys() - {"stop"}), *["init", "join"] * 4]).flatmap(
    lambda method: st.tuples(st.just(method), request_params(method))
)
asked = methods.flatmap(lambda method: st.tuples(st.just(method), request_params(method)))

# What this machine says

labels = leases.map(attempt_label) | texts(20)
results = few(st.builds(FrameFile, file_names, counts(), st.just(bytes(32))))
runner_said = st.one_of(
    st.builds(AttemptStarted, labels, st.integers(1, 9)),
    st.builds(AttemptProgressed, labels, pick([0.0, 0.5, 1.0]), st.none() | pick([1, 1 << 62, -(1 << 62)]), texts(99)),
    st.builds(AttemptRendered, labels, results, pick([0.0, 0.01, 2.0, 1e9])),
    st.builds(AttemptRendered, labels, st.just(()), pick([0.0, 0.01, 2.0])),
    st.builds(
        AttemptFailed,
        labels,
        pick(list(FailReason)),
        texts(5000),
        st.none() | pick([0, 1, -9, 0xC0000005]),
        few(texts(5000)) | st.just(("\U0001d11e" * 2000,) * 40),
        pick([0.0, 2.0]),
    ),
    st.builds(AttemptStopped, labels),
)
tokens = st.integers(0, 9).map(str) | pick([f"{ASH}/1", f"{YEW}/{MOST}", ""])
strays = st.one_of(
    runner_said.map(inputs.RunnerSaid),
    st.builds(
        lambda label, job, error, is_lost: inputs.Published(PublishResult(label, job, 0, 0, error, is_lost)),
        labels,
        jobs,
        texts(99),
        st.booleans(),
    ),
    st.builds(inputs.PathsChecked, tokens, texts(99), texts(9)),
    st.builds(Inspected, tokens, st.none() | st.dictionaries(texts(9), texts(9), max_size=2), texts(9)),
    st.builds(inputs.LogRead, tokens, st.none() | texts(600_000), counts(MOST), counts(MOST), st.booleans()),
    st.builds(inputs.RowsRead, nodes, few(st.binary(max_size=60)), st.booleans()),
    st.builds(inputs.JoinOpened, texts(99), texts(9)),
    st.builds(inputs.JoinAnswered, st.none() | raw_bytes | welcomes.map(m.encode_message), texts(99)),
    st.builds(inputs.Load, pick([0, 100, 100_000])),
    st.builds(Discovered, st.just(()), few(texts(99))),
)

# All of it

jumps = pick([0.0, 0.01, 0.1, 0.25, 0.5, 1.0, 2.0, 5.5, 31.0, 700.0, 1e6])
said_by_members = st.tuples(st.just("sends"), peers, said)
acted = st.tuples(st.just("acts"), peers, st.lists(acts, min_size=1, max_size=4))
users = asked.flatmap(lambda ask: st.tuples(st.just("ask"), st.integers(0, 2), st.just(ask[0]), st.just(ask[1])))
rendered = st.tuples(st.just("runner"), st.integers(0, 2), runner_said)
_DEEDS = [
    *[said_by_members] * 5,
    *[acted] * 5,
    *[users] * 6,
    *[rendered] * 4,
    *[st.tuples(st.just("wait"), jumps)] * 4,
    *[st.tuples(pick(["agrees", "catches_up"]), peers, st.booleans())] * 2,
    *[st.tuples(st.just("grants"), peers, steps, tasks, generations)] * 2,
    *[st.tuples(st.just("answer"), st.integers(0, 9), pick([True, False]))] * 2,
    st.tuples(st.just("sends"), peers, raw_bytes),
    st.tuples(st.just("says_all"), peers, snapshot_parts()),
    st.tuples(st.just("link"), nodes, st.booleans()),
    st.tuples(st.just("knocks"), one_of([raw_bytes, said, newcomers, newcomers])),
    st.tuples(st.just("told"), strays),
    st.tuples(st.just("dawdle"), st.booleans()),
    st.tuples(pick(["disk", "disk", "not_admitted"]), st.booleans()),
    st.tuples(st.just("leaves"), st.integers(0, 2)),
]
_STARTS = st.tuples(st.just("restart"), st.booleans())
_CROWDS = st.tuples(st.just("crowd"), peers)
_LONELY = [
    *[asked_of_lonely.flatmap(lambda ask: st.tuples(st.just("ask"), st.integers(0, 2), *map(st.just, ask)))] * 8,
    *[st.tuples(st.just("answer"), st.integers(0, 9), pick([True, False]))] * 3,
    *[st.tuples(st.just("wait"), jumps)] * 2,
    *[said_by_members, acted] * 2,
    *_DEEDS[-8:],
]


@st.composite
def _turns(draw: st.DrawFn, kinds: list[st.SearchStrategy[Any]]) -> list[Deed]:
    """One to four deeds. Composed, for only so hypothesis shows them as briefly as they show themselves."""
    told = draw(st.lists(one_of(kinds), min_size=1, max_size=4))
    return [Deed(name, arguments) for name, *arguments in told]


def _storms(kinds: list[st.SearchStrategy[Any]]) -> st.SearchStrategy[list[list[Deed]]]:
    """Most storms are long, for much happens only after much else did."""
    turns = _turns(kinds)
    return st.lists(turns, max_size=5) | st.lists(turns, max_size=40) | st.lists(turns, min_size=12, max_size=40)


storms_of_one_start = _storms(_DEEDS)
storms = one_of([*[storms_of_one_start] * 4, *[_storms([*_DEEDS, _STARTS])] * 4, _storms([*_DEEDS, _CROWDS])])
lonely_storms = _storms([*_LONELY, _STARTS])

SWELL = msgpack.packb(encode_spec(_JOBS[1]))
SEA = {"name": "sea", "app": "ocean", "frames": "1-6", "chunk": 1, "output": "/out/sea_####.png"}
CHAIN = {
    "name": "chain",
    "steps": [
        {"name": "set", "app": "ocean", "frames": "1-2", "output": "/out/set_####.png"},
        {
            "name": "mix",
            "app": "ocean",
            "frames": "1-2",
            "output": "/out/mix_####.png",
            "depends_on": [{"step": "set", "frames": [0]}],
        },
        {"name": "end", "app": "command", "command": "true", "args": [], "depends_on": "mix", "run": "always"},
    ],
}
