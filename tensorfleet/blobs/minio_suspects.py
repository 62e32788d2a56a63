"""Suspects as empty objects beside the blobs: `suspects/<hex>/<model id>/<version>`."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Final

from minio import Minio

from tensorfleet.blobs.minio_client import translated
from tensorfleet.blobs.suspects import Suspect

_PREFIX: Final = "suspects/"
_PARTS: Final = 3


class MinioSuspects:
    def __init__(self, client: Minio, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    async def report(self, suspect: Suspect) -> None:
        def call() -> None:
            with translated():
                self._client.put_object(self._bucket, _key(suspect), BytesIO(b""), 0)

        await asyncio.to_thread(call)

    async def all(self) -> list[Suspect]:
        def call() -> list[str]:
            with translated():
                listed = self._client.list_objects(self._bucket, _PREFIX, recursive=True)
                return [str(one.object_name) for one in listed]

        parts = [key.removeprefix(_PREFIX).split("/") for key in await asyncio.to_thread(call)]
        return [Suspect(*one) for one in parts if len(one) == _PARTS]

    async def clear(self, suspect: Suspect) -> None:
        def call() -> None:
            with translated():
                self._client.remove_object(self._bucket, _key(suspect))

        await asyncio.to_thread(call)


def _key(suspect: Suspect) -> str:
    return f"{_PREFIX}{suspect.checksum}/{suspect.model_id}/{suspect.version}"
