"""Lines of the local socket, read and written."""

from __future__ import annotations

import json

import pytest

from peerfarm.errors import InvalidJob, NotInFarm, PeerProtocolError, RequestRefused, StoreError
from peerfarm.protocol.jsonrpc import (
    DEPTH_LIMIT,
    REQUEST_LIMIT,
    ErrorCode,
    Event,
    Failure,
    InvalidMessage,
    Request,
    Result,
    decode_answer,
    decode_request,
    encode_error,
    encode_event,
    encode_refusal,
    encode_request,
    encode_result,
)
from peerfarm.protocol.localmethods import METHODS, check_request


def test_a_request_reads_back_as_it_was_written() -> None:
    request = Request("a-7", "submit", {"text": "steps:\n- é 🌊", "source": "x.yaml"})
    line = encode_request(request)
    assert line.count(b"\n") == 1
    assert request == decode_request(line) == decode_request(line[:-1])


def test_parameters_may_be_left_out() -> None:
    assert Request(1, "status", {}) == decode_request(b'{"jsonrpc":"2.0","id":1,"method":"status"}')


def test_answers_and_events_read_back_as_they_were_written() -> None:
    assert Result(3, {"job": "x"}) == decode_answer(encode_result(3, {"job": "x"}))
    refused = Failure(3, 1, "no", "Do that.", "RequestRefused")
    assert refused == decode_answer(encode_refusal(3, RequestRefused("no", "Do that.")))
    assert Failure(None, -32700, "bad", "", "") == decode_answer(encode_error(None, ErrorCode.PARSE, "bad"))
    assert Event({"seq": 1, "type": "alarm"}) == decode_answer(encode_event({"seq": 1, "type": "alarm"}))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RequestRefused("x"), 1),
        (StoreError("x"), 1),
        (NotInFarm("x"), 2),
        (InvalidMessage("x", code=ErrorCode.INVALID_PARAMS), -32602),
    ],
)
def test_each_error_has_its_documented_code(error: RequestRefused, code: int) -> None:
    failure = decode_answer(encode_refusal(1, error))
    assert isinstance(failure, Failure)
    kind = "PeerProtocolError" if isinstance(error, InvalidMessage) else type(error).__name__
    assert (code, kind) == (failure.code, failure.kind)


def test_an_error_refined_elsewhere_arrives_as_the_one_it_refines() -> None:
    class FieldRefused(InvalidJob):
        """As a room of ours may define it."""

    failure = decode_answer(encode_refusal(1, FieldRefused("steps[0] is wrong", "Mend it.")))
    assert Failure(1, 1, "steps[0] is wrong", "Mend it.", "InvalidJob") == failure


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", ErrorCode.PARSE),
        (b"GET / HTTP/1.1", ErrorCode.PARSE),
        (b'\xff{"jsonrpc":"2.0"}', ErrorCode.PARSE),
        (b'{"jsonrpc":"2.0","id":1,"method":"a"} {"more":1}', ErrorCode.PARSE),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}', ErrorCode.PARSE),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":{"y":1,"y":1}}}', ErrorCode.PARSE),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":NaN}}', ErrorCode.PARSE),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":-Infinity}}', ErrorCode.PARSE),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":1e999}}', ErrorCode.PARSE),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":9223372036854775808}}', ErrorCode.PARSE),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":' + b"9" * 5000 + b"}}", ErrorCode.PARSE),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":"\\udc00"}}', ErrorCode.PARSE),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":"\\uDc00"}}', ErrorCode.PARSE),
        (b'{"jsonrpc":"2.0","id":1,"method":"a\x00"}', ErrorCode.PARSE),
        (b"[" * 100_000, ErrorCode.PARSE),
        (b'{"a":' * 100_000, ErrorCode.PARSE),
        (b'"\\"' * 100_000 + b"[" * 50, ErrorCode.PARSE),
        (b" " * (REQUEST_LIMIT + 2), ErrorCode.PARSE),
        (b"[]", ErrorCode.INVALID_REQUEST),
        (b'[{"jsonrpc":"2.0","id":1,"method":"a"}]', ErrorCode.INVALID_REQUEST),
        (b"null", ErrorCode.INVALID_REQUEST),
        (b'{"id":1,"method":"a"}', ErrorCode.INVALID_REQUEST),
        (b'{"jsonrpc":2.0,"id":1,"method":"a"}', ErrorCode.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","method":"a"}', ErrorCode.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":null,"method":"a"}', ErrorCode.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":true,"method":"a"}', ErrorCode.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"a"}', ErrorCode.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":"","method":"a"}', ErrorCode.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":1}', ErrorCode.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', ErrorCode.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":1,"method":""}', ErrorCode.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}', ErrorCode.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","extra":1}', ErrorCode.INVALID_REQUEST),
    ],
)
def test_a_line_that_is_no_request_is_refused_under_its_code(line: bytes, code: ErrorCode) -> None:
    with pytest.raises(InvalidMessage) as caught:
        decode_request(line)
    assert code is caught.value.code
    assert len(str(caught.value)) < 400


