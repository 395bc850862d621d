"""What peers say: every message with fields of all kinds, snapshots of made-up farms, and bytes that are none."""

from __future__ import annotations

from typing import Any

import msgpack
from hypothesis import strategies as st
from storm_acts import acts
from storm_farm import ASH, ASH_KEY, FARM, LOGS, OAK, THEIRS, YEW, YEW_KEY
from storm_words import MOST, boots, counts, few, jobs, leases, logs, nodes, pick, reasons, steps, tasks, texts

from peerfarm.model.ids import LogId
from peerfarm.protocol import messages as m
from peerfarm.state import actions as a
from peerfarm.state.farm import EMPTY_FARM
from peerfarm.state.reduce import reduce
from peerfarm.state.snapshot import encode_snapshot

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
    st.builds(m.FilesStuck, few(st.tuples(jobs, st.booleans(), texts(m.MAX_WHY)))),
    st.builds(m.PictureAsk, counts(MOST + 1), leases, jobs, steps, tasks, pick([1, 160, 512])),
    st.builds(
        m.PictureTell,
        counts(MOST + 1),
        texts(255),
        pick([0, 160]),
        pick([0, 90]),
        st.binary(max_size=50),
        texts(m.MAX_WHY),
    ),
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
