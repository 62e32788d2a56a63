"""The commands of the contract: from a form to a domain command, through the bus, to the members of the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.command_api import forms as f
from services.command_api.bus import Caller, CommandBus
from services.command_api.submission import CommandKey, Receipt
from tensorfleet.access.principal import Principal
from tensorfleet.blobs.claims import kept
from tensorfleet.blobs.store import BlobStore
from tensorfleet.domain import commands as c
from tensorfleet.domain import names
from tensorfleet.domain.errors import (
    BlobMissing,
    BlobsGone,
    BlobsUnavailable,
    Forbidden,
    InvalidCommand,
    ModelParked,
    NameTaken,
)
from tensorfleet.domain.events import BlobFile, ScanFinding, ScanVerdict, Severity, Status
from tensorfleet.domain.model import DeletedModel, LiveModel
from tensorfleet.domain.versions import ModelVersion
from tensorfleet.http.times import microseconds, parse_time

_MOST_NAMES_TRIED = 10_000


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is the HTTP status of the single call. `location` of what was made, if it is none of the usual."""

    status: int
    members: dict[str, Any]
    receipt: Receipt
    location: str | None = None


class Operations:
    """Every method raises RegistryError for what is wrong or rejected; then nothing was changed."""

    def __init__(self, bus: CommandBus, blobs: BlobStore, utc_now: Callable[[], datetime]) -> None:
        self._bus = bus
        self._blobs = blobs
        self._utc_now = utc_now

    def reserve(self, key: CommandKey | None, parts: Sequence[CommandKey | None]) -> AbstractContextManager[None]:
        """As CommandBus.reserve."""
        return self._bus.reserve(key, parts)

    def remember(self, key: CommandKey | None, receipts: Sequence[Receipt]) -> None:
        """Keep the key of a batch that did anything from being used for something else."""
        if key is not None and receipts:
            self._bus.remember(key, receipts[0])

    def hides(self, model_id: str, principal: Principal) -> bool:
        """Whether the model is there, as far as is folded here, and not for this principal."""
        name = self._bus.name_of(model_id) if names.MODEL_ID.fullmatch(model_id) else None
        return name is not None and not principal.sees(name)

    async def register(self, form: f.RegisterForm, caller: Caller) -> Answer:
        fields, version_fields = form.model_fields_given(), form.version_fields_given()
        if caller.known:
            fields = replace(fields, created_by=caller.actor)
        receipt = self._bus.recall(caller.key)
        if receipt is None and "name" in form.model_fields_set:
            name = names.canonical_name(form.name)
            if not caller.sees(name):
                raise Forbidden("The key is limited to models of other names.")
            command = c.RegisterModel(name, fields, version_fields)
            receipt = await self._bus.execute(command, names.model_id_of(name), name, caller)
        elif receipt is None:
            receipt = await self._register_nameless(fields, version_fields, caller)
        members = {
            "success": True,
            "message": "Model registered successfully",
            "model_id": receipt.model_id,
            "name": receipt.model_name,
            "version": receipt.version,
            "download_url": f"/api/v1/models/{receipt.model_id}/download",
        }
        return Answer(201, members, receipt)

    async def _register_nameless(
        self, fields: c.ModelFields, version_fields: c.VersionFields, caller: Caller
    ) -> Receipt:
        metrics = {name: value for name, value in (version_fields.metrics or {}).items() if value is not None}
        prefix = "" if caller.names is None else caller.names.text
        stem = prefix + names.semantic_name(fields.algorithm or "", metrics, self._utc_now())
        for attempt in range(1, _MOST_NAMES_TRIED):
            name = names.canonical_name(names.numbered(stem, attempt))
            model_id = names.model_id_of(name)
            if self._bus.is_live(model_id):
                continue
            try:
                command = c.RegisterModel(name, fields, version_fields)
                return await self._bus.execute(command, model_id, name, caller)
            except (NameTaken, ModelParked):
                continue
        raise InvalidCommand.of("name", f"is required: {stem} and {_MOST_NAMES_TRIED} like it are taken")

    async def update(self, model_id: str, version: str | None, form: f.UpdateForm, caller: Caller) -> Answer:
        if not form.model_fields_set:
            raise InvalidCommand("The body names no field to change.")
        _refuse_author(form, caller)
        command = c.UpdateModel(
            form.model_fields_given(), form.version_fields_given(), form.status_given(), _parsed(version)
        )
        receipt = await self._bus.execute(command, model_id, None, caller)
        return self._answer(receipt, "Model updated successfully", version=receipt.version)

    async def create_version(self, model_id: str, form: f.VersionForm, caller: Caller) -> Answer:
        _refuse_author(form, caller)
        command = c.CreateVersion(form.breaking_changes, form.model_fields_given(), form.version_fields_given())
        receipt = await self._bus.execute(command, model_id, None, caller)
        return self._answer(
            receipt,
            "Version created successfully",
            status=201,
            version=receipt.version,
            parent_version=receipt.parent_version,
            download_url=f"/api/v1/models/{model_id}/download?version={receipt.version}",
        )

    async def attach_file(
        self, model_id: str, version: str | None, file: BlobFile, caller: Caller, *, renewed: bool
    ) -> Answer:
        """The blob was stored before. It may be an old one that nothing refers to: it is claimed, so that it stays.

        `renewed`: it was stored anew in the place of a damaged one; if it is the version's, that is mended now.
        """
        try:
            async with kept(self._blobs, [file.checksum]):
                receipt = await self._bus.execute(c.AttachFile(file, _parsed(version)), model_id, None, caller)
        except BlobMissing as error:
            raise BlobsUnavailable("The file was removed while it was recorded; send it again.") from error
        if renewed and (receipt.event_type is None or receipt.replayed):
            mended = c.ReportRepair(ModelVersion.parse(receipt.version), file.checksum, "the file was uploaded again")
            done = await self._bus.execute(mended, model_id, None, replace(caller, key=None))
            receipt = replace(receipt, position=done.position)
        stored = receipt.file or file
        members = {
            "size_bytes": stored.size_bytes,
            "checksum": f"sha256:{stored.checksum}",
            "format": stored.format,
            "filename": stored.filename,
        }
        fresh = receipt.event_type is not None
        message = "File uploaded successfully" if fresh else "The version already has this file"
        return self._answer(receipt, message, status=201 if fresh else 200, version=receipt.version, file=members)

    def is_marked_corrupt(self, model_id: str, version: str | None) -> bool:
        """Whether the log says that the file of the version, by default the newest, is damaged."""
        model, number = self._bus.model_as_folded(model_id), _parsed(version)
        if not isinstance(model, LiveModel):
            return False
        wanted = model.newest if number is None else model.versions.get(number)
        return wanted is not None and wanted.corrupt

    async def check_upload(self, model_id: str, version: str | None, caller: Caller) -> str | None:
        """The model's name, if it is known here; ModelNotFound or VersionNotFound before a byte is taken."""
        number = _parsed(version)
        model = self._bus.model_as_folded(model_id)
        here = isinstance(model, LiveModel) and (number is None or number in model.versions)
        if not here or not caller.sees(self._bus.name_of(model_id)):
            await self._bus.require(model_id, number, caller)
        return self._bus.name_of(model_id)

    async def target_of_upload(self, model_id: str, version: str | None, caller: Caller) -> tuple[Receipt, str]:
        """Of the version that a file would go to now, with the file that it has; and the model's name.

        ModelNotFound, VersionNotFound.
        """
        receipt = await self._bus.require(model_id, _parsed(version), caller)
        return receipt, self._bus.name_of(model_id) or "model"

    async def deprecate(self, model_id: str, form: f.DeprecateForm, caller: Caller) -> Answer:
        if form.replacement_model_id is not None and not names.MODEL_ID.fullmatch(form.replacement_model_id):
            raise InvalidCommand.of("replacement_model_id", "is not a model id")
        command = c.DeprecateModel(form.reason, form.replacement_model_id, _parsed(form.version))
        receipt = await self._bus.execute(command, model_id, None, caller)
        return self._answer(receipt, "Model deprecated", status_now=receipt.status)

    async def archive(self, model_id: str, form: f.TargetForm, caller: Caller) -> Answer:
        receipt = await self._bus.execute(c.ArchiveModel(_parsed(form.version)), model_id, None, caller)
        return self._answer(receipt, "Model archived", status_now=receipt.status)

    async def restore(self, model_id: str, form: f.TargetForm, caller: Caller) -> Answer:
        files = self._files_to_restore(model_id) if caller.sees(self._bus.name_of(model_id)) else []
        try:
            async with kept(self._blobs, files):
                receipt = await self._bus.execute(c.RestoreModel(_parsed(form.version)), model_id, None, caller)
        except BlobMissing as error:
            raise BlobsGone("The model can't be restored: files of it are gone from storage.") from error
        return self._answer(receipt, "Model restored", status_now=receipt.status)

    def _files_to_restore(self, model_id: str) -> list[str]:
        """A deleted model comes back only with all its files. LogUnavailable until this instance has read the log."""
        self._bus.require_caught_up(model_id)
        model = self._bus.model_as_folded(model_id)
        if not isinstance(model, DeletedModel):
            return []
        return [one.file.checksum for one in model.was.versions.values() if one.file]

    async def delete(self, model_id: str, caller: Caller, if_status: Status | None = None) -> Answer:
        receipt = await self._bus.execute(c.DeleteModel(if_status), model_id, None, caller)
        members = {"success": True, "message": "Model deleted successfully", "deleted_id": model_id}
        return Answer(200, members, receipt)

    async def delete_version(
        self, model_id: str, version: str, caller: Caller, if_status: Status | None = None
    ) -> Answer:
        command = c.DeleteVersion(ModelVersion.parse(version), if_status)
        receipt = await self._bus.execute(command, model_id, None, caller)
        members = {
            "success": True,
            "message": "Version deleted successfully",
            "deleted_id": f"{model_id}@{version}",
            "version": version,
        }
        return Answer(200, members, receipt)

    async def discard_parked(self, form: f.DiscardForm, caller: Caller) -> Answer:
        command = c.DiscardParkedRecords(form.reason, form.first_offset, form.last_offset)
        receipt = await self._bus.execute(command, form.model_id, None, caller)
        return self._answer(receipt, "Parked records discarded")

    async def report_metrics(self, model_id: str, form: f.MetricsForm, caller: Caller) -> Answer:
        command = c.ReportMetrics(
            metrics=form.metrics,
            reported_at=microseconds(self._utc_now()),
            recorded_at=None if form.recorded_at is None else parse_time(form.recorded_at, "recorded_at"),
            step=form.step,
            source=form.source or "",
            version=_parsed(form.version),
        )
        receipt = await self._bus.execute(command, model_id, None, caller)
        return self._answer(receipt, "Metrics reported", status=201, version=receipt.version)

    async def record_scan(self, model_id: str, version: str, form: f.ScanForm, caller: Caller) -> Answer:
        command = c.RecordScan(
            version=ModelVersion.parse(version),
            checksum=form.checksum.removeprefix("sha256:"),
            verdict=ScanVerdict(form.verdict),
            format=form.format,
            findings=tuple(ScanFinding(Severity(one.severity), one.code, one.where, one.text) for one in form.findings),
            scanner=form.scanner,
        )
        receipt = await self._bus.execute(command, model_id, None, caller)
        return self._answer(receipt, "Verdict recorded", version=receipt.version)

    async def release(self, model_id: str, version: str, form: f.ReleaseForm, caller: Caller) -> Answer:
        command = c.ReleaseArtifact(ModelVersion.parse(version), form.reason)
        receipt = await self._bus.execute(command, model_id, None, caller)
        return self._answer(receipt, "File released", version=receipt.version)

    def _answer(
        self, receipt: Receipt, message: str, *, status: int = 200, status_now: str | None = None, **more: Any
    ) -> Answer:
        members = {"success": True, "message": message, "model_id": receipt.model_id, **more}
        if status_now is not None:
            members["status"] = status_now
        return Answer(status, members, receipt)


def _refuse_author(form: f.UpdateForm | f.VersionForm, caller: Caller) -> None:
    if caller.known and "created_by" in form.model_fields_set:
        raise InvalidCommand.of("created_by", "is whoever registered the model, by the key; it can't be set")


def _parsed(version: str | None) -> ModelVersion | None:
    return None if version is None else ModelVersion.parse(version)
