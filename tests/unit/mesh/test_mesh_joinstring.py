from __future__ import annotations

import base64
import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerfarm.errors import RequestRefused
from peerfarm.mesh.joinstring import JoinString, format_join, parse_join
from peerfarm.model.ids import ALPHABET

KEY = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
TOKEN = "abcdefgh" * 4
LINE = format_join(["10.0.0.7:7654", "[fe80::1]:7654"], KEY, TOKEN, "Studio Nord")


def test_a_join_string_says_what_was_put_in() -> None:
    assert parse_join(LINE) == JoinString(("10.0.0.7:7654", "[fe80::1]:7654"), KEY, TOKEN, "Studio Nord")


def test_a_join_string_is_one_line_of_characters_that_shells_and_urls_leave_alone() -> None:
    assert set(LINE) <= set(string.ascii_letters + string.digits + "-_:")
    assert LINE.startswith("peerfarm-join:1:")


def test_space_and_line_breaks_from_a_mail_do_no_harm() -> None:
    broken = "\n".join(LINE[start : start + 40] for start in range(0, len(LINE), 40))
    assert parse_join(f"  {broken} \r\n") == parse_join(LINE)


def test_any_wrong_letter_is_reported_as_such() -> None:
    start = len("peerfarm-join:1:")
    for place in range(start, len(LINE)):
        wrong = "A" if LINE[place] != "A" else "B"
        with pytest.raises(RequestRefused, match="wrong or missing") as caught:
            parse_join(LINE[:place] + wrong + LINE[place + 1 :])
        assert caught.value.hint.startswith("Copy the whole line again")


def test_a_join_string_cut_off_anywhere_is_refused() -> None:
    for length in range(len(LINE)):
        with pytest.raises(RequestRefused):
            parse_join(LINE[:length])


def test_a_newer_join_string_asks_for_the_newer_program() -> None:
    with pytest.raises(RequestRefused, match="version '2'") as caught:
        parse_join(LINE.replace(":1:", ":2:", 1))
    assert "same version" in caught.value.hint


def test_the_token_is_not_shown_when_a_join_string_is_printed() -> None:
    assert TOKEN not in repr(parse_join(LINE))


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"one line", f"{KEY}\n{TOKEN}\nname".encode(), f"{KEY}\nshort\nname\na:1".encode()],
    ids=["nothing", "not text", "too few lines", "no address", "bad token"],
)
def test_a_well_spelt_string_with_other_content_is_refused(body: bytes) -> None:
    checksum = hashlib.sha256(b"1" + body).digest()[:4]
    text = base64.urlsafe_b64encode(checksum + body).decode().rstrip("=")
    with pytest.raises(RequestRefused, match="something other"):
        parse_join(f"peerfarm-join:1:{text}")


def test_a_node_without_an_address_is_told_to_set_one() -> None:
    with pytest.raises(RequestRefused, match="no address") as caught:
        format_join([], KEY, TOKEN)
    assert "`advertise`" in caught.value.hint
    with pytest.raises(RequestRefused, match="'nowhere' is not an address"):
        format_join(["nowhere"], KEY, TOKEN)


@given(st.text(max_size=300))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    for one in (text, f"peerfarm-join:1:{text}"):
        with pytest.raises(RequestRefused):
            parse_join(one)


@given(
    hosts=st.lists(st.from_regex(r"[a-z][a-z0-9.-]{0,20}[a-z0-9]", fullmatch=True), min_size=1, max_size=16),
    port=st.integers(1, 65535),
    token=st.text(ALPHABET, min_size=32, max_size=32),
    name=st.text(st.characters(categories=["L", "N", "P"]), max_size=80),
)
def test_every_farm_can_spell_its_join_string(hosts: list[str], port: int, token: str, name: str) -> None:
    addresses = [f"{host}:{port}" for host in hosts]
    assert parse_join(format_join(addresses, KEY, token, name)) == JoinString(tuple(addresses), KEY, token, name)
