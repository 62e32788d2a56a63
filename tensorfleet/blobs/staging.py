"""The port to files that clients send to storage themselves, in parts: where they are until they are verified.

What the registry knows of such an upload is a record beside the parts, so that every instance can go on with it. Why it
is so: docs/decisions/0023-presigned-transfer.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

STAGED: Final = "staging/"
"""What the keys of all of them begin with."""
MOST_PARTS: Final = 1_000
LEAST_PART_BYTES: Final = 5 * 1024 * 1024
MOST_PART_BYTES: Final = 5 * 1024**3
"""S3's own limits of a part; of parts it takes 10,000, which would be ten pages of each list."""
USUAL_PART_BYTES: Final = 16 * 1024 * 1024
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StagedUpload:
    """`checksum` is what was announced, as 64 hex digits; times are in microseconds since 1970.

    `owner` is whoever may go on with it; `request` tells a repeated beginning from another one under the same
    idempotency key. `store_id` is the store's own name of the upload. `attached`: its event is in the log.
    """

    upload_id: str
    model_id: str
    version: str
    filename: str
    size_bytes: int
    checksum: str
    part_bytes: int
    owner: str
    request: str
    store_id: str
    expires_at: int
    attached: bool = False

    @property
    def key(self) -> str:
        return staging_key(self.upload_id)

    @property
    def part_count(self) -> int:
        return -(-self.size_bytes // self.part_bytes)

    def offset_of(self, number: int) -> int:
        """Parts are numbered from 1."""
        return (number - 1) * self.part_bytes

    def size_of(self, number: int) -> int:
        return min(self.part_bytes, self.size_bytes - self.offset_of(number))


@dataclass(frozen=True, slots=True)
class StagedPart:
    """`etag` is the MD5 of a part on most stores."""

    number: int
    size_bytes: int
    etag: str


class Staging(Protocol):
    """BlobsUnavailable from every method, if the store does not answer; doing the same again later is safe."""

    async def begin(self, upload_id: str) -> str:
        """Let parts be sent to `staging_key(upload_id)`; the store's name of the upload."""
        raise NotImplementedError

    async def save(self, upload: StagedUpload) -> None:
        """Keep the record, in the place of an earlier one."""

    async def load(self, upload_id: str) -> StagedUpload | None:
        raise NotImplementedError

    async def parts(self, upload: StagedUpload) -> list[StagedPart] | None:
        """Those that are there, by number; None if they have been put together, or thrown away."""
        raise NotImplementedError

    async def assemble(self, upload: StagedUpload, parts: Sequence[StagedPart]) -> None:
        """Put the parts together; after that no URL changes the file. Nothing happens if that was done before."""

    async def has_file(self, upload: StagedUpload) -> bool:
        """Whether the parts were put together, and the file is there."""
        raise NotImplementedError

    async def adopt(self, upload: StagedUpload, *, renew: bool) -> None:
        """Read the whole file, and make it the blob of its checksum; memory in use does not grow with its length.

        ChecksumMismatch if it is not what was announced, in size or content: then there is no blob of it. With `renew`
        the blob is stored in any case, in the place of what may be damaged. Idempotent.
        """

    async def drop_file(self, upload: StagedUpload) -> None:
        """Remove what was put together; the record stays."""

    async def discard(self, upload_id: str) -> None:
        """Remove parts, file and record. Idempotent."""

    def all(self) -> AsyncIterator[tuple[str, float]]:
        """The ids of all uploads that have a record, and how many seconds ago it was last saved."""
        raise NotImplementedError


def staging_key(upload_id: str) -> str:
    return f"{STAGED}{upload_id}"


def usual_part_bytes(size_bytes: int) -> int:
    """Whole MiBs, so that there are at most MOST_PARTS."""
    return max(USUAL_PART_BYTES, -(-size_bytes // (MOST_PARTS * _MIB)) * _MIB)
