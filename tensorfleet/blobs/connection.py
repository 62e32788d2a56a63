"""The blob store of one process, as its settings say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tensorfleet.blobs.minio_store import MinioBlobStore
from tensorfleet.settings import BlobSettings


@contextmanager
def blob_store(settings: BlobSettings) -> Iterator[MinioBlobStore]:
    """Nothing is sent yet. Uploads under way must have ended when it is left."""
    store = MinioBlobStore.connect(
        settings.minio_endpoint,
        settings.minio_access_key.get_secret_value(),
        settings.minio_secret_key.get_secret_value(),
        settings.minio_bucket,
        settings.minio_secure,
        ca_file=settings.minio_ca_file,
    )
    try:
        yield store
    finally:
        store.close()
