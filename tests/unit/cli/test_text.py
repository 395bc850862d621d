"""How values read on a terminal."""

from __future__ import annotations

import pytest

from peerfarm.cli import text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7620, "2 h 07 min"),
    ],
)
def test_a_duration_reads_in_its_largest_units(seconds: float, words: str) -> None:
    assert words == text.duration(seconds)


@pytest.mark.parametrize(("fraction", "words"), [(0, "0 %"), (0.999, "99 %"), (1, "100 %"), (7, "100 %"), (-1, "0 %")])
def test_only_what_is_complete_reads_as_100_percent(fraction: float, words: str) -> None:
    assert words == text.percent(fraction)


def test_columns_line_up_under_wide_characters() -> None:
    lines = text.table(("NAME", "N"), [("波", 1), ("sea", 22)])
    assert lines == ["NAME  N", "波    1", "sea   22"]


def test_no_escape_sequence_of_another_machine_reaches_the_terminal() -> None:
    assert text.clean("a\x1b[2Jb\r\n\u202ec\x9b") == "a?[2Jb???c?"
    assert text.clean_log("a\x1b[2J\tb\r\nc\rd\n") == "a?[2J\tb\nc\nd\n"


def test_a_bar_is_full_only_at_the_end() -> None:
    assert text.bar(0.99, 10, "#-") == "#########-"
    assert text.bar(1.0, 10, "#-") == "##########"


def test_a_time_that_no_calendar_holds_does_no_harm() -> None:
    assert text.local_time(1 << 80) == "?"


def test_settings_read_as_the_settings_file_writes_them() -> None:
    assert text.setting(["a", "b"]) == "[a, b]"
    assert [text.setting(value) for value in (True, "", 4, {"allow": {"x": "/bin/x"}})] == [
        "true",
        '""',
        "4",
        "{allow: {x: /bin/x}}",
    ]
