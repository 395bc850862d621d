"""However a project of After Effects is damaged, reading it gives an answer or a refusal in words."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[1] / "plugins"))

from aftereffects_project import aep, alias, chunks

from peerfarm.apps.aep import relinked
from peerfarm.apps.aep_footage import named_footage
from peerfarm.apps.aep_queue import queue_said
from peerfarm.errors import AppFailed

ITEM = {"comp": "Shot", "start": 0.4, "duration": 1, "outputs": ["/out/[compName]_[####].png"]}
WHOLE = aep([], [ITEM, ITEM])
PLACES = st.integers(0, len(WHOLE) - 1)


@given(st.lists(st.tuples(PLACES, st.binary(max_size=4), st.integers(0, 8)), max_size=5))
def test_a_damaged_project_is_read_or_refused_in_words(changes: list[tuple[int, bytes, int]]) -> None:
    project = WHOLE
    for at, put_in, taken_out in changes:
        project = project[:at] + put_in + project[at + taken_out :]
    with contextlib.suppress(AppFailed):
        json.dumps(queue_said(project), allow_nan=False)
    with contextlib.suppress(AppFailed):
        named_footage(project)
    with contextlib.suppress(AppFailed):
        relinked(project, lambda path: f"/elsewhere{path}")


@given(st.lists(st.text(st.characters(), min_size=1, max_size=40).filter(lambda path: "\0" not in path), max_size=4))
def test_paths_of_any_letters_are_named_and_replaced(paths: list[str]) -> None:
    body = chunks(b"Fold", *(chunks(b"Pin ", alias(path, False)) for path in paths))
    project = b"RIFX" + (len(body) + 4).to_bytes(4) + b"Egg!" + body
    assert [one.path for one in named_footage(project)] == list(dict.fromkeys(paths))
    after = relinked(project, lambda path: f"/there/{path}")
    assert [one.path for one in named_footage(after)] == [f"/there/{path}" for path in dict.fromkeys(paths)]
    back = relinked(after, {f"/there/{path}": path for path in paths}.get)
    assert named_footage(back) == named_footage(project)
