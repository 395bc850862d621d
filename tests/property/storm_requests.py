"""What users ask: every method of the table, with parameters that are right, odd or extreme."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from storm_farm import ASH, ASHS_FILM, JOBS, OAK, YEW
from storm_words import MOST, counts, pick, texts

from peerfarm.protocol.localmethods import METHODS

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
    "files": pick(["peers", "peers", "shared", "both"]),
    "overwrite": odd_values,
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
        "files": pick(["peers", "peers", "shared"]),
        "overwrite": st.booleans(),
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
    "directory": pick(["/home/out", "/home/out", "C:\\out", "out", "", "/\0", "/" + "x" * 5000]),
    "overwrite": st.booleans(),
    "allow_missing": st.booleans(),
    "background": st.booleans(),
    "files": st.lists(pick(["/scene.blend", "C:\\cloth.abc", "x", "", "/\0"]), max_size=3) | st.lists(odd_values),
    "size": pick([16, 160, 0, 1 << 40]),
    "submission": pick([*JOBS, "", "x"]),
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


_OFTEN = ["submit", "submit", "log", "log", "cancel", "retry", "job", "fetch", "fetch", "cancel_fetch", "cancel_submit"]
methods = pick([*sorted(METHODS.keys() - {"stop", "init"}), *_OFTEN])
asked_of_lonely = pick([*sorted(METHODS.keys() - {"stop"}), *["init", "join"] * 4]).flatmap(
    lambda method: st.tuples(st.just(method), request_params(method))
)
_SCRAP = {"app": "ocean", "frames": "1", "output": "/o/#.png"}
asked_of_files = pick(
    [
        ("submit", {"job": {"app": "ocean", "frames": "1-2", "output": "/out/f_####.png", "files": "peers"}}),
        *[("submit", {"job": _SCRAP, "background": True}), ("submit", {"job": _SCRAP, "files": ["/cloth.abc"]})] * 3,
        *[("cancel_submit", {})] * 6,
        *(("cancel_submission", {"submission": job}) for job in JOBS[3:]),
        *(("submission", {"submission": job}) for job in JOBS[3:]),
        *[("fetch", {"job": JOBS[0]}), ("fetch", {"job": JOBS[0], "directory": "/home/out"})] * 2,
        ("fetch", {"job": ASHS_FILM, "directory": "/home/out", "overwrite": True}),
        *(("cancel_fetch", {"job": job}) for job in (JOBS[0], ASHS_FILM)),
        ("thumbnail", {"job": JOBS[0]}),
    ]
)
asked = methods.flatmap(lambda method: st.tuples(st.just(method), request_params(method)))

FILM = {
    "name": "film",
    "app": "ocean",
    "frames": "1-3",
    "output": "/home/film_####.png",
    "files": "peers",
    "priority": 95,
}
"""Its files travel, and it begins at once."""
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
