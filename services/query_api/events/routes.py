"""The public feed over HTTP: in pages, for replay, and as a stream of server-sent events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.query_api.events.places import Places, no_such_place
from services.query_api.events.rendering import EVENT_TYPES, Wanted
from services.query_api.events.streams import EventStreams
from services.query_api.gate import ReadGate, docs
from services.query_api.tenancy import names_of
from tensorfleet.access.principal import NamePrefix, Principal
from tensorfleet.domain.errors import FieldError, InvalidCommand
from tensorfleet.domain.names import MODEL_ID
from tensorfleet.events.feed import NoSuchPlace, Place
from tensorfleet.http.access.guard import principal_of
from tensorfleet.http.conditional import conditional_json
from tensorfleet.http.event_stream import OpenStreams
from tensorfleet.http.query_parameters import Parameter, QueryParameters

DEFAULT_LIMIT: Final = 100
MOST_PLACE: Final = 4_096
LAST_EVENT_ID: Final = "Last-Event-ID"
AFTER: Final = Parameter("after", "Where to begin: `next` of the page before, the id of an event, or 0.")
TYPE: Final = Parameter(
    "type",
    "Only events of these types; several with commas between them.",
    {"type": "string", "examples": ["ModelRegistered,ModelVersioned"]},
)
MODEL: Final = Parameter("model_id", "Only events of this model.", {"type": "string", "pattern": MODEL_ID.pattern})


def event_routes(
    gate: ReadGate,
    streams: EventStreams,
    open_streams: OpenStreams,
    places: Places,
    most: int,
    still_counts: Callable[[Principal], bool],
) -> APIRouter:
    router = APIRouter(prefix="/api/v1/events", tags=["events"])
    default = min(DEFAULT_LIMIT, most)
    limit_schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    filters = (AFTER, TYPE, MODEL)
    paged = (*filters, Parameter("limit", "Events on a page.", limit_schema))

    @router.get("", **docs("list_events", "What happened to all models, oldest first", paged))
    async def events(request: Request) -> Response:
        parameters = await gate.enter(request, paged)
        wanted, limit = _wanted(parameters, names_of(request)), parameters.integer("limit", default, 1, most)
        place = _place(parameters, places) or places.beginning
        try:
            page = await streams.pages.after(place, wanted, limit)
        except NoSuchPlace as error:
            raise no_such_place(AFTER.name) from error
        members = {
            "events": [one.members() for one in page.events],
            "next": places.token(page.next),
            "more": page.more,
        }
        return conditional_json(request, members)

    @router.get("/stream", **_stream_docs(filters))
    async def stream(request: Request) -> Response:
        parameters = await gate.enter(request, filters)
        wanted, place = _wanted(parameters, names_of(request)), _place(parameters, places)
        last = _last_event_id(request)
        field = AFTER.name if last is None else LAST_EVENT_ID
        if last is not None:
            place = places.place(last, LAST_EVENT_ID)
        try:
            found = await streams.begin(place, wanted)
        except NoSuchPlace as error:
            raise no_such_place(field) from error
        principal = principal_of(request)
        return open_streams.answer(found.chunks(), lambda: still_counts(principal))

    return router


def _wanted(parameters: QueryParameters, names: NamePrefix | None) -> Wanted:
    types, model_id = parameters.entries(TYPE.name), parameters.text(MODEL.name)
    unknown = [one for one in types if one not in EVENT_TYPES]
    if unknown:
        message = f"must be of {', '.join(EVENT_TYPES)}"
        raise InvalidCommand(f"type: {message}", [FieldError(TYPE.name, message)])
    if model_id is not None and MODEL_ID.fullmatch(model_id) is None:
        raise InvalidCommand.of(MODEL.name, "is not the id of a model")
    return Wanted(frozenset(types) if types else None, model_id, names)


def _place(parameters: QueryParameters, places: Places) -> Place | None:
    text = parameters.text(AFTER.name, MOST_PLACE)
    return None if text is None else places.place(text, AFTER.name)


def _last_event_id(request: Request) -> str | None:
    """A browser that comes back sends it beside the `after` of its address, which is older. Empty is none."""
    given = [one for one in request.headers.getlist(LAST_EVENT_ID) if one]
    if len(given) > 1:
        raise InvalidCommand.of(LAST_EVENT_ID, "is given more than once")
    return given[0] if given else None


def _stream_docs(filters: tuple[Parameter, ...]) -> dict[str, Any]:
    documented = docs("stream_events", "What happens to models, as it happens: server-sent events", filters)
    last = {
        "name": LAST_EVENT_ID,
        "in": "header",
        "description": "The id of the last event that was seen; it goes before `after`.",
        "schema": {"type": "string"},
    }
    parameters = [one for one in documented["openapi_extra"]["parameters"] if one["name"] != "If-None-Match"]
    documented["openapi_extra"]["parameters"] = [*parameters, last]
    stream = {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}}
    documented["responses"][200] = {"description": "A stream that ends only with the process", "content": stream}
    return documented


_EXAMPLE: Final = (
    "id: 7Wb3nQ\n"
    'data: {"id":"019aa5c0-0000-7000-8000-000000000001","type":"ModelArchived","model_id":"d7b44809a0359169b755a703",'
    '"model_name":"tour","sequence":4,"occurred_at":"2026-11-21T15:21:18.819042Z","actor":"anonymous",'
    '"position":"3:1024","data":{"version":null}}\n\n'
)
