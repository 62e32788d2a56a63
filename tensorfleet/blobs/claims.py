"""Holding on to blobs while a command that refers to them is on its way: `kept`, and what a claim is.

Why it is so, and why it is safe: docs/decisions/0020-collecting-blobs.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from tensorfleet.domain.errors import OutcomeUnknown, RegistryError

CLAIM_SECONDS: Final = 900
"""A claim that is older counts no more: its process has died. Far longer than a command takes."""
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Claim:
    """`key` is where the store keeps it."""

    checksum: str
    key: str


class Claims(Protocol):
    async def claim(self, checksum: str) -> Claim:
        """Keep a stored blob from being collected, until `release` or for CLAIM_SECONDS.

        BlobMissing if it is not stored (any more). BlobsUnavailable if the store does not answer, or a collector
        that is at work on this blob takes longer than some seconds.
        """
        raise NotImplementedError

    def release(self, claim: Claim) -> None:
        """Let it go, soon; does not wait. A claim that can't be let go runs out by itself."""


@asynccontextmanager
async def kept(store: Claims, checksums: Iterable[str]) -> AsyncIterator[None]:
    """Inside, these blobs are stored and stay so. BlobMissing, naming one that is not.

    If it is left without knowing how the command ended, the claims stay: it may still get into the log.
    """
    claims: list[Claim] = []
    try:
        wanted = sorted(set(checksums))
        for start in range(0, len(wanted), _AT_ONCE):
            await _claim(store, wanted[start : start + _AT_ONCE], claims)
        yield
    except OutcomeUnknown:
        raise
    except RegistryError:
        _release(store, claims)
        raise
    _release(store, claims)


async def _claim(store: Claims, checksums: Iterable[str], claims: list[Claim]) -> None:
    """What could be claimed is in `claims`, also if one could not."""
    outcomes = await asyncio.gather(*map(store.claim, checksums), return_exceptions=True)
    claims.extend(one for one in outcomes if isinstance(one, Claim))
    for one in outcomes:
        if isinstance(one, BaseException):
            raise one


def _release(store: Claims, claims: Iterable[Claim]) -> None:
    for one in claims:
        store.release(one)
