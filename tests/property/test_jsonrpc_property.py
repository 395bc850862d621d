"""Whatever arrives on the local socket: it is read as it was written, or refused as the peer's fault."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from peerfarm.errors import PeerProtocolError
from peerfarm.protocol.jsonrpc import (
    Request,
    Result,
    decode_answer,
    decode_request,
    encode_request,
    encode_result,
)
from peerfarm.protocol.localmethods import METHODS, check_request

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ATOMS = st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False) | TEXT
VALUES = st.recursive(
    ATOMS.filter(lambda value: value not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
IDS = st.integers(-(1 << 63), (1 << 63) - 1) | TEXT.filter(bool)
REQUESTS = st.builds(Request, IDS, TEXT.filter(bool), st.dictionaries(TEXT, VALUES, max_size=4))


@given(REQUESTS)
def test_any_request_reads_back_as_it_was_written(request: Request) -> None:
    assert request == decode_request(encode_request(request))


@given(IDS, st.dictionaries(TEXT, VALUES, max_size=4))
def test_any_result_reads_back_as_it_was_written(request_id: int | str, result: dict[str, object]) -> None:
    assert Result(request_id, result) == decode_answer(encode_result(request_id, result))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_are_the_peers_fault(line: bytes) -> None:
    for decode in (decode_request, decode_answer):
        with contextlib.suppress(PeerProtocolError):
            decode(line)


@given(REQUESTS, st.data())
def test_a_damaged_request_is_read_or_is_the_peers_fault(request: Request, data: st.DataObject) -> None:
    line = bytearray(encode_request(request))
    for _ in range(data.draw(st.integers(1, 3))):
        line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
    for decode in (decode_request, decode_answer):
        with contextlib.suppress(PeerProtocolError):
            decode(bytes(line))


@given(REQUESTS, st.binary(min_size=1, max_size=20).filter(lambda junk: junk.strip(b" \t\r\n") != b""))
def test_junk_after_a_request_is_never_overlooked(request: Request, junk: bytes) -> None:
    line = encode_request(request)[:-1] + junk
    try:
        decode_request(line)
    except PeerProtocolError:
        return
    raise AssertionError(line)


@given(
    st.sampled_from(sorted(METHODS)) | TEXT, st.dictionaries(st.sampled_from(["job", "task", "text"]) | TEXT, VALUES)
)
def test_any_parameters_are_taken_or_are_the_peers_fault(method: str, params: dict[str, object]) -> None:
    with contextlib.suppress(PeerProtocolError):
        check_request(Request(1, method, params))
