"""Newline-delimited JSON-RPC 2.0 as plug-ins and the command line speak it: bytes <-> messages.

Nothing here reads or writes a socket. Stricter than JSON-RPC: no batches, no notifications, parameters by name,
no field twice, no NaN, bounded length and depth. The method table stands in `localmethods`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NoReturn, TypeGuard

from peerfarm.errors import NotInFarm, PeerfarmError, PeerProtocolError

LOCAL_PROTOCOL = 1
"""Version of the local socket's protocol; `hello` carries it, and both sides must name the same."""
REQUEST_LIMIT = 1 << 20
"""Longest line from a plug-in, in bytes, without its newline."""
HELLO_LIMIT = 4096
"""Longest first line; a stranger gets no more memory than this."""
ANSWER_LIMIT = 8 << 20
"""Longest line to a plug-in, in bytes, without its newline."""
DEPTH_LIMIT = 32
"""Deepest nesting of objects and lists, the message itself counted."""
ID_LIMIT = 64
"""Longest request id that is a string, in characters."""

RequestId = int | str


class ErrorCode(IntEnum):
    """The `code` of an error answer; negative ones are JSON-RPC's own."""

    PARSE = -32700
    """The line is no JSON, too long or too deep; the connection is closed after it."""
    INVALID_REQUEST = -32600
    """The line is JSON but no request; the connection is closed after it."""
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    """A parameter is missing, unknown or of the wrong type; the message names it."""
    INTERNAL = -32603
    """A bug of the node's, or an answer too long to send."""
    REFUSED = 1
    """Understood, but it cannot be now; `data` holds `kind`, the error's class, and `hint`, what to do."""
    NOT_IN_FARM = 2
    """The node belongs to no farm yet."""
    HELLO = 3
    """The first line was no `hello`, or its token was wrong; the connection is closed after it."""
    PROTOCOL = 4
    """The node speaks another version of this protocol; the connection is closed after it."""


class InvalidMessage(PeerProtocolError):
    """A line that the protocol does not allow.

    Attributes:
        code: What to answer.
        request_id: Of the offending request, where it could be read.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        code: ErrorCode = ErrorCode.INVALID_REQUEST,
        request_id: RequestId | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.code = code
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class Request:
    """What a plug-in asks."""

    id: RequestId
    """Chosen by the plug-in; the answer repeats it."""
    method: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """A request was carried out."""

    id: RequestId
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """A request was not carried out."""

    id: RequestId | None
    """None when the node could not read the request's id."""
    code: int
    message: str
    hint: str
    kind: str
    """Name of the error's class, empty for JSON-RPC's own errors."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; pushed to whoever subscribed."""

    params: dict[str, Any]
    """Holds `seq` (counts up by one, lost events counted), `type`, and `dropped` where events were lost before it."""


def encode_request(request: Request) -> bytes:
    """The request as one line, newline included."""
    return _line({"jsonrpc": "2.0", "id": request.id, "method": request.method, "params": request.params})


def encode_result(request_id: RequestId, result: Mapping[str, Any]) -> bytes:
    """The answer to a request that was carried out, newline included."""
    return _line({"jsonrpc": "2.0", "id": request_id, "result": result})


def encode_error(request_id: RequestId | None, code: int, message: str, hint: str = "", kind: str = "") -> bytes:
    """The answer to a request that was not carried out, newline included."""
    error: dict[str, Any] = {"code": int(code), "message": message}
    if hint or kind:
        error["data"] = {"kind": kind, "hint": hint}
    return _line({"jsonrpc": "2.0", "id": request_id, "error": error})


def encode_refusal(request_id: RequestId | None, error: PeerfarmError) -> bytes:
    """The answer that tells of one of our errors, newline included."""
    return encode_error(request_id, code_of(error), str(error), error.hint, kind_of(error))


def encode_event(params: Mapping[str, Any]) -> bytes:
    """An event as one line, newline included."""
    return _line({"jsonrpc": "2.0", "method": "event", "params": params})


def code_of(error: PeerfarmError) -> ErrorCode:
    """The code under which an error is answered."""
    if isinstance(error, InvalidMessage):
        return error.code
    return ErrorCode.NOT_IN_FARM if isinstance(error, NotInFarm) else ErrorCode.REFUSED


