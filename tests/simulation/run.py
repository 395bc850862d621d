"""Runs simulated farms: `run.py --seeds 500 --first 1`, `--seeds 1 --first 7 --trace`, `--mutations`, `--scenarios`.

The same for nodes that only move blobs: `--swarm 500 --first 1`, `--swarm --mutations`, `--swarm-figures`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "core")]

import sim_table  # noqa: E402 - the folders above come first
import swarm_faults  # noqa: E402
import swarm_figures  # noqa: E402
import swarm_mutations  # noqa: E402
import swarm_runs  # noqa: E402
import swarm_watch  # noqa: E402
from sim_mutations import run_mutations  # noqa: E402
from sim_runs import run_seed  # noqa: E402
from sim_scenarios import run_scenarios  # noqa: E402

CHUNK = 20
WHOLE_SEEDS = 300
"""So many runs must have looked at every property and seen every fault."""


def main() -> int:
    """The command line; 0 when everything held."""
    parser = argparse.ArgumentParser(description="Simulated farms with faults, on a virtual clock.")
    parser.add_argument("--seeds", type=int, default=100, help="how many runs")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--trace", action="store_true", help="print what happens")
    parser.add_argument(
        "--mutations", nargs="*", metavar="NAME", help="break each rule, or these, and see that a property notices"
    )
    parser.add_argument("--scenarios", action="store_true", help="only the scenarios")
    parser.add_argument("--jobs", type=int, default=0, help="processes; 0: two when there is much to do")
    parser.add_argument(
        "--swarm", type=int, nargs="?", const=100, metavar="N", help="how many runs of nodes that only move blobs"
    )
    parser.add_argument("--swarm-figures", action="store_true", help="how fast blobs spread")
    chosen = parser.parse_args()
    if chosen.swarm_figures:
        return swarm_figures.print_figures()
    if chosen.swarm is not None:
        return _swarm(chosen)
    if chosen.mutations is not None:
        return sim_table.print_mutations(run_mutations(tuple(chosen.mutations)))
    begun_s = time.perf_counter()
    outcomes = list(run_scenarios(is_traced=chosen.trace)) if chosen.scenarios or chosen.seeds >= 100 else []
    if not chosen.scenarios:
        seeds = range(chosen.first, chosen.first + chosen.seeds)
        for outcome in _run(run_seed, seeds, chosen.jobs, is_traced=chosen.trace):
            outcomes.append(outcome)
            if outcome.failure:
                sim_table.print_failure(outcome)
    is_whole = chosen.seeds >= WHOLE_SEEDS and not chosen.scenarios
    return sim_table.print_all(outcomes, time.perf_counter() - begun_s, is_whole=is_whole)


def _swarm(chosen: argparse.Namespace) -> int:
    """Nodes that only move blobs."""
    if chosen.mutations is not None:
        return sim_table.print_mutations(swarm_mutations.run_swarm_mutations(tuple(chosen.mutations)))
    begun_s = time.perf_counter()
    outcomes = []
    seeds = list(range(chosen.first, chosen.first + chosen.swarm))
    if chosen.swarm >= WHOLE_SEEDS and 0 not in seeds:
        seeds.insert(0, 0)
    for outcome in _run(swarm_runs.run_swarm_seed, seeds, chosen.jobs, is_traced=chosen.trace):
        outcomes.append(outcome)
        if outcome.failure:
            sim_table.print_failure(outcome, "--swarm")
    return sim_table.print_all(
        outcomes,
        time.perf_counter() - begun_s,
        is_whole=chosen.swarm >= WHOLE_SEEDS,
        properties=swarm_watch.PROPERTIES,
        faults=swarm_faults.NAMES,
    )


def _run(run: Callable[..., Any], seeds: Sequence[int], jobs: int, *, is_traced: bool) -> Iterator[Any]:
    """Run seeds one by one, or by two processes when there is much to do."""
    processes = jobs or (2 if len(seeds) >= 4 * CHUNK and (os.cpu_count() or 1) > 1 else 1)
    if processes == 1 or is_traced:
        for seed in seeds:
            yield run(seed, is_traced=is_traced)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(run, seeds, chunksize=CHUNK)


if __name__ == "__main__":
    sys.exit(main())
