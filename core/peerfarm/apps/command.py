"""Programs that a node's owner listed by name: conversions, clean-up, encoders. Off until the list has an entry.

A job names the entry, never a path, and gives arguments. Whoever lists a program lets every member of the farm run it
with any arguments: list small tools, no shells and no interpreters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from peerfarm.apps.base import Candidate, Command, ExpectedFile, Fatal, LineEvent, Places, Progress
from peerfarm.apps.images import is_checked
from peerfarm.apps.params import MAX_TEXT, Field, Kind, check_fields, is_absolute
from peerfarm.errors import AppFailed, InvalidJob
from peerfarm.model.pathmap import split_path, starts_with
from peerfarm.model.render import Capability, RenderTask

MAX_ARGS = 256

FIELDS: dict[str, Field] = {
    "command": Field(Kind.TEXT, is_required=True),
    "outputs": Field(Kind.YES_NO, True),
}
"""Besides `args`. `outputs` false: the files that the step's output pattern names are not looked for."""

PLACEHOLDERS: dict[str, Callable[[RenderTask, Places], str]] = {
    "frame": lambda task, _: str(task.frames[0]) if task.frames else "",
    "first": lambda task, _: str(task.frames[0]) if task.frames else "",
    "last": lambda task, _: str(task.frames[-1]) if task.frames else "",
    "frames": lambda task, _: ",".join(map(str, task.frames)),
    "output": lambda _, places: places.frames,
    "inputs": lambda _, places: places.inputs,
    "work": lambda _, places: places.work,
}
"""What `{name}` in an argument stands for; `{{` and `}}` are braces."""

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PATH_IN_ARGUMENT = re.compile(r"(?:--?[A-Za-z0-9][A-Za-z0-9_-]*=)?(.*)", re.DOTALL)
_PROGRAMS = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/System", "/Library"),
    *("C:\\Windows", "C:\\Program Files", "C:\\Program Files (x86)"),
)
_SYSTEM = ("/etc", "/dev", "/proc", "/sys", "/run", "/boot", "/private/etc")
"""What lies below any of these is each machine's own, and no part of a job."""
_NOTHING_THERE = "/dev/null"
_UNSAFE_ENDINGS = (".bat", ".cmd")
"""Windows runs these by a shell that reads the arguments in its own way: no list of arguments is safe there."""


