"""`tensorfleet presign-user`: the narrow key that signs URLs of storage."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from tensorfleet.blobs.narrow_user import MinioUsers, narrow_policy
from tensorfleet.domain.errors import SettingsInvalid
from tensorfleet.settings import BlobSettings, load
from tensorfleet.settings.presign import PresignSettings


class _Settings(BlobSettings, PresignSettings):
    """Those of the services; the key of MINIO_* must be an administrator's."""


def presign_user(
    policy: Annotated[
        bool, typer.Option("--policy", help="Only print the policy, for a store that is no MinIO.")
    ] = False,
) -> None:
    """Make the user of MinIO whose key is in PRESIGN_ACCESS_KEY and PRESIGN_SECRET_KEY, or give it these rights again:
    to send into staging, and to get files. Exit status: 0 done, 2 it could not be done.
    """
    settings = load(_Settings)
    bucket = settings.minio_bucket
    if policy:
        typer.echo(json.dumps(narrow_policy(bucket), indent=2))
        return
    access_key, secret_key = settings.presign_access_key, settings.presign_secret_key
    if access_key is None or secret_key is None or access_key == settings.minio_access_key:
        raise SettingsInvalid("PRESIGN_ACCESS_KEY and PRESIGN_SECRET_KEY must be set, to others than those of MINIO_*.")
    name = MinioUsers(settings).make(access_key.get_secret_value(), secret_key.get_secret_value(), bucket)
    typer.echo(f"{access_key.get_secret_value()} may do what the policy {name} says, and no more.")
