"""The books of a blob store against the plainest way to keep them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerfarm.errors import DiskFull
from peerfarm.model.blob import BlobId
from peerfarm.store.blobs.shelf import Shelf

IDS = st.integers(0, 5).map(lambda number: BlobId(bytes([number]) * 32))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), IDS, st.integers(0, 9)),
        st.tuples(st.sampled_from(["remove", "use", "keep", "let_go", "evict"]), IDS, st.just(0)),
    ),
    max_size=40,
)


@given(STEPS)
def test_the_books_agree_with_plain_lists(steps: list[tuple[str, BlobId, int]]) -> None:
    shelf = Shelf(100)
    sizes: dict[BlobId, int] = {}
    order: list[BlobId] = []
    reasons: list[BlobId] = []
    for what, id_, size in steps:
        if what == "add":
            shelf.add(id_, size)
            sizes.setdefault(id_, size)
        elif what == "evict":
            loose = [one for one in order if one in sizes and one not in reasons]
            assert shelf.oldest() == (loose[0] if loose else None)
        elif what == "let_go":
            if id_ not in reasons:
                continue
            shelf.let_go([id_])
            reasons.remove(id_)
        elif what == "keep":
            shelf.keep([id_])
            reasons.append(id_)
        elif what == "remove":
            shelf.remove(id_)
            sizes.pop(id_, None)
        else:
            shelf.use(id_)
        if what in {"add", "use"} or (what == "let_go" and id_ not in reasons):
            order = [one for one in order if one != id_] + [id_]
        assert shelf.bytes == sum(sizes.values())
        assert shelf.pinned_bytes == sum(size for one, size in sizes.items() if one in reasons)
        assert set(shelf) == sizes.keys()
        assert len(shelf) == len(sizes)
        assert {one: shelf.size_of(one) for one in sizes} == sizes


def test_what_fits_beside_the_pinned_tells_how_much_must_go() -> None:
    shelf = Shelf(105)
    first, second = BlobId(b"a" * 32), BlobId(b"b" * 32)
    shelf.add(first, 40)
    shelf.add(second, 50)
    shelf.keep([first])
    assert shelf.reserve_bytes == 5
    assert shelf.too_much(10) == 0
    assert shelf.too_much(30) == 20
    assert shelf.too_much(60) == 50
    with pytest.raises(DiskFull, match="61"):
        shelf.too_much(61)
    assert [shelf.too_much(size_bytes, is_frame=True) for size_bytes in (15, 16, 65, 66)] == [0, 1, 50, 51]
    shelf.set_aside_bytes = 10
    with pytest.raises(DiskFull):
        shelf.too_much(51)
