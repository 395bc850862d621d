"""Changing one setting in the file and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from peerfarm.config import load_settings, save_setting
from peerfarm.errors import ConfigError

BEFORE = """\
# my machine
name: luna   # after the cat

roots:
  - /a   # shows
  # more to come
  - /b

# how much
slots: 2
command:
  allow:
    mk: /bin/mk
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "peerfarm.yaml"


def test_the_first_setting_makes_the_file_and_its_directory(tmp_path: Path) -> None:
    path = tmp_path / "config" / "peerfarm.yaml"
    save_setting(path, "roots", ["/shows", "/größe 😀"])
    assert load_settings(path, {}).roots == ("/shows", "/größe 😀")
    assert "größe 😀" in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o077 == 0


def test_only_the_lines_of_that_key_change(path: Path) -> None:
    path.write_text(BEFORE)
    save_setting(path, "roots", ("/c",))
    before, after = BEFORE.splitlines(), path.read_text().splitlines()
    assert after == [*before[:3], 'roots: ["/c"]', *before[7:]]


@pytest.mark.parametrize(
    ("key", "value", "gone"),
    [("slots", 4, "slots: 2"), ("name", "io", "name: luna"), ("command", {"allow": {}}, "/bin/mk"), ("nice", 3, None)],
)
def test_every_other_setting_and_comment_stays(key: str, value: Any, gone: str | None, path: Path) -> None:
    path.write_text(BEFORE)
    before = load_settings(path, {})
    save_setting(path, key, value)
    after = load_settings(path, {})
    assert {name for name in before.__slots__ if getattr(before, name) != getattr(after, name)} - {"sources"} == {key}
    text = path.read_text()
    assert "# my machine\n" in text
    assert "# how much\n" in text
    assert gone is None or gone not in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only words",
        "{slots: 2, roots: [/a]}",
        '{\n  "slots": 2\n}\n',
        "slots: 2\n...\n",
        "slots: 2",
        "---\nslots: 2\n",
    ],
)
def test_any_form_of_file_takes_a_setting(text: str, path: Path) -> None:
    path.write_text(text)
    slots = load_settings(path, {}).slots
    save_setting(path, "roots", ["/b"])
    assert load_settings(path, {}).roots == ("/b",)
    assert load_settings(path, {}).slots == slots


def test_saving_again_replaces_what_was_saved(path: Path) -> None:
    for root in ("/a", "/b", "/c"):
        save_setting(path, "roots", [root])
    assert load_settings(path, {}).roots == ("/c",)
    assert path.read_text().count("roots") == 1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [("rots", [], 'no setting "rots"'), ("roots", ["x"], '"x" is no absolute path'), ("slots", 0, "slots must be")],
)
def test_a_wrong_setting_leaves_the_file_alone(key: str, value: Any, message: str, path: Path) -> None:
    path.write_text(BEFORE)
    with pytest.raises(ConfigError, match=message):
        save_setting(path, key, value)
    assert path.read_text() == BEFORE


def test_a_file_that_is_wrong_already_is_left_alone(path: Path) -> None:
    path.write_text("slotz: 2\n")
    with pytest.raises(ConfigError, match="slotz"):
        save_setting(path, "roots", ["/a"])
    assert path.read_text() == "slotz: 2\n"


def test_a_link_to_the_settings_stays_a_link(tmp_path: Path, path: Path) -> None:
    kept = tmp_path / "dotfiles.yaml"
    kept.write_text("slots: 2\n")
    path.symlink_to(kept)
    save_setting(path, "slots", 3)
    assert path.is_symlink()
    assert kept.read_text() == "slots: 3\n"


def test_nothing_is_left_behind_and_the_files_mode_is_kept(tmp_path: Path, path: Path) -> None:
    path.write_text(BEFORE)
    path.chmod(0o644)
    save_setting(path, "slots", 3)
    assert [entry.name for entry in tmp_path.iterdir()] == ["peerfarm.yaml"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file")
    with pytest.raises(ConfigError, match="cannot be"):
        save_setting(tmp_path / "config" / "peerfarm.yaml", "slots", 3)
