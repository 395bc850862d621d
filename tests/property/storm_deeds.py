"""What can happen to a node, drawn by hypothesis: each deed names a method of `Storm` and its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st
from storm_acts import acts, file_names
from storm_farm import ASH, YEW
from storm_files import labels, said_of_orders, stray_files
from storm_messages import newcomers, raw_bytes, said, snapshot_parts, welcomes
from storm_requests import asked, asked_of_files, asked_of_lonely
from storm_words import MOST, counts, few, generations, jobs, nodes, one_of, peers, pick, steps, tasks, texts

from peerfarm.model.preview import Previewed
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
from peerfarm.node import inputs
from peerfarm.node.owndisk import LEAST_ROOM_BYTES
from peerfarm.protocol import messages as m


class Deed(NamedTuple):
    """A method of `Storm` and what it is called with."""

    name: str
    arguments: Sequence[Any]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(_brief, self.arguments))})"


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 1000 else f"{text[:1000]}[and {len(text) - 1000} more]"


# What this machine says

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
        few(labels),
        few(nodes),
    ),
    st.builds(AttemptStopped, labels),
)
_WELL = st.builds(AttemptRendered, st.just(""), st.just(()), pick([0.01, 2.0]))
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
    st.builds(inputs.Load, pick([0, 100, 100_000]), pick([None, 0, LEAST_ROOM_BYTES, 1 << 62])),
    st.builds(Previewed, tokens, texts(9), texts(99), counts(), counts(), texts(9), texts(99)),
    st.builds(Discovered, st.just(()), few(texts(99))),
    stray_files,
    stray_files,
)

# All of it

jumps = pick([0.0, 0.01, 0.1, 0.25, 0.5, 1.0, 2.0, 5.5, 5.5, 31.0, 700.0, 1e6])
said_by_members = st.tuples(st.just("sends"), peers, said)
acted = st.tuples(st.just("acts"), peers, st.lists(acts, min_size=1, max_size=4))
files = st.tuples(st.just("ask"), st.integers(0, 2), asked_of_files).map(lambda ask: (*ask[:2], *ask[2]))
users = asked.flatmap(lambda ask: st.tuples(st.just("ask"), st.integers(0, 2), st.just(ask[0]), st.just(ask[1])))
rendered = st.tuples(st.just("runner"), st.integers(0, 2), runner_said | _WELL | _WELL)
_ANSWERS = st.tuples(st.just("answer"), st.integers(0, 9), pick([True, True, True, False]))
_DEEDS = [
    *[said_by_members] * 5,
    *[acted] * 5,
    *[users] * 6,
    *[files] * 3,
    *[rendered] * 4,
    *[st.tuples(st.just("wait"), jumps)] * 4,
    *[st.tuples(pick(["agrees", "catches_up"]), peers, st.booleans())] * 2,
    *[st.tuples(st.just("grants"), peers, steps, tasks, generations)] * 2,
    *[_ANSWERS] * 5,
    *[st.tuples(st.just("says"), st.integers(0, 9), said_of_orders)] * 3,
    *[st.tuples(st.just("works"), peers, st.integers(0, 9), pick(["ask", "keep", "keep", "render", "fail"]))] * 3,
    *[st.tuples(st.just("keeps"), peers, st.integers(0, 3), pick(["", "", "unknown-lease", "it is busy"]))] * 2,
    st.tuples(st.just("keeps_on"), peers, pick([0, 1, 500, 1000])),
    st.tuples(st.just("sends"), peers, raw_bytes),
    st.tuples(st.just("says_all"), peers, snapshot_parts()),
    st.tuples(st.just("link"), nodes, st.booleans()),
    st.tuples(st.just("knocks"), one_of([raw_bytes, said, newcomers, newcomers])),
    st.tuples(st.just("told"), strays),
    st.tuples(st.just("dawdle"), st.booleans()),
    st.tuples(pick(["disk", "disk", "not_admitted"]), st.booleans()),
    st.tuples(st.just("leaves"), st.integers(0, 2)),
]
_STARTS = st.tuples(st.just("restart"), st.booleans(), pick([False, False, True]))
_CROWDS = st.tuples(st.just("crowd"), peers)
_LONELY = [
    *[asked_of_lonely.flatmap(lambda ask: st.tuples(st.just("ask"), st.integers(0, 2), *map(st.just, ask)))] * 8,
    *[_ANSWERS] * 3,
    *[st.tuples(st.just("wait"), jumps)] * 2,
    st.tuples(st.just("says"), st.integers(0, 9), said_of_orders),
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
    long = st.lists(turns, min_size=12, max_size=40)
    return one_of([st.lists(turns, max_size=40), long, long])


@st.composite
def _begun(draw: st.DrawFn, kinds: list[st.SearchStrategy[Any]]) -> list[list[Deed]]:
    """A storm over a farm that is at work."""
    return [[Deed("begins", (draw(st.booleans()),))], *draw(_storms(kinds))]


storms_of_one_start = _begun(_DEEDS)
storms = one_of([*[storms_of_one_start] * 4, *[_begun([*_DEEDS, _STARTS])] * 4, _begun([*_DEEDS, _CROWDS])])
lonely_storms = _storms([*_LONELY, _STARTS])
