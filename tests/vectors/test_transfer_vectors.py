"""Recorded bytes of every message of the transfer links: today's decoder reads them, today's encoder writes them.

`transfer.yaml` holds what version 1 wrote. A record is never changed; a new type adds one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from peerfarm.model.blob import BlobId
from peerfarm.protocol import transfer as t
from peerfarm.protocol.transfer import decode_bits, decode_transfer, encode_bits, encode_transfer

RECORDS = yaml.safe_load((Path(__file__).parent / "transfer.yaml").read_text(encoding="utf-8"))
ONE, TWO = BlobId(b"1" * 32), BlobId(b"2" * 32)

MESSAGES: dict[str, Any] = {
    "Seek": t.Seek((ONE, TWO)),
    "Unseek": t.Unseek((ONE,)),
    "Have": t.Have(((ONE, t.ALL), (TWO, t.NOTHING), (ONE, b"\xa0"))),
    "ListAsk": t.ListAsk((ONE,)),
    "ListTell": t.ListTell(ONE, 200_000, b"h" * 32 + b"k" * 32),
    "Ask": t.Ask(((ONE, 0), (TWO, 1998))),
    "Unask": t.Unask(((TWO, 7),)),
    "Piece": t.Piece(((ONE, 0, 3, 0, b"abc"), (TWO, 5, 10, 8, b"xy"))),
    "Lack": t.Lack(((TWO, 7),)),
}


def test_every_transfer_message_has_a_record() -> None:
    assert set(RECORDS["messages"]) == {kind.__name__ for kind, _ in t._TYPES.values()} == set(MESSAGES)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_the_recorded_bytes_of_a_transfer_message_are_read_and_written(name: str) -> None:
    recorded = bytes.fromhex(RECORDS["messages"][name])
    assert decode_transfer(recorded) == MESSAGES[name]
    assert encode_transfer(MESSAGES[name]) == recorded


@pytest.mark.parametrize("record", RECORDS["bitmaps"], ids=lambda record: record["raw"] or "all")
def test_the_recorded_bitmaps_are_read_and_written(record: dict[str, Any]) -> None:
    raw = bytes.fromhex(record["raw"])
    bits = sum(1 << block for block in record["blocks"])
    assert decode_bits(raw, record["count"]) == bits
    assert encode_bits(bits, record["count"]) == raw
