"""Random ids, minted here and nowhere else."""

from __future__ import annotations

import secrets

from peerfarm.model import ids
from peerfarm.model.ids import BootId, FarmId, JobId, LogId
from peerfarm.node.inputs import Minted

TOKEN_LENGTH = 32


def mint_text(length: int) -> str:
    """That many random base32 characters."""
    return ids.id_from_bytes(secrets.token_bytes((length * 5 + 7) // 8), length)


def mint() -> Minted:
    """The ids that a request may need."""
    return Minted(JobId(mint_text(ids.JOB_ID_LENGTH)), FarmId(mint_text(ids.FARM_ID_LENGTH)), mint_text(TOKEN_LENGTH))


def mint_boot() -> BootId:
    """The id of this start."""
    return BootId(mint_text(8))


def mint_log() -> LogId:
    """The id of a log to open."""
    return LogId(mint_text(ids.LOG_ID_LENGTH))