class CommandApp:
    """Runs a listed program once a task."""

    name = "command"

    def check_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """See `App.check_params`; an argument may start with `-`, see `build`."""
        checked = check_fields(self.name, {name: params[name] for name in params if name != "args"}, FIELDS)
        if not _NAME.fullmatch(checked["command"]):
            name = _name_of(checked["command"])
            raise InvalidJob(
                f"params.command of app command must be the name of an entry in the workers' setting `command.allow`, "
                f"not {checked['command'][:80]!r}",
                f"Write `command: {name}`, and let the workers' owners {_listing(name)}.",
            )
        args = params.get("args")
        checked["args"] = [_check_argument(at, value) for at, value in enumerate(_check_list(args))]
        return checked

    def paths(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """Every argument that is an absolute path, alone or after `--name=`; a program may know others."""
        found = (_PATH_IN_ARGUMENT.fullmatch(argument) for argument in params["args"])
        return tuple(match[1] for match in found if match is not None and is_absolute(match[1]))

    def may_bring(self, path: str) -> bool:
        """See `MentioningApp.may_bring`."""
        return not _is_below(path, (*_PROGRAMS, *_SYSTEM))

    def is_everywhere(self, path: str) -> bool:
        """See `MentioningApp.is_everywhere`."""
        return path == _NOTHING_THERE or _is_below(path, _PROGRAMS)

    def candidates(self, system: str, configured: tuple[str, ...]) -> tuple[Candidate, ...]:  # noqa: ARG002 - no search
        """Nothing is searched for: the settings' list is all there is, see `registry.built_in`."""
        return ()

    def identify(self, path: str, output: str) -> Capability | None:  # noqa: ARG002 - nothing was asked
        """A program becomes a capability by the owner's list alone."""
        return None

    def suits(self, found: Capability, params: Mapping[str, Any], version: str) -> bool:
        """The listed program with the name that the job uses; its version is not known."""
        return params["command"] in found.tags and not version

    def build(self, found: Capability, task: RenderTask, places: Places) -> Command:
        """The program with its arguments, each filled in on its own and never read by a shell.

        A literal argument may start with `-`, for options are what such programs are steered by. A value put in for a
        placeholder may not turn an argument into an option: `{frame}` with frame -5 is refused, `--frame={frame}` is
        fine.
        """
        if found.executable.lower().endswith(_UNSAFE_ENDINGS):
            raise AppFailed(
                f"{found.executable} is a batch file, and their arguments cannot be passed safely",
                "List an .exe in the setting command.allow.",
            )
        args = task.params["args"]
        filled = tuple(
            _fill(argument, task, places) if "{" in argument or "}" in argument else argument for argument in args
        )
        return Command((found.executable, *filled), _NOTHING, _NOTHING)

    def reader(self, task: RenderTask) -> CommandReader:  # noqa: ARG002 - all programs are read alike
        """Reads the lines that Open Job Description defines for programs."""
        return CommandReader()

    def expected(self, task: RenderTask) -> tuple[ExpectedFile, ...]:
        """The files that the step's output pattern names; none for a step without output."""
        if not task.output_pattern or not task.params["outputs"]:
            return ()
        names = ((task.frame_name(frame), frame) for frame in task.frames)
        return tuple(ExpectedFile(name, frame, is_image=is_checked(name)) for name, frame in names)


class CommandReader:
    """Understands `openjd_progress: 42.5`, `openjd_status: words` and `openjd_fail: words`; all else is log."""

    dimensions = (0, 0)
    """Programs announce no sizes."""

    def __init__(self) -> None:
        self._fraction = 0.0
        self._status = ""
        self._failure = ""

    def feed(self, line: str) -> tuple[LineEvent, ...]:
        """See `LineReader.feed`."""
        if not line.startswith("openjd_"):
            return ()
        word, _, rest = line.partition(":")
        rest = rest.strip()[:1000]
        if word == "openjd_progress" and (percent := _number(rest)) is not None:
            self._fraction = max(self._fraction, min(1.0, percent / 100))
        elif word == "openjd_status":
            self._status = rest
        elif word == "openjd_fail":
            self._failure = self._failure or rest or "it gave no reason"
            return (Fatal(f"the program reported a failure: {self._failure}"),)
        else:
            return ()
        return (Progress(self._fraction, None, self._status),)

    def judge(self, exit_code: int) -> Fatal | None:
        """See `LineReader.judge`."""
        if self._failure:
            return Fatal(f"the program reported a failure: {self._failure}")
        if exit_code < 0:
            return Fatal(f"the program was ended by signal {-exit_code}")
        return Fatal(f"the program ended with exit code {exit_code}") if exit_code else None


_NOTHING: Mapping[str, str] = {}


def not_listed(command: str) -> str:
    """Why a worker without that entry cannot run a step of this app, and what to do; for its owner and the artist."""
    return (
        f"its setting `command.allow` has no entry {command[:80]!r}: let its owner {_listing(command[:80])}, "
        "or name an entry that `peerfarm apps` shows there"
    )


def _is_below(path: str, directories: tuple[str, ...]) -> bool:
    parts = split_path(path)
    return parts is not None and any(
        starts_with(parts, prefix, folds_case=False)
        for directory in directories
        if (prefix := split_path(directory)) is not None
    )


def _listing(name: str) -> str:
    return f"put `command: {{allow: {{{name}: /PATH/TO/PROGRAM}}}}` into peerfarm.yaml and start that node again"


def _name_of(command: str) -> str:
    """The entry's name that somebody who wrote a path, or a whole command line, may have meant."""
    words = command.replace("\\", "/").split()
    last = words[0].rpartition("/")[2] if words else ""
    return last if _NAME.fullmatch(last) else "NAME"


def _check_list(args: object) -> list[object]:
    if args is None:
        return []
    if not isinstance(args, list | tuple) or len(args) > MAX_ARGS:
        raise InvalidJob(f"params.args of app command must be a list of at most {MAX_ARGS} texts")
    return list(args)


def _check_argument(at: int, value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT or "\0" in value:
        raise InvalidJob(
            f"params.args[{at}] of app command must be text of at most {MAX_TEXT} characters, not {value!r:.80}",
            "Put numbers in quotes.",
        )
    for piece in _PIECE.finditer(value):
        if piece[0] in {"{", "}"} or (piece[1] is not None and piece[1] not in PLACEHOLDERS):
            raise InvalidJob(
                f"params.args[{at}] of app command holds an unknown placeholder: {value[:80]!r}",
                f"Known are {', '.join('{' + name + '}' for name in PLACEHOLDERS)}; a brace is written twice.",
            )
    return value


def _fill(argument: str, task: RenderTask, places: Places) -> str:
    """The argument with its placeholders put in."""

    def value(piece: re.Match[str]) -> str:
        return piece[0][0] if piece[1] is None else PLACEHOLDERS[piece[1]](task, places)

    filled = _PIECE.sub(value, argument)
    if filled.startswith("-") and not argument.startswith("-"):
        raise AppFailed(
            f"the argument {argument!r} becomes {filled[:80]!r}, which a program would read as an option",
            "Write it behind an option's name, like --frame={frame}.",
        )
    return filled


def _number(words: str) -> float | None:
    try:
        number = float(words)
    except ValueError:
        return None
    return number if 0 <= number <= 100 else None