def test_a_refused_request_keeps_its_id_for_the_answer() -> None:
    with pytest.raises(InvalidMessage) as caught:
        decode_request(b'{"jsonrpc":"2.0","id":"q","method":"a","params":[]}')
    assert caught.value.request_id == "q"


def test_brackets_inside_strings_are_no_depth() -> None:
    params = {"text": "[{" * 5000 + '"\\'}
    assert decode_request(encode_request(Request(1, "submit", params))).params == params


def test_the_deepest_message_allowed_is_read_and_one_deeper_is_not() -> None:
    def nested(depth: int) -> bytes:
        inner = "[" * (depth - 2) + "]" * (depth - 2)
        return f'{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"x":{inner}}}}}'.encode()

    assert decode_request(nested(DEPTH_LIMIT)).method == "a"
    with pytest.raises(InvalidMessage, match="deeper"):
        decode_request(nested(DEPTH_LIMIT + 1))


def test_half_a_surrogate_pair_in_an_answer_becomes_a_question_mark() -> None:
    line = encode_result(1, {"text": "bad \udcff name"})
    assert json.loads(line)["result"]["text"] == "bad ? name"
    assert Result(1, {"text": "bad ? name"}) == decode_answer(line)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"HTTP/1.1 400 Bad Request",
        b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"2.0","id":1,"result":[]}',
        b'{"jsonrpc":"2.0","id":null,"result":{}}',
        b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}',
        b'{"jsonrpc":"2.0","id":1,"error":"no"}',
        b'{"jsonrpc":"2.0","id":[],"error":{"code":1,"message":"x"}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":"x"}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x","data":[]}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x","data":{"hint":1}}}',
        b'{"jsonrpc":"2.0","method":"event"}',
        b'{"jsonrpc":"2.0","method":"other","params":{}}',
        b'{"jsonrpc":"2.0","method":"event","params":{},"id":1}',
    ],
)
def test_a_line_that_is_no_answer_is_refused(line: bytes) -> None:
    with pytest.raises(PeerProtocolError):
        decode_answer(line)


def test_every_method_takes_its_own_parameters() -> None:
    samples = {str: "x", int: 1, bool: True, dict: {}, list: []}
    for method, known in METHODS.items():
        params = {name.rstrip("?"): samples[kinds[-1]] for name, kinds in known.items()}
        if method == "submit":
            del params["text"]
        check_request(Request(1, method, params))


@pytest.mark.parametrize(
    ("method", "params", "code", "words"),
    [
        ("statsu", {}, ErrorCode.METHOD_NOT_FOUND, "no method 'statsu'"),
        ("x" * 5000, {}, ErrorCode.METHOD_NOT_FOUND, "no method"),
        ("job", {}, ErrorCode.INVALID_PARAMS, "needs the parameter 'job'"),
        ("job", {"job": None}, ErrorCode.INVALID_PARAMS, "a string as 'job'"),
        ("job", {"jbo": "x"}, ErrorCode.INVALID_PARAMS, "no parameter 'jbo'"),
        ("status", {"all": True}, ErrorCode.INVALID_PARAMS, "no parameter 'all'"),
        ("jobs", {"all": 1}, ErrorCode.INVALID_PARAMS, "true or false"),
        ("priority", {"job": "x", "priority": True}, ErrorCode.INVALID_PARAMS, "an integer"),
        ("log", {"job": "x", "step": 1.5}, ErrorCode.INVALID_PARAMS, "a string or an integer"),
        ("submit", {}, ErrorCode.INVALID_PARAMS, "either 'job' or 'text'"),
        ("submit", {"job": {}, "text": ""}, ErrorCode.INVALID_PARAMS, "either 'job' or 'text'"),
    ],
)
def test_a_request_that_the_table_does_not_know_is_refused_by_name(
    method: str, params: dict[str, object], code: ErrorCode, words: str
) -> None:
    with pytest.raises(InvalidMessage, match=words) as caught:
        check_request(Request(4, method, params))
    assert (code, 4) == (caught.value.code, caught.value.request_id)


def test_a_misspelt_method_is_answered_with_the_nearest() -> None:
    with pytest.raises(InvalidMessage) as caught:
        check_request(Request(1, "statsu", {}))
    assert caught.value.hint == 'Did you mean "status"?'
