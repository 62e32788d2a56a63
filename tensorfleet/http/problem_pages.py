"""What each kind of problem means: the page that the `type` of every problem answer points to."""

from __future__ import annotations

from html import escape
from typing import Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse

PAGE: Final = "/docs/problems"
MEANINGS: Final = {
    "malformed": "The request can't be read: not JSON, not UTF-8, nested too deep, or cut off.",
    "unsupported-media-type": "Send JSON as application/json, a file as multipart/form-data or octet-stream.",
    "invalid": "The request parses, and a field, parameter or header of it is wrong; `errors` names each.",
    "query-too-broad": "The list or search would have to look through too many models. `detail` says how to narrow it.",
    "idempotency-key-reused": "The Idempotency-Key came before, with another request. Use a new key.",
    "checksum-mismatch": "The file that came is not the one that was announced. Nothing was recorded.",
    "too-large": "The body or file is larger than the limit that `detail` names.",
    "headers-too-large": "The request line and headers are larger, or more, than the server takes.",
    "too-slow": "The request came too slowly, or not at all. The server has stopped waiting for it.",
    "too-many-requests": "This key or address asks too often, or has too many connections. Wait `retry_after` seconds.",
    "too-busy": "The process has as much under way as it takes on. Try again after `retry_after` seconds.",
    "invalid-key": "Show a key that counts, as X-API-Key or as Authorization: Bearer. None, or this one, does not.",
    "forbidden": "The key is valid and may not do this: a role is missing, or the key is limited to some models.",
    "foreign-page": "A web page of another site sent this. CORS_ORIGINS names the sites whose pages may change things.",
    "foreign-host": "The registry was asked under a name that is not its own. ALLOWED_HOSTS names those that are.",
    "key-not-found": "No key of this id was ever issued.",
    "not-found": "What the path names does not exist.",
    "model-not-found": "No model has this id, or it was deleted.",
    "version-not-found": "The model has no such version, or the version was deleted.",
    "file-not-found": "The model or version has no file yet.",
    "schema-not-found": "There is no schema, subject or schema version of this name.",
    "upload-not-found": "No such upload of yours is open: it was aborted, has expired, or never was.",
    "presign-off": "The operator has not turned on transfers by presigned URLs. Use /upload and /download.",
    "blob-corrupt": "The stored file is damaged: its bytes are not those that were uploaded. It needs an operator.",
    "storage-full": "The blob store has no room left. Nothing was recorded; try again when an operator has made room.",
    "blob-missing": "The file is on record and missing from storage.",
    "no-such-route": "There is nothing at this path.",
    "method-not-allowed": "The path takes other methods; the header Allow names them.",
    "range-not-satisfiable": "The file does not have the range of bytes that was asked for.",
    "conflict": "The state of the model forbids this.",
    "name-taken": "A model of this name exists; `model_id` is its id.",
    "version-has-file": "The version has another file, and a version's file never changes. Make a new version.",
    "other-file": "The version has a file with another checksum than the one that is reported about.",
    "nothing-to-release": "No verdict keeps the file from being downloaded.",
    "other-status": "The model or version does not have the status that `if_status` asks for. Nothing was changed.",
    "artifact-quarantined": "A scan found that the file does harm, or nobody knows yet. An admin can release it.",
    "artifact-corrupt": "What is stored is not the file that was uploaded. Restore it, or make a new version.",
    "upload-incomplete": "Parts of the upload have not been sent, or not as agreed. GET it for their URLs.",
    "upload-over": "The upload is complete. Its file belongs to the version, and can't be aborted.",
    "last-version": "The last version of a model can't be deleted. Delete the model.",
    "blobs-gone": "The deleted model can't be restored, because its files were removed after the grace period.",
    "command-still-running": "A request with the same Idempotency-Key is under way. Ask again in a moment.",
    "model-parked": "Records of the model can't be read or folded. An operator replays or discards them.",
    "parked-records-changed": "The records given are not the parked ones any more. Look at them again.",
    "nothing-parked": "No record of the model waits for an operator.",
    "http-error": "The request is not one that this server understands.",
    "internal-error": "An error of the registry itself. The process ends and starts again; its log has the cause.",
    "dependency-unavailable": "A server that the request needs does not answer. Try again after `retry_after` seconds.",
    "log-unavailable": "Kafka does not take commands at the moment. Nothing was changed; try again.",
    "feed-unavailable": "Kafka does not give out the feed of events at the moment. Try again.",
    "log-halted": "The log is not what it was. Commands are refused until an operator has mended it; see readiness.",
    "outcome-unknown": "Kafka has not confirmed the command in time. Ask again with the same Idempotency-Key.",
    "read-models-unavailable": "MongoDB does not answer at the moment. Try again.",
    "blobs-unavailable": "Object storage does not answer at the moment. Try again.",
    "blob-unreadable": "Object storage answers, but does not give out this file: it may be damaged.",
    "position-not-reached": "The read models do not contain the position of X-Registry-Min-Position yet. Try again.",
}
"""By the `code` of the answer."""


def problem_pages() -> APIRouter:
    router = APIRouter(include_in_schema=False)
    rows = "".join(
        f'<dt id="{code}"><code>{code}</code></dt><dd>{escape(meaning)}</dd>' for code, meaning in MEANINGS.items()
    )
    page = f'<!doctype html><html lang="en"><title>Problems</title><h1>Problems</h1><dl>{rows}</dl></html>'

    @router.get(PAGE)
    async def problems() -> HTMLResponse:
        return HTMLResponse(page)

    return router
