"""Brings content into a blob store: copied or shared into a draft and hashed, then settled many at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from peerfarm.model.blob import EMPTY_ID, BlobId, BlockList
from peerfarm.store.blobs.api import GoneReason
from peerfarm.store.blobs.contents import Contents
from peerfarm.store.blobs.disk import Note, create, disk_error, remove, write_all
from peerfarm.store.blobs.layout import Draft, Layout, discard
from peerfarm.store.blobs.partial import Partial, encode_list
from peerfarm.store.blobs.reading import copy_steadily
from peerfarm.store.blobs.sharing import share
from peerfarm.store.blobs.stock import Hold, Stock


class Intake:
    """Writes for a BlobStore."""

    def __init__(self, layout: Layout, stock: Stock, contents: Contents) -> None:
        self._layout = layout
        self._stock = stock
        self._contents = contents

    def draft_of(self, path: Path, note: Note, *, is_own: bool) -> tuple[Draft, os.stat_result]:
        """Copy a file in and hash it, with room set aside; see BlobStore."""
        target = self._layout.new_draft()
        aside_bytes = 0

        def set_aside(size_bytes: int) -> None:
            nonlocal aside_bytes
            self._stock.give_back(aside_bytes)
            aside_bytes = 0
            self._stock.set_aside(size_bytes, is_frame=is_own)
            aside_bytes = size_bytes

        try:
            shared = share(path, target, note, set_aside) if is_own else None
            blocks, status = shared or copy_steadily(
                path, target, follows_links=not is_own, note=note, set_aside=set_aside
            )
            return self._with_list(blocks, target), status
        except BaseException:
            self._stock.give_back(aside_bytes)
            remove(target)
            raise

    def draft_of_bytes(self, blocks: BlockList, raw: bytes) -> Draft:
        """Write what is in memory, with room set aside. Raises StoreError."""
        self._stock.set_aside(len(raw))
        try:
            return self._write(blocks, raw)
        except BaseException:
            self._stock.give_back(len(raw))
            raise

    def settle(self, drafts: Sequence[Draft], hold: Hold) -> None:
        """Make drafts durable and whole; see BlobStore."""
        hold.add(draft.id for draft in drafts)
        try:
            self._settle(drafts, is_aside=True)
        except BaseException:
            for draft in drafts:
                self.give_up(draft)
            raise

    def give_up(self, draft: Draft) -> None:
        """Remove a draft that is not wanted."""
        discard(draft)
        self._stock.give_back(draft.blocks.size_bytes)

    def finish(self, fetched: Sequence[tuple[Partial, bytes | None]]) -> None:
        """Make begun blobs whole that have all their blocks; those of one block bring it along.

        Raises:
            StoreError: None of them is whole. After a failed sync the system may have dropped what it was to write, so
                what had been fetched of them is dropped too.
        """
        drafts: list[Draft] = []
        is_settling = False
        try:
            with self._stock.hold() as hold:
                for partial, data in fetched:
                    if data is None:
                        drafts.append(Draft(partial.blocks, partial.path, partial.list_path))
                    else:
                        drafts.append(self._write(BlockList(len(data), partial.blocks.hashes), data))
                hold.add(draft.id for draft in drafts)
                is_settling = True
                self._settle(drafts, is_aside=False)
        except BaseException:
            for partial, data in fetched:
                partial.doubt()
                if data is None and is_settling:
                    self._stock.forget(partial.ref.id, GoneReason.DAMAGED)
            for draft in drafts:
                if draft.list_path is None:
                    discard(draft)
            raise

    def _settle(self, drafts: Sequence[Draft], *, is_aside: bool) -> None:
        fresh: dict[BlobId, Draft] = {}
        double = []
        for draft in drafts:
            if draft.id in fresh or self._is_here(draft.id):
                double.append(draft)
            else:
                fresh[draft.id] = draft
        self._layout.settle(list(fresh.values()))
        for draft in fresh.values():
            size_bytes = draft.blocks.size_bytes
            former = self._stock.complete(draft.id, size_bytes, size_bytes if is_aside else 0)
            if former is not None and former.path != draft.path:
                former.discard()
            self._contents.note_sound(draft.id)
        for draft in double:
            discard(draft)
            if is_aside:
                self._stock.give_back(draft.blocks.size_bytes)
            self._contents.use(draft.id)

    def _is_here(self, id_: BlobId) -> bool:
        """Whether it is here as a whole, its file too: somebody may have removed that."""
        return self._stock.size_of(id_) is not None and (id_ == EMPTY_ID or self._layout.file_of(id_).exists())

    def _write(self, blocks: BlockList, raw: bytes) -> Draft:
        target = self._layout.new_draft()
        try:
            with create(target) as file:
                write_all(file, raw)
            return self._with_list(blocks, target)
        except BaseException as error:
            remove(target)
            if isinstance(error, OSError):
                raise disk_error(error, "writing a file", target.parent) from error
            raise

    def _with_list(self, blocks: BlockList, target: Path) -> Draft:
        if len(blocks.hashes) <= 1:
            return Draft(blocks, target, None)
        list_path = self._layout.new_draft()
        try:
            with create(list_path) as file:
                write_all(file, encode_list(blocks))
        except OSError as error:
            remove(list_path)
            raise disk_error(error, "writing a file", list_path.parent) from error
        return Draft(blocks, target, list_path)
