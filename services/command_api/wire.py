"""Commands and receipts as JSON, for the hop from one instance to another, and where they are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from services.command_api.submission import Receipt
from tensorfleet.domain import commands as c
from tensorfleet.domain import errors
from tensorfleet.domain.errors import FieldError, InvalidCommand, RegistryError

PATH: Final = "/internal/v2/commands"
"""Another one with each change of what is sent: an instance of another release says that it does not know it."""
MOST_BYTES: Final = 8 * 1024 * 1024

_COMMANDS: dict[str, TypeAdapter[Any]] = {
    one.__name__: TypeAdapter(one)
    for one in (
        c.RegisterModel,
        c.UpdateModel,
        c.CreateVersion,
        c.AttachFile,
        c.DeprecateModel,
        c.ArchiveModel,
        c.RestoreModel,
        c.DeleteModel,
        c.DeleteVersion,
        c.DiscardParkedRecords,
        c.ReportMetrics,
        c.RecordScan,
        c.ReleaseArtifact,
        c.ReportCorruption,
        c.ReportRepair,
    )
}


@dataclass(frozen=True, slots=True)
class ForwardedCommand:
    """`kind` is the name of the command's class. `command_hash` is 64 hex digits. `seconds` are left to answer in.

    `actor` and `prefix` are those of whoever asked the first instance, which has looked at the key; None: all models.
    """

    model_id: str
    model_name: str
    kind: str
    command: dict[str, Any]
    command_id: str
    command_hash: str
    actor: str
    traceparent: str | None
    seconds: float
    prefix: str | None = None


_FORWARDED: TypeAdapter[ForwardedCommand] = TypeAdapter(ForwardedCommand)
_ALL_FORWARDED: TypeAdapter[list[ForwardedCommand]] = TypeAdapter(list[ForwardedCommand])
_RECEIPT: TypeAdapter[Receipt] = TypeAdapter(Receipt)
RECEIPT, PROBLEM, NOT_THE_OWNER = "receipt", "problem", "not_the_owner"


def plain_command(command: c.Command) -> tuple[str, dict[str, Any]]:
    kind = type(command).__name__
    plain: dict[str, Any] = _COMMANDS[kind].dump_python(command, mode="json")
    return kind, plain


def rich_command(forwarded: ForwardedCommand) -> c.Command:
    command: c.Command = _COMMANDS[forwarded.kind].validate_python(forwarded.command)
    return command


def dump_forwarded(forwarded: ForwardedCommand) -> bytes:
    return _FORWARDED.dump_json(forwarded)


def load_forwarded(body: bytes) -> list[ForwardedCommand]:
    """From a list of what `dump_forwarded` gives."""
    return _ALL_FORWARDED.validate_json(body)


def dump_receipt(receipt: Receipt) -> dict[str, Any]:
    return {RECEIPT: _RECEIPT.dump_python(receipt, mode="json")}


def load_receipt(members: Any) -> Receipt:
    return _RECEIPT.validate_python(members)


def dump_error(error: RegistryError) -> dict[str, Any]:
    """With what the answer to the client is made of."""
    members: dict[str, Any] = {"kind": type(error).__name__, "detail": error.detail, "position": error.position}
    if isinstance(error, InvalidCommand):
        members["errors"] = [[one.field, one.message] for one in error.errors]
    if hasattr(error, "model_id"):
        members["model_id"] = error.model_id
    return {PROBLEM: members}


def load_error(members: Any) -> RegistryError:
    """The same class again; its constructor made the sentence where it was raised."""
    kind: type[RegistryError] = getattr(errors, members["kind"])
    error = kind.__new__(kind)
    RegistryError.__init__(error, members["detail"])
    error.position = members["position"]
    if isinstance(error, InvalidCommand):
        error.errors = tuple(FieldError(*one) for one in members["errors"])
    if "model_id" in members:
        error.model_id = members["model_id"]  # type: ignore[attr-defined]
    return error
