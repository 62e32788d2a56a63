"""The port to stored files: what every blob store promises, whatever it is made of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from tensorfleet.blobs.claims import Claims


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """`checksum` is 64 hex digits; `already_there`: equal content was stored before."""

    checksum: str
    size_bytes: int
    already_there: bool


class BlobReader(Protocol):
    """An open blob: iterate once for its bytes, in order, in chunks of at most 1 MiB.

    The chunks add up to exactly the length asked for; if the store fails on the way, BlobsUnavailable is raised out
    of the iteration, and a short read never ends it silently. Of a blob that is opened `verified`, the last chunk comes
    only if all of them have the blob's SHA-256; else BlobCorrupt is raised in its place. `aclose` may be called at any
    time, more than once, and gives the connection back; leaving `async with`, reaching the end and failing do it too.
    """

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def __anext__(self) -> bytes: ...

    async def aclose(self) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class BlobStore(Claims, Protocol):
    """Files by their content: the name of a blob is the SHA-256 of its bytes, and the store makes that name.

    A blob is whole or absent, never partly readable, and never changes. Every checksum here is 64 lower-case hex
    digits; every size is in bytes. A store that does not answer raises BlobsUnavailable, and doing the same again
    later is safe.
    """

    async def ensure_bucket(self) -> None:
        """Create the place that blobs live in, unless it is there. Idempotent, also against a concurrent caller."""

    async def available(self) -> bool:
        """Whether the store answers and its bucket is there; False after about 2 seconds without an answer."""

    async def put(
        self, chunks: AsyncIterator[bytes], *, expected_checksum: str | None, max_bytes: int, renew: bool = False
    ) -> StoredBlob:
        """Store what `chunks` yields, hashing it on the way; memory in use does not grow with its length.

        When this returns, the blob can be read. When it raises, this call made nothing readable, and no part of the
        content stays behind if the store can still be reached. TooLarge: more than `max_bytes` came; raised at
        once, the rest is not read. ChecksumMismatch: the content is not the expected one. What `chunks` raises
        (the sender went away) is raised unchanged, and so is a cancellation; only a cancellation that comes while
        the last bytes are being confirmed may leave the whole, correct blob behind.

        Idempotent: equal content is stored once, and the second put answers `already_there`. With `renew` it is stored
        in any case, in the place of what may be damaged.
        """
        raise NotImplementedError

    async def size(self, checksum: str) -> int | None:
        """The size of a blob in bytes, or None if there is no such blob."""

    async def open(self, checksum: str, start: int, length: int, *, verified: bool = False) -> BlobReader:
        """Open `length` bytes from offset `start`, which must lie inside the blob. Only a whole blob can be `verified`.

        BlobMissing or BlobsUnavailable come from here, before there is a first byte.
        """
        raise NotImplementedError
