"""Uploads that go straight to storage: begun, gone on with, completed and aborted.

The registry sees none of the bytes on their way. So it reads the file when all parts are there, and only what it has
verified becomes the version's file, by the same command as a file that was streamed through it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from services.command_api.bus import Caller
from services.command_api.forms import BeginUploadForm
from services.command_api.operations import Answer, Operations
from services.command_api.shown_uploads import ShownUploads, missing_parts
from tensorfleet.blobs.checksums import parse_checksum
from tensorfleet.blobs.filenames import format_of, safe_filename
from tensorfleet.blobs.presigning import Presigner
from tensorfleet.blobs.staging import (
    LEAST_PART_BYTES,
    MOST_PART_BYTES,
    MOST_PARTS,
    StagedUpload,
    Staging,
    usual_part_bytes,
)
from tensorfleet.blobs.store import BlobStore
from tensorfleet.domain.errors import (
    BlobsUnavailable,
    ChecksumMismatch,
    InvalidCommand,
    KeyReused,
    TooLarge,
    UploadIncomplete,
    UploadNotFound,
    UploadOver,
    VersionHasFile,
)
from tensorfleet.domain.events import BlobFile

_UPLOAD_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_LOG = logging.getLogger(__name__)


class DirectUploads:
    """`owner` is who asks, as the record of an upload has it: to everyone else the upload is not there.

    Every method raises RegistryError for what is wrong or rejected. `now` gives microseconds since 1970.
    """

    def __init__(
        self,
        operations: Operations,
        blobs: BlobStore,
        staging: Staging,
        presigner: Presigner,
        max_file_bytes: int,
        life_seconds: float,
        now: Callable[[], int],
    ) -> None:
        self._operations = operations
        self._blobs = blobs
        self._staging = staging
        self._shown = ShownUploads(staging, presigner, now)
        self._max_file_bytes = max_file_bytes
        self._life = int(life_seconds * 1e6)
        self._now = now

    async def begin(
        self, model_id: str, version: str | None, form: BeginUploadForm, caller: Caller, owner: str
    ) -> Answer:
        """The version is settled here: one that is made while parts are sent does not get the file.

        An idempotency key names the upload, so a repetition finds it again, on every instance.
        """
        checksum = parse_checksum(form.checksum, "checksum")
        part_bytes = self._part_bytes(form)
        with self._operations.reserve(caller.key, ()):
            receipt, name = await self._operations.target_of_upload(model_id, version, caller)
            if receipt.file is not None and receipt.file.checksum != checksum:
                error = VersionHasFile(model_id, receipt.version)
                error.position = str(receipt.position)
                raise error
            upload_id = caller.key.command_id if caller.key else uuid4().hex
            upload = await self._begun_before(upload_id, caller) if caller.key else None
            if upload is not None:
                receipt = replace(receipt, replayed=True)
            else:
                upload = StagedUpload(
                    upload_id=upload_id,
                    model_id=model_id,
                    version=receipt.version,
                    filename=safe_filename(form.filename) or safe_filename(f"{name}.bin") or "model.bin",
                    size_bytes=form.size_bytes,
                    checksum=checksum,
                    part_bytes=part_bytes,
                    owner=owner,
                    request=caller.key.hash.hex() if caller.key else "",
                    store_id=await self._staging.begin(upload_id),
                    expires_at=self._now() + self._life,
                )
                await self._staging.save(upload)
        members = {"success": True, "message": "Upload begun", **await self._shown.members(upload, 0)}
        return Answer(201, members, receipt, f"/api/v1/models/{model_id}/uploads/{upload_id}")

    async def show(self, model_id: str, upload_id: str, owner: str, after: int) -> dict[str, Any]:
        """What is there, and URLs for parts that are not, of those numbered above `after`."""
        return await self._shown.members(await self._load(model_id, upload_id, owner), after)

    async def complete(self, model_id: str, upload_id: str, caller: Caller, owner: str) -> Answer:
        """May be repeated, also after its end: the file is the version's once."""
        upload = await self._load(model_id, upload_id, owner)
        if not upload.attached and not await self._assembled(upload):
            upload = await self._load(model_id, upload_id, owner)
            if not upload.attached:
                raise UploadNotFound(upload_id)
        if upload.attached:
            if await self._blobs.size(upload.checksum) is None:
                raise UploadNotFound(upload_id)
            return await self._attach(upload, caller, renewed=False)
        renew = self._operations.is_marked_corrupt(model_id, upload.version)
        try:
            await self._staging.adopt(upload, renew=renew)
        except ChecksumMismatch:
            await self._staging.discard(upload_id)
            raise
        answer = await self._attach(upload, caller, renewed=renew)
        await self._clear(upload)
        return answer

    async def abort(self, model_id: str, upload_id: str, owner: str) -> dict[str, Any]:
        upload = await self._load(model_id, upload_id, owner)
        if upload.attached:
            raise UploadOver(upload.version)
        await self._staging.discard(upload_id)
        return {"success": True, "message": "Upload aborted", "model_id": model_id, "upload_id": upload_id}

    def _part_bytes(self, form: BeginUploadForm) -> int:
        if form.size_bytes < 1:
            raise InvalidCommand.of("size_bytes", "must be at least 1: send an empty file to /upload")
        if form.size_bytes > self._max_file_bytes:
            raise TooLarge(f"The file has {form.size_bytes} bytes; at most {self._max_file_bytes} are allowed.")
        part_bytes = usual_part_bytes(form.size_bytes) if form.part_size is None else form.part_size
        if not LEAST_PART_BYTES <= part_bytes <= MOST_PART_BYTES:
            raise InvalidCommand.of("part_size", f"is not between {LEAST_PART_BYTES} and {MOST_PART_BYTES}")
        if form.size_bytes > part_bytes * MOST_PARTS:
            raise InvalidCommand.of("part_size", f"makes more than {MOST_PARTS} parts")
        return part_bytes

    async def _begun_before(self, upload_id: str, caller: Caller) -> StagedUpload | None:
        upload = await self._staging.load(upload_id)
        if upload is None:
            return None
        if upload.expires_at <= self._now():
            await self._staging.discard(upload_id)
            return None
        if caller.key is None or upload.request != caller.key.hash.hex():
            raise KeyReused("This Idempotency-Key has begun another upload.")
        return upload

    async def _load(self, model_id: str, upload_id: str, owner: str) -> StagedUpload:
        upload = await self._staging.load(upload_id) if _UPLOAD_ID.fullmatch(upload_id) else None
        if upload is None or (upload.model_id, upload.owner) != (model_id, owner) or upload.expires_at <= self._now():
            raise UploadNotFound(upload_id, of_another=upload is not None and upload.owner != owner)
        return upload

    async def _assembled(self, upload: StagedUpload) -> bool:
        """Whether the file is there as a whole, now. UploadIncomplete."""
        parts = await self._staging.parts(upload)
        if parts is not None:
            missing = missing_parts(upload, parts)
            if missing:
                raise UploadIncomplete(missing, upload.part_count)
            await self._staging.assemble(upload, [one for one in parts if one.number <= upload.part_count])
        return await self._staging.has_file(upload)

    async def _attach(self, upload: StagedUpload, caller: Caller, *, renewed: bool) -> Answer:
        file = BlobFile(upload.size_bytes, upload.checksum, format_of(upload.filename), upload.filename)
        return await self._operations.attach_file(upload.model_id, upload.version, file, caller, renewed=renewed)

    async def _clear(self, upload: StagedUpload) -> None:
        """The event is in the log: what can't be cleared away now is no failure, and goes when the upload expires."""
        try:
            await self._staging.save(replace(upload, attached=True))
            await self._staging.drop_file(upload)
        except BlobsUnavailable as error:
            _LOG.warning("what was sent for the upload %s stays until it expires: %s", upload.upload_id, error)
