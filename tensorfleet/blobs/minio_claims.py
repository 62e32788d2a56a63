"""Marks beside the blobs: `claim-<hex>-use-<uuid>` of a command on its way, `claim-<hex>-drop-<uuid>` of a collector.

Each side puts its mark first and looks for the other's then, so one of the two sees the other. All that is asked of
the store is that a list shows what was put before it. A mark is as old as the store's own clock says. Their names have
no slash: a store that makes folders of slashes may be removing an empty one while a mark is put into it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from typing import Final
from uuid import uuid4

from minio import Minio

from tensorfleet.blobs.claims import CLAIM_SECONDS
from tensorfleet.blobs.minio_client import translated
from tensorfleet.domain.errors import BlobsUnavailable

PREFIX: Final = "claim-"
_USE, _DROP = "use-", "drop-"
_LOG = logging.getLogger(__name__)


class MinioMarks:
    """Every method blocks; BlobsUnavailable. `key` is that of a mark."""

    def __init__(self, client: Minio, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put_use(self, checksum: str) -> str:
        return self._put(checksum, _USE)

    def put_drop(self, checksum: str) -> str:
        return self._put(checksum, _DROP)

    def is_being_dropped(self, checksum: str, own: str) -> bool:
        """Whether a collector is at work on the blob; `own` is the mark of whoever asks."""
        return self._others(checksum, own, _DROP)

    def is_in_use(self, checksum: str, own: str) -> bool:
        return self._others(checksum, own, _USE)

    def remove(self, key: str) -> None:
        with translated():
            self._client.remove_object(self._bucket, key)

    def remove_quietly(self, key: str) -> None:
        try:
            self.remove(key)
        except BlobsUnavailable as error:
            _LOG.warning("the mark %s stays until it runs out: %s", key, error)

    def _put(self, checksum: str, kind: str) -> str:
        key = f"{PREFIX}{checksum}-{kind}{uuid4().hex}"
        with translated():
            self._client.put_object(self._bucket, key, BytesIO(b""), 0)
        return key

    def _others(self, checksum: str, own: str, kind: str) -> bool:
        placed = dict(self._placed(checksum))
        if own not in placed:
            raise BlobsUnavailable("The blob store does not list what was just put into it.")
        start = f"{PREFIX}{checksum}-{kind}"
        ages = [(placed[own] - at).total_seconds() for key, at in placed.items() if key.startswith(start)]
        return any(age < CLAIM_SECONDS for age in ages)

    def _placed(self, checksum: str) -> Iterator[tuple[str, datetime]]:
        with translated():
            for one in self._client.list_objects(self._bucket, f"{PREFIX}{checksum}-", recursive=True):
                assert one.last_modified is not None
                yield str(one.object_name), one.last_modified
