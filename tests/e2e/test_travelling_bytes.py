"""What goes over the network when files travel, counted by the nodes that send and receive it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from apart_rig import ApartFarm, printed_sums, sums_job, sums_of
from farm_rig import RealNode, peerfarm

from peerfarm.model.blob import block_bytes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

MEBIBYTE = 1 << 20
BIG_BYTES = 64 * MEBIBYTE
TEXTURES, TEXTURE_BYTES = 6, MEBIBYTE
TALK_BYTES = 64 << 10
"""Enough for the list of files, and for who says what it has and wants."""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[ApartFarm, RealNode, RealNode]]:
    """A farm of two: ada's machine, which sends 24 MB a second, and ben's, which alone can look at files for a job."""
    farm = ApartFarm(tmp_path)
    try:
        ada = farm.add("ada", upload_mb_s=24, upload_busy_mb_s=0)
        ben = farm.add("ben", command=farm.sums_allowed())
        farm.start()
        yield farm, ada, ben
    finally:
        farm.close()


def submit_sums(node: RealNode, folder: Path) -> str:
    """Submit a job that prints the sums of a folder that travels; its id."""
    return str(node.call("submit", job=sums_job(folder))["job"])


def sent_bytes(node: RealNode) -> int:
    """What a node has sent of files since it started."""
    return int(node.call("status")["traffic"]["file_bytes_out"])


def test_a_large_file_whose_receiver_is_killed_goes_on_from_what_had_come(
    pair: tuple[ApartFarm, RealNode, RealNode],
) -> None:
    farm, ada, ben = pair
    cache = farm.laptop / "cache"
    cache.mkdir()
    content = os.urandom(BIG_BYTES)
    (cache / "smoke.vdb").write_bytes(content)
    job = submit_sums(ada, cache)

    def has_come(share: float) -> bool:
        here = farm.job(job, ben)["file_transfer"]["here"]
        return here is not None and here["done_bytes"] >= share * BIG_BYTES

    farm.wait_for("half of the file", lambda: has_come(0.5))
    farm.kill(ben)
    (part,) = (ben.home.data / "blobs" / "partial").glob("*.part")
    came, block = part.read_bytes(), block_bytes(BIG_BYTES)
    blocks = [slice(first, first + block) for first in range(0, BIG_BYTES, block)]
    kept_bytes = block * sum(came[one] == content[one] for one in blocks)  # the rest is holes
    assert kept_bytes >= 0.4 * BIG_BYTES
    ben.start()
    ben.await_hello()
    assert printed_sums(farm, ben, job) == sums_of(cache)
    again_bytes = ben.call("status")["traffic"]["file_bytes_in"]
    assert again_bytes <= BIG_BYTES - kept_bytes + TALK_BYTES
    assert BIG_BYTES <= sent_bytes(ada) <= 1.2 * BIG_BYTES  # some was on its way when ben died


def test_a_second_submission_sends_the_one_texture_that_changed(pair: tuple[ApartFarm, RealNode, RealNode]) -> None:
    farm, ada, ben = pair
    textures = farm.laptop / "textures"
    textures.mkdir()
    for number in range(TEXTURES):
        (textures / f"wood_{number}.exr").write_bytes(os.urandom(TEXTURE_BYTES))
    assert printed_sums(farm, ben, submit_sums(ada, textures)) == sums_of(textures)
    first = sent_bytes(ada)
    assert TEXTURES * TEXTURE_BYTES <= first <= TEXTURES * TEXTURE_BYTES + TALK_BYTES

    (textures / "wood_3.exr").write_bytes(os.urandom(TEXTURE_BYTES))
    assert printed_sums(farm, ben, submit_sums(ada, textures)) == sums_of(textures)
    second = sent_bytes(ada)
    assert TEXTURE_BYTES <= second - first <= TEXTURE_BYTES + TALK_BYTES

    assert printed_sums(farm, ben, submit_sums(ada, textures)) == sums_of(textures)
    assert sent_bytes(ada) - second <= TALK_BYTES


def test_whoever_follows_a_job_sees_its_frames_on_their_way_home(tmp_path: Path) -> None:
    farm = ApartFarm(tmp_path)
    try:
        ada = farm.add("ada", render=False)
        ben = farm.add("ben", command=farm.sums_allowed(), upload_mb_s=2, upload_busy_mb_s=0)
        farm.start()
        plates, frames = farm.laptop / "plates", farm.laptop / "frames"
        plates.mkdir()
        for name in ("a.exr", "b.exr"):
            (plates / name).write_bytes(os.urandom(6_000_000))
        job = ada.call("submit", job=sums_job(plates, output=frames, workers=[ben.name]))["job"]
        followed = peerfarm(ada, "job", job, "--watch")
        assert followed.returncode == 0, followed.stderr
        assert re.search(r"frames: [\d.]+ [kM]B of 12 MB, [\d.]+ [kM]B/s, [\d.]+ s left\n", followed.stderr)
        assert (frames / "f_0001.bin").stat().st_size == 12_000_000
        assert farm.job(job, ada)["file_transfer"]["frames"] is None
    finally:
        farm.close()
