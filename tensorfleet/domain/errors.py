"""Every error that the registry reports on purpose.

RegistryError
├── InvalidCommand            what was asked parses, and is wrong
│   └── QueryTooBroad         no index picks out what it asks for, and looking through everything takes too long
├── Rejected                  the model's state forbids it
│   ├── NameTaken
│   ├── VersionHasFile
│   ├── OtherFile             what is reported is about another file than the version has
│   ├── NothingToRelease
│   ├── OtherStatus           what was to be done only to something archived, say, which it is not
│   ├── ArtifactCorrupt       what is stored is not the version's file any more
│   ├── UploadIncomplete      parts of it have not been sent
│   ├── UploadOver            its file belongs to the version already
│   ├── LastVersion
│   ├── BlobsGone
│   ├── CommandStillRunning
│   ├── ModelParked           records of the model can't be read or folded: an operator decides
│   └── ParkedRecordsChanged  they are not those any more that were to be discarded
├── NotFound
│   ├── ModelNotFound
│   ├── VersionNotFound
│   ├── SeveralNotFound       `errors` says which; the code is that of NotFound
│   ├── FileNotFound
│   ├── BlobMissing           something refers to a file that storage does not hold
│   ├── SchemaNotFound
│   ├── UploadNotFound
│   ├── PresignOff            transfers by presigned URLs are not turned on
│   ├── NothingParked
│   └── KeyNotFound
├── Unauthenticated           no key, or none that counts
├── Forbidden                 the key may not do this
│   ├── ForeignPage           a web page of another site asks, and nobody has to show a key
│   └── ForeignHost           likewise, for a name that is not the registry's
├── TooManyRequests           of one key or address; `retry_after_seconds` says how long it takes
├── Malformed                 what was sent can't be read at all
│   └── UnsupportedMediaType
├── TooSlow                   the sender of a request takes too long over it
├── TooLarge
│   └── HeadersTooLarge
├── KeyReused                 an idempotency key came back with another request
├── ChecksumMismatch
├── ArtifactQuarantined       a verdict keeps the file from being downloaded
├── PositionNotReached        a read asked for a position that the projection does not contain in time
├── DependencyUnavailable     a server that the request needs does not answer; retry later
│   ├── TooBusy              as much is under way as this process takes on
│   ├── LogUnavailable
│   ├── FeedUnavailable      the public feed can't be read
│   ├── LogHalted            the log was lost; nothing is written until an operator has mended it
│   ├── OutcomeUnknown
│   ├── ReadModelsUnavailable
│   └── BlobsUnavailable
│       ├── BlobUnreadable    the store answers, but does not give out this blob
│       ├── BlobCorrupt       what the store gives out is not what the blob's checksum says
│       └── StorageFull       the store has no room for what it is sent
└── Fatal                     the process can't go on and says why
    ├── TopicMismatch
    ├── LogLost
    ├── SettingsInvalid
    ├── CheckpointTaken
    ├── BackupInvalid         a backup is not what its manifest says
    ├── BackupRefused         what is copied would be mixed with something else that is there
    ├── CollectionRefused     it is not certain which blobs something refers to
    ├── GenerationsBusy       another process makes or switches generations of the read models
    └── NoSuchGeneration      there is none to go back to

`code` is stable and part of the HTTP contract; the HTTP status of each class is decided in
`tensorfleet.http.problems`, nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class RegistryError(Exception):
    """Root of the tree. `detail` is a sentence for a person; `code` is for programs.

    `position` is the place in the log as of which a command was rejected, if it came so far.
    """

    code = "registry-error"
    position: str | None = None

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with one field; `field` is a dotted path into the request.

    `position`: which character of a long text is meant, from 1.
    """

    field: str
    message: str
    position: int | None = None


class InvalidCommand(RegistryError):
    code = "invalid"

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.errors = tuple(errors)

    @classmethod
    def of(cls, field: str, message: str) -> InvalidCommand:
        return cls(f"{field}: {message}", [FieldError(field, message)])


class QueryTooBroad(InvalidCommand):
    code = "query-too-broad"

    def __init__(self) -> None:
        super().__init__(
            "Answering this would mean looking through too much. Narrow it down: a list by algorithm, status, tags or "
            "created_by, by an equality of these in `filter`, or by more words in a search; a history by time; and go "
            "to far pages by cursor."
        )


