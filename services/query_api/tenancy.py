"""What a key sees that is limited to a prefix of model names: of everything else nothing, not even that it is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from services.query_api.gate import checked_id
from tensorfleet.access.denials import Reason
from tensorfleet.access.principal import NamePrefix
from tensorfleet.domain.errors import Forbidden, ModelNotFound
from tensorfleet.http.access.guard import note_denial, principal_of
from tensorfleet.mongo.read_models import MODELS, Document, ReadModels

Condition = Mapping[str, Any]


def names_of(request: Request) -> NamePrefix | None:
    """What the key is limited to; None for all models."""
    return principal_of(request).names


def named(names: NamePrefix, field: str = "name") -> Condition:
    """A range of `field`, for MongoDB: it compares text by code points, as the prefix does."""
    after = names.after
    return {field: {"$gte": names.text, **({} if after is None else {"$lt": after})}}


async def known_model(reads: ReadModels, request: Request, model_id: str) -> Document:
    """A model, deleted or not. ModelNotFound for an id that is none, is unknown, or is not for this key."""
    model = await reads.one(MODELS, checked_id(model_id))
    if model is None:
        raise ModelNotFound(model_id)
    if not principal_of(request).sees(model["name"]):
        note_denial(request, Reason.FOREIGN)
        raise ModelNotFound(model_id)
    return model


def refuse_limited(request: Request, what: str) -> None:
    """Forbidden where it would take too long to leave out the models of others."""
    if names_of(request) is not None:
        raise Forbidden(f"{what}: the key is limited to some models.")
