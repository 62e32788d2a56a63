"""A command on its way, and the receipt of one that is done."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from tensorfleet.access.principal import NamePrefix
from tensorfleet.domain.commands import Command
from tensorfleet.domain.events import BlobFile, ModelVersioned
from tensorfleet.domain.model import DeletedModel, Model, NeverRegistered
from tensorfleet.domain.versions import ModelVersion
from tensorfleet.events.envelope import Envelope, Position


@dataclass(frozen=True, slots=True)
class CommandKey:
    """What makes a retry recognisable: `command_id` from the client's idempotency key, `hash` over its request."""

    command_id: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a command brought about. `event_type` is None if what it asked for was already so.

    `version` is the one the command was about, or the newest; `status` is that of the model, or of that version.
    """

    event_type: str | None
    model_id: str
    model_name: str
    version: str
    parent_version: str | None
    status: str
    file: BlobFile | None
    position: Position
    replayed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Submission:
    """A command that waits for its turn. `done` is settled once: a Receipt, or the error to answer with.

    `model_name` is that of a model to be registered, else empty: the owner knows the others. To `names` the owner
    holds the model's own name: what they do not cover is not there.
    """

    model_id: str
    model_name: str
    command: Command
    command_id: str
    command_hash: bytes | None
    actor: str
    traceparent: str | None
    done: asyncio.Future[Receipt] = field(repr=False)
    names: NamePrefix | None = None

    def known_again(self) -> Submission:
        """The same command so that its owner knows it again if it comes twice, also without a key of the client."""
        return self if self.command_hash is not None else replace(self, command_hash=NO_KEY)


NO_KEY = bytes(32)
"""The hash of a command that only a forwarding instance may repeat."""


class NotTheOwner(Exception):
    """This instance does not own the partition (any more); `owner_url` does, if anyone is known to."""

    def __init__(self, owner_url: str | None) -> None:
        super().__init__(owner_url)
        self.owner_url = owner_url


class OwnerUnreachable(Exception):
    """The owner did not answer. `sent`: it may have got the command all the same."""

    def __init__(self, sent: bool) -> None:
        super().__init__(sent)
        self.sent = sent


def receipt_for(envelope: Envelope, model: Model, position: Position) -> Receipt:
    """The receipt of an accepted event; `model` is the state after it."""
    event = envelope.event
    return _receipt(
        type(event).__name__,
        envelope.model_id,
        envelope.model_name,
        model,
        getattr(event, "version", None),
        event.parent_version if isinstance(event, ModelVersioned) else None,
        position,
    )


def receipt_for_nothing(submission: Submission, model: Model, position: Position) -> Receipt:
    """The receipt of a command that found its wish fulfilled; `position` is the end of what was read."""
    version = getattr(submission.command, "version", None)
    named = None if version is None else str(version)
    return _receipt(None, submission.model_id, submission.model_name, model, named, None, position)


def _receipt(
    event_type: str | None,
    model_id: str,
    name: str,
    model: Model,
    version: str | None,
    parent_version: str | None,
    position: Position,
) -> Receipt:
    status, file = "deleted", None
    if isinstance(model, NeverRegistered):
        status, newest = "never registered", ""
    elif isinstance(model, DeletedModel):
        newest = str(model.was.newest.number)
    else:
        newest = str(model.newest.number)
        named = None if version is None else model.versions.get(ModelVersion.parse(version))
        status = str(named.status if named else model.status)
        file = (named or model.newest).file
    return Receipt(event_type, model_id, name, version or newest, parent_version, status, file, position)