class Rejected(RegistryError):
    code = "conflict"


class NameTaken(Rejected):
    code = "name-taken"

    def __init__(self, name: str, model_id: str) -> None:
        super().__init__(f"A model named {name!r} is already registered.")
        self.model_id = model_id


class VersionHasFile(Rejected):
    code = "version-has-file"

    def __init__(self, model_id: str, version: str) -> None:
        super().__init__(
            f"Version {version} already has another file; a version's file never changes. "
            "Create a new version for the new file."
        )
        self.model_id = model_id


class OtherFile(Rejected):
    code = "other-file"

    def __init__(self, model_id: str, version: str) -> None:
        super().__init__(f"Version {version} has a file with another checksum.")
        self.model_id = model_id


class NothingToRelease(Rejected):
    code = "nothing-to-release"

    def __init__(self, model_id: str, version: str) -> None:
        super().__init__(f"No verdict keeps the file of version {version} from being downloaded.")
        self.model_id = model_id


class OtherStatus(Rejected):
    code = "other-status"


class ArtifactCorrupt(Rejected):
    code = "artifact-corrupt"

    def __init__(self, model_id: str, version: str) -> None:
        super().__init__(f"What is stored for version {version} is not the file that was uploaded.")
        self.model_id = model_id


class UploadIncomplete(Rejected):
    code = "upload-incomplete"

    def __init__(self, missing: Sequence[int], parts: int) -> None:
        super().__init__(
            f"{len(missing)} of {parts} parts are missing, the first is {missing[0]}. GET the upload for their URLs."
        )


class UploadOver(Rejected):
    code = "upload-over"

    def __init__(self, version: str) -> None:
        super().__init__(f"The upload is complete: its file belongs to version {version}, and stays.")


class LastVersion(Rejected):
    code = "last-version"

    def __init__(self, model_id: str, version: str) -> None:
        super().__init__(f"{version} is the model's last version; delete the model instead.")
        self.model_id = model_id


class BlobsGone(Rejected):
    code = "blobs-gone"


class CommandStillRunning(Rejected):
    code = "command-still-running"


class ModelParked(Rejected):
    code = "model-parked"

    def __init__(self, model_id: str) -> None:
        super().__init__(
            "Records of this model can't be read or folded. It takes no commands until an operator has replayed or "
            "discarded them: see docs/runbooks/dead-letters.md."
        )
        self.model_id = model_id


class ParkedRecordsChanged(Rejected):
    """`now` says which records it is, as a clause."""

    code = "parked-records-changed"

    def __init__(self, model_id: str, now: str) -> None:
        super().__init__(f"Other records of this model are parked than were to be discarded: {now}.")
        self.model_id = model_id


class NotFound(RegistryError):
    code = "not-found"


class ModelNotFound(NotFound):
    code = "model-not-found"

    def __init__(self, model_id: str) -> None:
        super().__init__(f"There is no model {model_id!r}.")
        self.model_id = model_id


class VersionNotFound(NotFound):
    code = "version-not-found"

    def __init__(self, model_id: str, version: str) -> None:
        super().__init__(f"Model {model_id!r} has no version {version!r}.")
        self.model_id = model_id


class SeveralNotFound(NotFound):
    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(f"{len(errors)} of what was asked for are not there.")
        self.errors = tuple(errors)


class FileNotFound(NotFound):
    code = "file-not-found"

    def __init__(self, model_id: str, version: str | None = None) -> None:
        what = f"Version {version} of model {model_id!r}" if version else f"Model {model_id!r}"
        super().__init__(f"{what} has no file yet.")
        self.model_id = model_id


class BlobMissing(NotFound):
    """`checksum` is 64 hex digits."""

    code = "blob-missing"

    def __init__(self, checksum: str) -> None:
        super().__init__(f"There is no stored file with the checksum sha256:{checksum}.")
        self.checksum = checksum


class SchemaNotFound(NotFound):
    """`error_code` is the one that the Confluent Schema Registry gives."""

    code = "schema-not-found"

    def __init__(self, error_code: int, detail: str) -> None:
        super().__init__(detail)
        self.error_code = error_code


