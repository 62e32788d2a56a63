"""The `file` part of a multipart/form-data body (RFC 7578), streamed: no part is ever held whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from tensorfleet.domain.errors import InvalidCommand, Malformed, TooLarge, UnsupportedMediaType

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELD = "file"
OTHER_PART_BYTES = 64 * 1024
PARTS = 64
BOUNDARY_BYTES = 70  # RFC 2046, section 5.1.1
_CHARSETS = {"utf-8": "utf-8", "iso-8859-1": "latin-1", "us-ascii": "ascii"}


@dataclass(frozen=True, slots=True)
class FilePart:
    """`filename` is what the sender wrote, unchecked; empty if it gave none.

    `chunks` yields the content, and raises Malformed if the body breaks off, or is wrong further on: content that
    did not end with a StopAsyncIteration is not the whole file.
    """

    filename: str
    chunks: AsyncIterator[bytes]


async def file_part(body: AsyncIterator[bytes], content_type: str) -> FilePart:
    """Read `body` up to the content of the part named `file`.

    UnsupportedMediaType: not multipart/form-data. Malformed: no usable boundary, or not a multipart body.
    InvalidCommand: a good body without such a part. TooLarge: another part has over OTHER_PART_BYTES.
    """
    form = _Form(_boundary(content_type))
    async for data in body:
        form.feed(data)
        if form.filename is not None:
            return FilePart(form.filename, _content(form, body))
        if form.ended:
            raise InvalidCommand.of(FIELD, "the form has no such part")
    raise Malformed("The multipart body ends before its last boundary.")


async def _content(form: _Form, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The bytes of the file, then the rest of the form: the file counts only if the whole form is good.

    What stands after the last boundary means nothing, but a request that breaks off there was cut all the same.
    """
    if content := form.take():
        yield content
    while not form.ended:
        data = await anext(body, None)
        if data is None:
            raise Malformed("The multipart body ends before its last boundary.")
        form.feed(data)
        if content := form.take():
            yield content
    async for data in body:
        form.pass_over(data)


def _boundary(content_type: str) -> bytes:
    try:
        kind, options = parse_options_header(content_type)
    except UnicodeEncodeError:
        raise Malformed("The Content-Type is not ASCII.") from None
    if kind != b"multipart/form-data":
        raise UnsupportedMediaType("Send multipart/form-data with a part named file.")
    boundary = options.get(b"boundary", b"")
    printable = all(0x20 <= byte < 0x7F for byte in boundary)
    if not 1 <= len(boundary) <= BOUNDARY_BYTES or not printable or boundary.endswith(b" "):
        raise Malformed(f"The Content-Type needs a boundary of 1 to {BOUNDARY_BYTES} ASCII characters.")
    return boundary


class _Form:
    """The parser's callbacks, and what they have found so far."""

    def __init__(self, boundary: bytes) -> None:
        self.filename: str | None = None
        self.ended = False
        self._in_file = False
        self._parts = 0
        self._ignored_bytes = 0
        self._content: list[bytes] = []
        self._header_name = b""
        self._header_value = b""
        self._disposition: str | None = None
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_end": self._on_end,
        }
        self._parser = MultipartParser(boundary, callbacks)

    def feed(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError:
            raise Malformed("The body is not multipart/form-data with the announced boundary.") from None
        if not self._parts:
            self._ignore(len(data))

    def pass_over(self, data: bytes) -> None:
        self._ignore(len(data))

    def take(self) -> bytes:
        content, self._content = b"".join(self._content), []
        return content

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > PARTS:
            raise Malformed(f"The form has more than {PARTS} parts.")
        self._in_file = False
        self._ignored_bytes = 0
        self._disposition = None
        self._header_name = self._header_value = b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            if self._disposition is not None:
                raise Malformed("A part has two Content-Disposition headers.")
            self._disposition = _text(self._header_value)
        self._header_name = self._header_value = b""

    def _on_headers_finished(self) -> None:
        name, filename = _names(self._disposition)
        if name != FIELD:
            return
        if self.filename is not None:
            raise Malformed("The form has two parts named file.")
        self.filename = filename
        self._in_file = True

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._content.append(data[start:end])
        else:
            self._ignore(end - start)

    def _on_end(self) -> None:
        self.ended = True

    def _ignore(self, size: int) -> None:
        self._ignored_bytes += size
        if self._ignored_bytes > OTHER_PART_BYTES:
            raise TooLarge(f"A part beside the file has more than {OTHER_PART_BYTES} bytes.")


def _text(value: bytes) -> str:
    """Browsers write UTF-8 (RFC 7578, section 5.1.3); what is not UTF-8 can only be guessed."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _names(disposition: str | None) -> tuple[str, str]:
    """`name` and `filename` of a Content-Disposition; `filename*` wins, although RFC 7578 wants no sender to use it."""
    header = Message()
    header["Content-Disposition"] = disposition or ""
    try:
        parameters = header.get_params([], header="Content-Disposition")
    except (TypeError, ValueError, IndexError):  # what the standard library raises on hostile continuations
        raise Malformed("A part has a Content-Disposition that can't be read.") from None
    if not parameters or parameters[0][0].lower() != "form-data":
        raise Malformed("A part has no Content-Disposition: form-data.")
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    for name, value in parameters[1:]:
        found, text = (extended, _extended(value)) if isinstance(value, tuple) else (plain, value)
        if name.lower() in found:
            raise Malformed(f"A Content-Disposition has two parameters {name.lower()!r}.")
        found[name.lower()] = text
    return plain.get("name", ""), _first(extended, plain)


def _first(extended: Mapping[str, str], plain: Mapping[str, str]) -> str:
    return extended.get("filename") or plain.get("filename", "")


def _extended(value: tuple[str | None, str | None, str]) -> str:
    """The text of a `filename*` (RFC 8187); its bytes come as Latin-1 characters."""
    charset = _CHARSETS.get((value[0] or "us-ascii").lower())
    try:
        return value[2].encode("latin-1").decode(charset or "")
    except (LookupError, UnicodeError):
        raise Malformed("A filename* is not in the encoding that it names.") from None
