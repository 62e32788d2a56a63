"""The bodies of commands, as JSON. Unknown members are refused; what the fields may hold, the domain decides."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from tensorfleet.blobs.staging import LEAST_PART_BYTES, MOST_PART_BYTES
from tensorfleet.domain.commands import ModelFields, VersionFields
from tensorfleet.domain.events import Status


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a finite number")
    return value


Number = Annotated[Any, BeforeValidator(_number), Field(json_schema_extra={"type": "number"})]


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Fields(Form):
    algorithm: str = ""
    framework: str = ""
    description: str = ""
    tags: list[str] = Field(default_factory=list, description="At most 100, of at most 200 characters.")
    created_by: str = ""
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    dataset_info: dict[str, Any] = Field(default_factory=dict)

    def given(self, field: str) -> Any:
        """The field's value if the client sent it, else None."""
        return getattr(self, field) if field in self.model_fields_set else None

    def model_fields_given(self) -> ModelFields:
        tags = self.given("tags")
        return ModelFields(
            algorithm=self.given("algorithm"),
            framework=self.given("framework"),
            description=self.given("description"),
            tags=None if tags is None else tuple(tags),
            created_by=self.given("created_by"),
        )

    def version_fields_given(self) -> VersionFields:
        return VersionFields(
            hyperparameters=self.given("hyperparameters"),
            metrics=self.given("metrics"),
            dataset_info=self.given("dataset_info"),
        )


class RegisterForm(_Fields):
    """Without `name` a semantic one is made, like RandomForest_95.2%_Dec16."""

    algorithm: str
    name: str = ""
    metrics: dict[str, Number] = Field(default_factory=dict)


class _Changes(_Fields):
    metrics: dict[str, Number | None] = Field(default_factory=dict, description="null removes a metric.")


class UpdateForm(_Changes):
    """Fields in the body replace; maps merge key by key, null removes a key."""

    status: Literal["active", "deprecated", "archived"] = "active"

    def status_given(self) -> Status | None:
        given = self.given("status")
        return None if given is None else Status(given)


class VersionForm(_Changes):
    """What is not given is inherited from the newest version; the file is not."""

    breaking_changes: bool = False


class DeprecateForm(Form):
    reason: str | None = None
    replacement_model_id: str | None = None
    version: str | None = None


class TargetForm(Form):
    """`version` null: the model as a whole."""

    version: str | None = None


class DiscardForm(Form):
    """The offsets of the first and last parked record, if given, must be those of now: else 409."""

    model_id: str
    reason: str
    first_offset: int | None = None
    last_offset: int | None = None


class MetricsForm(Form):
    """What was measured at one moment. The version's own metrics stay as they are."""

    metrics: dict[str, Number] = Field(description="1 to 500 names with finite numbers.")
    version: str | None = Field(None, description="As v1.0; without it, the newest.")
    step: int | None = Field(None, description="The training step or epoch.", json_schema_extra={"minimum": 0})
    recorded_at: str | None = Field(
        None,
        description="When it was measured (RFC 3339), at most a day ahead; without it, now.",
        json_schema_extra={"format": "date-time"},
    )
    source: str | None = Field(None, description="Who or what measured it, as training or production.")


class BeginUploadForm(Form):
    """A file that the client will send to storage itself."""

    size_bytes: int = Field(description="At least 1, at most MAX_FILE_SIZE.", json_schema_extra={"minimum": 1})
    checksum: str = Field(description="sha256:<hex> of the whole file; verified by the registry in the end.")
    filename: str = ""
    part_size: int | None = Field(
        None,
        description="Bytes of each part but the last: 5 MiB to 5 GiB, and at most 1,000 parts. Without it, 16 MiB or "
        "as many as that takes.",
        json_schema_extra={"minimum": LEAST_PART_BYTES, "maximum": MOST_PART_BYTES},
    )


class FindingForm(Form):
    severity: Literal["note", "unscanned", "suspicious", "dangerous"]
    code: str
    where: str = Field("", description="The path within archives, and after an @ the offset in bytes.")
    text: str = ""


class ScanForm(Form):
    """What a scanner says of the version's file."""

    checksum: str = Field(description="sha256:<hex> of what was scanned: that of the version's file, else 409.")
    verdict: Literal["safe", "suspicious", "dangerous", "unscanned"]
    format: str = Field(description="What the file is by its bytes.")
    findings: list[FindingForm] = Field(default_factory=list, description="At most 100.")
    scanner: str = Field(description="Name of the scanner and version of its rules.")


class ReleaseForm(Form):
    """Why the file may be downloaded although its verdict is not good."""

    reason: str


class EmptyForm(Form):
    pass


class BatchForm(Form):
    operations: list[dict[str, Any]] = Field(
        description="Each has `op` (register, version, update, deprecate, archive, restore, delete, report_metrics), "
        "`model_id` for all but register, and the members of the single call."
    )
