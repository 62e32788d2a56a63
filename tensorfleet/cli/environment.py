"""What the commands take from the environment, under the same names as the services, and the options they share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from tensorfleet.domain.names import MODEL_ID
from tensorfleet.events.topics import Topics
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.settings import BlobSettings, LogSettings, load

if TYPE_CHECKING:
    from tensorfleet.blobs.minio_store import MinioBlobStore

CLIENT_ID = "tensorfleet-cli"


def _model_id(text: str | None) -> str | None:
    if text is not None and MODEL_ID.fullmatch(text) is None:
        raise typer.BadParameter("a model id is 24 hex digits")
    return text


ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="ID", callback=_model_id, help="Only this model.", show_default=False)
]
RegistryOption = Annotated[
    str | None, typer.Option("--registry", metavar="NAME", help="Instead of REGISTRY_ID.", show_default=False)
]


def log_settings(registry: str | None) -> LogSettings:
    return load(LogSettings) if registry is None else load(LogSettings, registry_id=registry)


def log_reader(settings: LogSettings) -> TopicReader:
    return TopicReader(settings.kafka, Topics(settings.registry_id).log, CLIENT_ID)


@contextmanager
def blob_store() -> Iterator[MinioBlobStore]:
    from tensorfleet.blobs import connection  # a fifth of the start of a command, and few need it

    with connection.blob_store(load(BlobSettings)) as store:
        yield store