def kind_of(error: PeerfarmError) -> str:
    """The name of the error's class as `errors.py` draws it; a class refined elsewhere counts as the one it refines."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == PeerfarmError.__module__)


def decode_request(line: bytes, limit: int = REQUEST_LIMIT) -> Request:
    """Read one line from a plug-in, newline stripped or not.

    Raises:
        InvalidMessage: The line is not exactly one request; its `code` says which error to answer.
    """
    message = _message(line, limit)
    request_id = message.get("id")
    if not _is_id(request_id):
        raise InvalidMessage("the request has no id", "Give every request an `id`: an integer or a short string.")
    _only(message, {"jsonrpc", "id", "method", "params"}, request_id)
    method = message.get("method")
    if not isinstance(method, str) or not method:
        raise InvalidMessage("the request names no method", request_id=request_id)
    params = message.get("params", {})
    if not isinstance(params, dict):
        raise InvalidMessage("`params` must be an object: parameters are given by name", request_id=request_id)
    return Request(request_id, method, params)


def decode_answer(line: bytes, limit: int = ANSWER_LIMIT) -> Result | Failure | Event:
    """Read one line from a node, newline stripped or not.

    Raises:
        InvalidMessage: The line is neither an answer nor an event.
    """
    message = _message(line, limit)
    if "method" in message:
        _only(message, {"jsonrpc", "method", "params"})
        params = message.get("params")
        if message["method"] != "event" or not isinstance(params, dict):
            raise InvalidMessage("the node sent a notification that is no event")
        return Event(params)
    _only(message, {"jsonrpc", "id", "result", "error"})
    request_id = message.get("id")
    if "result" in message and "error" not in message:
        result = message["result"]
        if not (_is_id(request_id) and isinstance(result, dict)):
            raise InvalidMessage("the node's answer has no id or no object as its result")
        return Result(request_id, result)
    if not (request_id is None or _is_id(request_id)):
        raise InvalidMessage("the node's answer has an id of the wrong type")
    return _failure(request_id, message.get("error"))


def _failure(request_id: RequestId | None, error: object) -> Failure:
    if not isinstance(error, dict):
        raise InvalidMessage("the node's answer holds neither a result nor an error")
    code, text, data = error.get("code"), error.get("message"), error.get("data", {})
    if not (isinstance(code, int) and not isinstance(code, bool) and isinstance(text, str) and isinstance(data, dict)):
        raise InvalidMessage("the node's error answer lacks its code or message")
    hint, kind = data.get("hint", ""), data.get("kind", "")
    if not (isinstance(hint, str) and isinstance(kind, str)):
        raise InvalidMessage("the node's error answer has a hint or kind that is no text")
    return Failure(request_id, code, text, hint, kind)


def _line(message: Mapping[str, Any]) -> bytes:
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Logs and file names may hold half of a surrogate pair, which UTF-8 cannot say: it becomes "?".
    return text.encode("utf-8", "replace") + b"\n"


def _message(line: bytes, limit: int) -> dict[str, Any]:
    if len(line) > limit + 1:
        raise InvalidMessage(f"the line is longer than {limit} bytes", "Split the request.", ErrorCode.PARSE)
    if _is_too_deep(line):
        raise InvalidMessage(f"the message is nested deeper than {DEPTH_LIMIT} levels", "", ErrorCode.PARSE)
    try:
        message = json.loads(
            line.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_float,
            parse_int=_integer,
        )
        if b"\\ud" in line.lower():
            # Half of a surrogate pair is legal JSON but no text: it could be neither stored nor sent on.
            json.dumps(message, ensure_ascii=False).encode("utf-8")
    except ValueError as error:  # UnicodeError and JSONDecodeError are ValueErrors
        hint = "Send one JSON-RPC 2.0 object a line, in UTF-8."
        raise InvalidMessage(f"the line is not valid JSON: {error}"[:300], hint, ErrorCode.PARSE) from None
    if not isinstance(message, dict):
        raise InvalidMessage("the message must be one JSON object; batches are not taken")
    if message.get("jsonrpc") != "2.0":
        raise InvalidMessage('the message lacks "jsonrpc": "2.0"')
    return message


# Possessive, and content with a string that never ends, so that no input makes it scan twice.
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


def _is_too_deep(line: bytes) -> bool:
    """Counted before parsing, so that no input can exhaust the parser's stack."""
    if line.count(b"[") + line.count(b"{") <= DEPTH_LIMIT:
        return False
    depth = 0
    for match in _BRACKETS.finditer(line):
        first = line[match.start()]
        if first in b"[{":
            depth += 1
            if depth > DEPTH_LIMIT:
                return True
        elif first in b"]}":
            depth -= 1
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is given twice")
    return found


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number in JSON")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number


def _integer(text: str) -> int:
    if len(text) > 20 or not -(1 << 63) <= int(text) < 1 << 63:
        raise ValueError("an integer does not fit 64 bits")
    return int(text)


def _is_id(value: object) -> TypeGuard[RequestId]:
    if isinstance(value, str):
        return 0 < len(value) <= ID_LIMIT
    return isinstance(value, int) and not isinstance(value, bool)


def _only(message: dict[str, Any], known: set[str], request_id: RequestId | None = None) -> None:
    unknown = sorted(message.keys() - known)
    if unknown:
        raise InvalidMessage(f"the message has an unknown field {unknown[0][:64]!r}", request_id=request_id)
