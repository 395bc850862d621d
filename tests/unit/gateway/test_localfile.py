"""The file with the local socket's port and token."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from peerfarm.errors import PeerfarmError
from peerfarm.gateway.localfile import LocalFile, read_local_file, remove_local_file, write_local_file

CONTENT = LocalFile(4242, "token", 7, 1, "0.1.0")


def test_what_was_written_is_read_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_local_file(tmp_path / "local.json", CONTENT)
    assert read_local_file(tmp_path / "local.json") == CONTENT
    assert [tmp_path / "local.json"] == list(tmp_path.iterdir())


def test_a_file_of_a_newer_node_with_more_fields_is_read(tmp_path: Path) -> None:
    path = tmp_path / "local.json"
    write_local_file(path, CONTENT)
    path.write_text(path.read_text().replace("{", '{"more": [1], '))
    assert read_local_file(path) == CONTENT


def test_what_a_killed_node_left_half_written_is_replaced(tmp_path: Path) -> None:
    (tmp_path / f".local.json.{os.getpid()}").write_text("half")
    write_local_file(tmp_path / "local.json", CONTENT)
    assert read_local_file(tmp_path / "local.json") == CONTENT


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / f".local.json.{os.getpid()}").symlink_to(tmp_path / "victim")
    write_local_file(tmp_path / "local.json", CONTENT)
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o601])
def test_a_file_open_to_others_in_any_way_is_not_believed(tmp_path: Path, mode: int) -> None:
    write_local_file(tmp_path / "local.json", CONTENT)
    (tmp_path / "local.json").chmod(mode)
    with pytest.raises(PeerfarmError, match="other users"):
        read_local_file(tmp_path / "local.json")


def test_only_the_own_file_is_removed(tmp_path: Path) -> None:
    write_local_file(tmp_path / "local.json", CONTENT)
    remove_local_file(tmp_path / "local.json", "another")
    assert (tmp_path / "local.json").exists()
    remove_local_file(tmp_path / "local.json", "token")
    remove_local_file(tmp_path / "local.json", "token")
    assert not (tmp_path / "local.json").exists()
