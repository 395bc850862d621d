"""Nodes that move blobs, under pytest: some seeds, every property, and every mutation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from swarm_mutations import MUTATIONS, run_swarm_mutations
from swarm_runs import run_swarm_seed
from swarm_watch import PROPERTIES

HERE = Path(__file__).resolve().parent
SEEDS = range(121)
"""Seed 0 is the large blob from one source to many."""


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_every_property_of_moving_blobs_holds_on_every_seed_and_each_was_looked_at() -> None:
    outcomes = [run_swarm_seed(seed) for seed in SEEDS]
    failures = [f"seed {outcome.seed}: {outcome.failure}" for outcome in outcomes if outcome.failure]
    assert failures == []
    assert [name for name in PROPERTIES if not sum(outcome.checked.get(name, 0) for outcome in outcomes)] == []


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name.replace(" ", "_"))
def test_a_broken_rule_of_moving_blobs_is_noticed_by_a_named_property(mutation) -> None:  # noqa: ANN001 - parametrized
    (caught,) = run_swarm_mutations((mutation.name,))
    assert caught.property in mutation.expected


def test_a_seed_of_moving_blobs_gives_the_same_trace_in_any_process() -> None:
    hashes = set()
    for hash_seed in ("1", "2"):
        environ = dict(os.environ) | {"PYTHONHASHSEED": hash_seed}
        argv = [sys.executable, str(HERE / "run.py"), "--swarm", "1", "--first", "12", "--trace"]
        ended = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True)
        hashes.add(ended.stdout.rpartition("trace ")[2].split()[0])
    assert hashes == {run_swarm_seed(12).trace_hash}
