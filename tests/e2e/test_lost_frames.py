"""Results that went from every disk while a later step still needs them: they are rendered again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from apart_rig import ApartFarm, contents, delivered
from farm_rig import SIZE, RealNode, names_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

COPY = """#!{python}
import pathlib, sys
given, output = map(pathlib.Path, sys.argv[1:3])
for path in sorted(given.iterdir()):
    (output / path.name.replace("f_", "c_")).write_bytes(path.read_bytes())
"""


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[ApartFarm]:
    made = ApartFarm(tmp_path)
    try:
        yield made
    finally:
        made.close()


def lose_blobs(node: RealNode) -> int:
    """Whatever the node's store holds as a whole goes from its disk; how many files that were."""
    lost = [path for path in (node.home.data / "blobs" / "blobs").iterdir() if path.is_file()]
    for path in lost:
        path.unlink()
    return len(lost)


def test_a_lone_node_renders_again_what_it_lost_before_a_later_step_could_read_it(farm: ApartFarm) -> None:
    program = farm.directory / "copy"
    program.write_text(COPY.format(python=sys.executable), "utf-8")
    program.chmod(0o755)
    ada = farm.add("ada", command={"allow": {"copy": str(program)}})
    farm.start()
    size = {"width": SIZE[0], "height": SIZE[1]}
    render = {
        "name": "render",
        "app": "ocean",
        "params": {**size, "seconds_per_frame": 0.5},
        "frames": "1-3",
        "chunk": 3,
        "output": {"dir": str(farm.output), "pattern": "f_####.png"},
    }
    copy = {
        "name": "copy",
        "app": "command",
        "params": {"command": "copy", "args": ["{inputs}/render", "{output}"]},
        "frames": "1-3",
        "output": {"dir": str(farm.laptop / "copies"), "pattern": "c_####.png"},
        "depends_on": ["render"],
    }
    job = str(ada.call("submit", job={"name": "chain", "files": "peers", "steps": [render, copy]})["job"])
    farm.wait_starts(job, {"ada"})
    ada.call("pause", job=job)  # the later step must not begin before its inputs are gone
    farm.wait_for("the frames in place", lambda: farm.job(job, ada)["published"] == 1)
    assert farm.job(job, ada)["status"] == "paused"
    before = contents(farm.output)
    assert lose_blobs(ada) == 3

    ada.call("resume", job=job)
    farm.wait_published(job, ada)
    assert delivered(farm.output) == dict.fromkeys(names_of(1, 3), SIZE)
    assert contents(farm.laptop / "copies") == {name.replace("f_", "c_"): raw for name, raw in before.items()}
    assert [start.task[1] for start in farm.starts(job)] == [0, 0, 1, 1, 1]
    assert "are lost and are rendered again" in ada.alarms()
