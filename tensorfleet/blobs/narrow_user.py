"""The user of storage whose key signs URLs: what it may do, and making it on a MinIO."""

from __future__ import annotations

from typing import Any

from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from urllib3.exceptions import HTTPError

from tensorfleet.blobs.minio_client import pool_of
from tensorfleet.blobs.minio_inventory import BLOBS
from tensorfleet.blobs.staging import STAGED
from tensorfleet.domain.errors import BlobsUnavailable
from tensorfleet.settings import BlobSettings


def narrow_policy(bucket: str) -> dict[str, Any]:
    """As S3 and MinIO take it: send into staging, and get blobs. No listing, no deleting, no other key."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": [f"arn:aws:s3:::{bucket}/{STAGED}*"]},
            {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{bucket}/{BLOBS}*"]},
        ],
    }


class MinioUsers:
    """Of a MinIO; the settings' key must be that of an administrator."""

    def __init__(self, settings: BlobSettings) -> None:
        self._admin = MinioAdmin(
            endpoint=settings.minio_endpoint,
            credentials=StaticProvider(
                settings.minio_access_key.get_secret_value(), settings.minio_secret_key.get_secret_value()
            ),
            secure=settings.minio_secure,
            http_client=pool_of(1, settings.minio_ca_file),
        )

    def make(self, access_key: str, secret_key: str, bucket: str) -> str:
        """The user with this key and no other policy than `narrow_policy`; the policy's name. Idempotent.

        BlobsUnavailable: it does not answer, is no MinIO, or does not take the settings' key for an administrator's.
        """
        name = f"presign-{bucket}"
        try:
            self._admin.policy_add(name, policy=narrow_policy(bucket))
            self._admin.user_add(access_key, secret_key)
            self._admin.policy_set(name, user=access_key)
        except MinioAdminException as error:
            raise BlobsUnavailable(f"The blob store refused to make the user: {error}.") from error
        except (HTTPError, OSError) as error:
            raise BlobsUnavailable(f"The blob store does not answer: {type(error).__name__}.") from error
        return name