class UploadNotFound(NotFound):
    """`of_another`: it is there, for somebody else."""

    code = "upload-not-found"

    def __init__(self, upload_id: str, *, of_another: bool = False) -> None:
        self.of_another = of_another
        super().__init__(f"There is no upload {upload_id!r} of yours to this model, or it has expired or was aborted.")


class PresignOff(NotFound):
    code = "presign-off"

    def __init__(self) -> None:
        super().__init__("Transfers by presigned URLs are off (PRESIGN). Use /upload and /download.")


class NothingParked(NotFound):
    code = "nothing-parked"

    def __init__(self, model_id: str) -> None:
        super().__init__(f"No record of the model {model_id!r} is parked.")
        self.model_id = model_id


class KeyNotFound(NotFound):
    code = "key-not-found"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no key {key_id!r}.")


class Unauthenticated(RegistryError):
    code = "invalid-key"


class Forbidden(RegistryError):
    code = "forbidden"


class ForeignPage(Forbidden):
    code = "foreign-page"


class ForeignHost(Forbidden):
    code = "foreign-host"


class TooManyRequests(RegistryError):
    code = "too-many-requests"

    def __init__(self, detail: str, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class TooSlow(RegistryError):
    code = "too-slow"


class Malformed(RegistryError):
    code = "malformed"


class UnsupportedMediaType(Malformed):
    code = "unsupported-media-type"


class TooLarge(RegistryError):
    code = "too-large"


class HeadersTooLarge(TooLarge):
    code = "headers-too-large"


class KeyReused(RegistryError):
    code = "idempotency-key-reused"


class ChecksumMismatch(RegistryError):
    code = "checksum-mismatch"


class ArtifactQuarantined(RegistryError):
    code = "artifact-quarantined"

    def __init__(self, model_id: str, version: str, verdict: str) -> None:
        super().__init__(
            f"The file of version {version} is in quarantine: its verdict is {verdict}. `scan.findings` of the version "
            "says why; an admin can release it."
        )
        self.model_id = model_id


class PositionNotReached(RegistryError):
    code = "position-not-reached"


class DependencyUnavailable(RegistryError):
    code = "dependency-unavailable"
    retry_after_seconds = 2


class TooBusy(DependencyUnavailable):
    code = "too-busy"


class LogUnavailable(DependencyUnavailable):
    code = "log-unavailable"


class FeedUnavailable(DependencyUnavailable):
    code = "feed-unavailable"


class LogHalted(DependencyUnavailable):
    code = "log-halted"
    retry_after_seconds = 60


class OutcomeUnknown(DependencyUnavailable):
    code = "outcome-unknown"


class ReadModelsUnavailable(DependencyUnavailable):
    code = "read-models-unavailable"


class CommitInterrupted(ReadModelsUnavailable):
    """Another writer took over and ended the transactions of this one; whether the last was committed is not known."""


class BatchTooLarge(ReadModelsUnavailable):
    """MongoDB takes back again and again what was to be written at once: all of it may not fit into its memory."""


class BlobsUnavailable(DependencyUnavailable):
    code = "blobs-unavailable"


class BlobUnreadable(BlobsUnavailable):
    code = "blob-unreadable"


class BlobCorrupt(BlobsUnavailable):
    """`checksum` is 64 hex digits: what the bytes should have."""

    code = "blob-corrupt"
    retry_after_seconds = 60

    def __init__(self, checksum: str) -> None:
        super().__init__(f"The stored file sha256:{checksum} is damaged, and is not given out.")
        self.checksum = checksum


class StorageFull(BlobsUnavailable):
    code = "storage-full"
    retry_after_seconds = 60


class Fatal(RegistryError):
    code = "fatal"


class TopicMismatch(Fatal):
    code = "topic-mismatch"


class LogLost(Fatal):
    code = "log-lost"


class ReadModelsOutdated(Fatal):
    code = "read-models-outdated"


class SettingsInvalid(Fatal):
    code = "settings-invalid"


class CheckpointTaken(Fatal):
    code = "checkpoint-taken"


class BackupInvalid(Fatal):
    code = "backup-invalid"


class BackupRefused(Fatal):
    code = "backup-refused"


class CollectionRefused(Fatal):
    code = "collection-refused"


class GenerationsBusy(Fatal):
    code = "generations-busy"


class NoSuchGeneration(Fatal):
    code = "no-such-generation"
