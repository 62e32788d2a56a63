"""Problem answers (RFC 9457): the one table from error classes to HTTP statuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from tensorfleet.domain import errors
from tensorfleet.domain.errors import FieldError, InvalidCommand, RegistryError
from tensorfleet.http.json import dumps
from tensorfleet.http.problem_pages import PAGE

STATUS_OF: Mapping[type[RegistryError], int] = {
    errors.InvalidCommand: 422,
    errors.Rejected: 409,
    errors.NotFound: 404,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.UnsupportedMediaType: 415,
    errors.TooManyRequests: 429,
    errors.Malformed: 400,
    errors.TooSlow: 408,
    errors.HeadersTooLarge: 431,
    errors.TooLarge: 413,
    errors.KeyReused: 422,
    errors.ChecksumMismatch: 422,
    errors.ArtifactQuarantined: 403,
    errors.PositionNotReached: 504,
    errors.DependencyUnavailable: 503,
    errors.StorageFull: 507,
}
HTTP_CODES = {404: "no-such-route", 405: "method-not-allowed", 416: "range-not-satisfiable"}
INTERNAL = "internal-error"
TITLES = {401: "Invalid API key"}
"""Where it is not the phrase of the status."""
CHALLENGE = 'Bearer realm="tensorfleet"'


def status_of(error: RegistryError) -> int:
    """The status of the nearest class in the table; KeyError for errors that are no answer (Fatal)."""
    return next(STATUS_OF[one] for one in type(error).__mro__ if one in STATUS_OF)


def problem_members(error: RegistryError) -> dict[str, Any]:
    """The members of the problem answer; also what a failed operation of a batch carries."""
    status = status_of(error)
    members = _members(status, error.code, error.detail)
    if isinstance(error, InvalidCommand | errors.SeveralNotFound) and error.errors:
        members["errors"] = [_error_members(one) for one in error.errors]
    model_id = getattr(error, "model_id", None)
    if model_id is not None:
        members["model_id"] = model_id
    if isinstance(error, errors.DependencyUnavailable | errors.TooManyRequests):
        members["retry_after"] = error.retry_after_seconds
    return members


def _error_members(error: FieldError) -> dict[str, Any]:
    place = {} if error.position is None else {"position": error.position}
    return {"field": _printable(error.field), "message": error.message, **place}


def problem_response(members: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    headers = {"Cache-Control": "no-store", **(headers or {})}
    if "retry_after" in members:
        headers["Retry-After"] = str(members["retry_after"])
    if members["status"] == 401:
        headers["WWW-Authenticate"] = CHALLENGE
    return Response(dumps(members), int(members["status"]), headers, media_type="application/problem+json")


def install(app: FastAPI, on_unexpected: Callable[[BaseException], None]) -> None:
    """Make every error of `app` a problem answer. What is no answer is given to `on_unexpected` as well."""

    async def on_registry_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, RegistryError)
        return problem_response(problem_members(error))

    async def on_http_exception(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = HTTP_CODES.get(error.status_code, "http-error")
        detail = f"{request.method} {_printable(request.url.path)}: {error.detail}."
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_allowed(request))
            if request.method == "OPTIONS":
                return Response(status_code=204, headers=headers)
        return problem_response(_members(error.status_code, code, detail), headers)

    async def on_validation_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return problem_response(problem_members(invalid(error.errors())))

    async def on_surprise(_: Request, error: Exception) -> Response:
        if not isinstance(error, ClientDisconnect) and not isinstance(error.__cause__, ClientDisconnect):
            on_unexpected(error)
        return problem_response(_members(500, INTERNAL, "The registry met an error that it does not know."))

    app.add_exception_handler(Exception, on_surprise)
    app.add_exception_handler(RegistryError, on_registry_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(RequestValidationError, on_validation_error)


def _allowed(request: Request) -> list[str]:
    """Every method that some route takes at this path; Starlette names those of the first route alone."""
    path = request.url.path
    here = [one.methods for one in request.app.routes if isinstance(one, Route) and one.path_regex.match(path)]
    return sorted({"OPTIONS", *(method for methods in here for method in methods or ())})


def invalid(pydantic_errors: Any) -> InvalidCommand:
    """Pydantic's list of errors as one InvalidCommand."""
    found = [
        FieldError(".".join(str(part) for part in one["loc"] if part not in ("query", "body")), _message(one))
        for one in pydantic_errors
    ]
    return InvalidCommand(f"{_printable(found[0].field)}: {found[0].message}", found)


def _message(error: Mapping[str, Any]) -> str:
    return "is not a known field" if error["type"] == "extra_forbidden" else str(error["msg"])


def _members(status: int, code: str, detail: str) -> dict[str, Any]:
    title = TITLES.get(status) or HTTPStatus(status).phrase
    return {
        "type": f"{PAGE}#{code}",
        "title": title,
        "status": status,
        "detail": _printable(detail),
        "code": code,
        "error": title,
    }


def _printable(text: str) -> str:
    """`text` without lone surrogates, at most 500 characters: what came from outside may hold anything."""
    return text.encode("utf-8", "replace").decode()[:500]
