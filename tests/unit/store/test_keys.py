"""The key file."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from peerfarm.errors import ConfigError
from peerfarm.store import KeyPair, load_or_make_keys

PUBLIC = "a" * 40
SECRET = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"


def make() -> tuple[str, str]:
    return PUBLIC, SECRET


def never() -> tuple[str, str]:
    raise AssertionError("new keys were drawn although there were some")


def test_the_first_start_makes_a_key_file_that_only_its_owner_can_read(tmp_path: Path) -> None:
    path = tmp_path / "home" / "node.key"
    assert load_or_make_keys(path, make) == KeyPair(PUBLIC, SECRET)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_every_later_start_reads_the_same_keys(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    first = load_or_make_keys(path, make)
    assert load_or_make_keys(path, never) == first


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_open_to_others_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "node.key"
    load_or_make_keys(path, make)
    path.chmod(mode)
    with pytest.raises(ConfigError, match="open to other users") as caught:
        load_or_make_keys(path, never)
    assert f"chmod 600 {path}" in caught.value.hint
    path.chmod(0o600)
    assert load_or_make_keys(path, never).secret == SECRET


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 4000,
        b"null",
        json.dumps({"public": PUBLIC}).encode(),
        json.dumps({"public": PUBLIC, "secret": SECRET[:-1]}).encode(),
        json.dumps({"public": PUBLIC, "secret": " " * 40}).encode(),
        json.dumps({"public": PUBLIC, "secret": 7}).encode(),
        json.dumps({"public": PUBLIC, "secret": SECRET, "more": 1}).encode(),
        json.dumps({"public": PUBLIC, "secret": SECRET}).encode() + b" " * 5000,
    ],
)
def test_a_malformed_key_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "node.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="holds no key pair"):
        load_or_make_keys(path, never)
    assert path.read_bytes() == content


def test_a_start_that_died_while_writing_its_keys_does_not_stop_the_next(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    path.with_name("node.key.new").write_bytes(b'{"public": "a')
    assert load_or_make_keys(path, make) == KeyPair(PUBLIC, SECRET)
    assert [file.name for file in tmp_path.iterdir()] == ["node.key"]


def test_a_place_where_no_key_file_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be"):
        load_or_make_keys(tmp_path / "file" / "node.key", make)


def test_the_secret_is_not_in_what_a_log_would_show() -> None:
    assert SECRET not in repr(KeyPair(PUBLIC, SECRET))
