"""The methods of the local socket and the parameters that each takes: one table, checked before a request goes on.

What a method answers is written in `gateway/README.md`. Values are judged by the node; here only names and types.
"""

from __future__ import annotations

from peerfarm.config.nearest import did_you_mean
from peerfarm.protocol.jsonrpc import ErrorCode, InvalidMessage, Request

_TEXT = (str,)
_WHOLE = (int,)
_FLAG = (bool,)
_OBJECT = (dict,)
_LIST = (list,)
_NAME_OR_INDEX = (str, int)

METHODS: dict[str, dict[str, tuple[type, ...]]] = {
    "hello": {
        "token": _TEXT,
        "client": _TEXT,
        "version": _TEXT,
        "protocol": _WHOLE,
        "app?": _TEXT,
        "pid?": _WHOLE,
    },
    "status": {},
    "nodes": {},
    "submit": {
        "job?": _OBJECT,
        "text?": _TEXT,
        "source?": _TEXT,
        "allow_missing?": _FLAG,
        "files?": _LIST,
        "background?": _FLAG,
    },
    "submission": {"submission": _TEXT},
    "cancel_submission": {"submission": _TEXT},
    "cancel_submit": {},
    "fetch": {"job": _TEXT, "directory?": _TEXT, "overwrite?": _FLAG},
    "cancel_fetch": {"job": _TEXT},
    "inspect": {"app": _TEXT, "path": _TEXT},
    "jobs": {"all?": _FLAG, "limit?": _WHOLE, "mine?": _FLAG},
    "job": {"job": _TEXT},
    "log": {
        "job": _TEXT,
        "step?": _NAME_OR_INDEX,
        "task?": _WHOLE,
        "attempt?": _WHOLE,
        "offset?": _WHOLE,
        "tail?": _WHOLE,
    },
    "thumbnail": {"job": _TEXT, "size?": _WHOLE, "wait?": _FLAG},
    "pause": {"job": _TEXT},
    "resume": {"job": _TEXT},
    "cancel": {"job": _TEXT, "step?": _NAME_OR_INDEX, "tasks?": _TEXT},
    "retry": {"job": _TEXT, "step?": _NAME_OR_INDEX, "tasks?": _TEXT},
    "priority": {"job": _TEXT, "priority": _WHOLE},
    "delete": {"job": _TEXT},
    "archive": {"job": _TEXT},
    "init": {"name": _TEXT, "root?": _TEXT},
    "invite": {},
    "join": {"join": _TEXT, "root?": _TEXT},
    "remove": {"node": _TEXT},
    "apps": {},
    "config": {},
    "stop": {},
    "subscribe": {},
}
"""Method -> parameter -> its JSON types; a trailing `?` marks a parameter that may be left out."""

_WORDS = {str: "a string", int: "an integer", bool: "true or false", dict: "an object", list: "a list"}


def check_request(request: Request) -> None:
    """Refuse a request whose method is unknown, or whose parameters are missing, unknown or of the wrong type.

    Raises:
        InvalidMessage: Code METHOD_NOT_FOUND or INVALID_PARAMS, with the request's id; the connection may go on.
    """
    known = METHODS.get(request.method)
    if known is None:
        message = f"there is no method {request.method[:64]!r}"
        raise InvalidMessage(message, did_you_mean(request.method, METHODS), ErrorCode.METHOD_NOT_FOUND, request.id)
    types = {name.rstrip("?"): kinds for name, kinds in known.items()}
    for name, value in request.params.items():
        if name not in types:
            raise _invalid(request, f"takes no parameter {name[:64]!r}", did_you_mean(name, types))
        if not _is_one_of(value, types[name]):
            wanted = " or ".join(_WORDS[kind] for kind in types[name])
            raise _invalid(request, f"takes {wanted} as {name!r}")
    for name in known:
        if not name.endswith("?") and name not in request.params:
            raise _invalid(request, f"needs the parameter {name!r}")
    if request.method == "submit" and ("job" in request.params) == ("text" in request.params):
        raise _invalid(request, "needs either 'job' or 'text'")


def _is_one_of(value: object, kinds: tuple[type, ...]) -> bool:
    # A bool is an int to Python, not to JSON.
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def _invalid(request: Request, claim: str, hint: str = "") -> InvalidMessage:
    return InvalidMessage(f"the method {request.method!r} {claim}", hint, ErrorCode.INVALID_PARAMS, request.id)
