"""Snapshots as objects beside the blobs, below `snapshots/`."""

from __future__ import annotations

import asyncio
from io import BytesIO

from minio import Minio

from tensorfleet.blobs.minio_client import NoSuchBlob, be_patient, translated


class MinioSnapshots:
    def __init__(self, client: Minio, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    async def load(self, name: str) -> bytes | None:
        return await asyncio.to_thread(self._load, name)

    async def save(self, name: str, content: bytes) -> None:
        await asyncio.to_thread(self._save, name, content)

    def _load(self, name: str) -> bytes | None:
        try:
            with translated():
                response = self._client.get_object(self._bucket, _key(name))
                try:
                    be_patient(response)
                    return response.read()
                finally:
                    response.release_conn()
        except NoSuchBlob:
            return None

    def _save(self, name: str, content: bytes) -> None:
        with translated():
            self._client.put_object(self._bucket, _key(name), BytesIO(content), len(content))


def _key(name: str) -> str:
    return f"snapshots/{name}"
