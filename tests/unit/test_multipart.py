"""Multipart bodies: the file comes out byte for byte, and nothing that is cut or bent passes for a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext

import pytest

from tensorfleet.domain.errors import InvalidCommand, Malformed, RegistryError, TooLarge, UnsupportedMediaType
from tensorfleet.http.multipart import FilePart, file_part

TYPE = "multipart/form-data; boundary=frontier"
DISPOSITION = b'Content-Disposition: form-data; name="file"; filename="m.pkl"'


def part(content: bytes, *headers: bytes) -> bytes:
    return b"--frontier\r\n" + b"\r\n".join(headers or (DISPOSITION,)) + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--frontier--\r\n"


def field(name: str, content: bytes = b"x") -> bytes:
    return part(content, f'Content-Disposition: form-data; name="{name}"'.encode())


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def read(body: bytes, content_type: str = TYPE, piece_bytes: int = 1 << 30) -> tuple[str, bytes]:
    async def scenario() -> tuple[str, bytes]:
        found: FilePart = await file_part(pieces(body, piece_bytes), content_type)
        return found.filename, b"".join([chunk async for chunk in found.chunks])

    return asyncio.run(scenario())


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 7, 64, 1 << 30])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"\r\n",
        b"\r\n--frontie",
        b"\r\n--frontier-",
        b"\r\n--frontierX\r\n",
        b"--frontier--",
        b"\r\r\n\r\n--\r\n--fr\r\n",
        bytes(range(256)) * 5,
    ],
)
def test_the_content_comes_out_byte_for_byte(content: bytes, piece_bytes: int) -> None:
    body = form(field("note", b"before"), part(content), field("after"))
    assert read(body, piece_bytes=piece_bytes) == ("m.pkl", content)


def test_a_large_file_in_one_piece_is_not_taken_for_a_preamble() -> None:
    assert read(form(part(b"x" * 1_000_000)))[1] == b"x" * 1_000_000


def test_the_content_is_streamed_before_the_body_has_ended() -> None:
    async def scenario() -> None:
        given: list[int] = []

        async def body() -> AsyncIterator[bytes]:
            for number, piece in enumerate([part(b"first")[:-2], b"second", b"\r\n--frontier--\r\n"]):
                given.append(number)
                yield piece

        found = await file_part(body(), TYPE)
        assert given == [0]
        assert await anext(found.chunks) == b"first"
        assert given == [0]

    asyncio.run(scenario())


@pytest.mark.parametrize("cut", range(1, len(form(field("note"), part(b"content"))) - 3))
def test_a_body_cut_anywhere_raises_malformed(cut: int) -> None:
    with pytest.raises(Malformed):
        read(form(field("note"), part(b"content"))[:cut])


@pytest.mark.parametrize("body", [form(field("other")), form(field("File")), form(field("")), b"--frontier--\r\n"])
def test_a_form_without_a_file_part_is_invalid(body: bytes) -> None:
    with pytest.raises(InvalidCommand) as caught:
        read(body)
    assert [error.field for error in caught.value.errors] == ["file"]


@pytest.mark.parametrize(
    ("parameters", "filename"),
    [
        (b'filename="m.pkl"', "m.pkl"),
        (b"filename=m.pkl", "m.pkl"),
        (b'FileName="m.pkl"', "m.pkl"),
        (b'filename="a;b=c.pkl"', "a;b=c.pkl"),
        (b'filename="a\\"b.pkl"', 'a"b.pkl'),
        (b'filename="a%22b.pkl"', "a%22b.pkl"),
        ('filename="模型.pkl"'.encode(), "模型.pkl"),
        (b'filename="caf\xe9.pkl"', "caf\u00e9.pkl"),
        (b"filename*=UTF-8''%e6%a8%a1.pkl", "模.pkl"),
        (b"filename*=iso-8859-1'en'caf%E9.pkl", "caf\u00e9.pkl"),
        (b"filename=\"_.pkl\"; filename*=utf-8''%e6%a8%a1.pkl", "模.pkl"),
        (b"filename*=utf-8''%e6%a8%a1.pkl; filename=\"_.pkl\"", "模.pkl"),
        (b'filename="../../x"', "../../x"),
        (b'filename=""', ""),
        (b"x=y", ""),
    ],
)
def test_the_filename_is_read_as_senders_write_it(parameters: bytes, filename: str) -> None:
    header = b'Content-Disposition: form-data; name="file"; ' + parameters
    assert read(form(part(b"x", header)), piece_bytes=5)[0] == filename


@pytest.mark.parametrize(
    ("content_type", "error"),
    [
        ("", UnsupportedMediaType),
        ("application/json", UnsupportedMediaType),
        ("multipart/mixed; boundary=frontier", UnsupportedMediaType),
        ("multipart/form-data", Malformed),
        ("multipart/form-data; boundary=", Malformed),
        ('multipart/form-data; boundary=""', Malformed),
        ("multipart/form-data; boundary=" + "x" * 71, Malformed),
        ("multipart/form-data; boundary=\x00\x01", Malformed),
        ("multipart/form-data; boundary=fröntier", Malformed),
        ("multipart/form-data; boundary=模型", Malformed),
        ("multipart/form-data; boundary=another", Malformed),
    ],
)
def test_a_content_type_without_a_usable_boundary_is_refused(content_type: str, error: type[RegistryError]) -> None:
    with pytest.raises(error) as caught:
        read(form(part(b"x")), content_type)
    assert type(caught.value) is error


@pytest.mark.parametrize("boundary", ["", "x" * 71, "a\x01b", "a\tb"])
def test_a_bad_boundary_is_refused_although_the_body_uses_it(boundary: str) -> None:
    body = form(part(b"x")).replace(b"frontier", boundary.encode())
    with pytest.raises(Malformed):
        read(body, f'multipart/form-data; boundary="{boundary}"')


@pytest.mark.parametrize("content_type", [TYPE, 'Multipart/Form-Data; charset=utf-8; Boundary="frontier"'])
def test_a_content_type_is_read_in_any_case_and_quoting(content_type: str) -> None:
    assert read(form(part(b"x")), content_type) == ("m.pkl", b"x")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no multipart at all",
        form(part(b"x"), part(b"y")),
        form(part(b"x", DISPOSITION, DISPOSITION)),
        form(part(b"x", b"Content-Type: text/plain")),
        form(part(b"x", b"Content-Disposition:")),
        form(part(b"x", b'Content-Disposition: attachment; name="file"')),
        form(part(b"x", b'Content-Disposition: form-data; name="file"; name="other"')),
        form(part(b"x", b'Content-Disposition: form-data; name="other"; name="file"')),
        form(part(b"x", DISPOSITION + b'; filename="n.pkl"')),
        form(part(b"x", DISPOSITION + b"; filename*=utf-8''%ff%fe")),
        form(part(b"x", DISPOSITION + b"; filename*=punycode''x")),
        form(part(b"x", DISPOSITION + b"; filename*=rot13''x")),
        form(part(b"x", b"Bad Header: x")),
        form(part(b"x", b": no name")),
        form(part(b"x", DISPOSITION, b"X-Long: " + b"x" * 100_000)),
        form(part(b"x", DISPOSITION, *[b"X-Many: %d" % number for number in range(1000)])),
        form(*[field(f"f{number}") for number in range(100)], part(b"x")),
        form(part(b"x"), *[field(f"f{number}") for number in range(100)]),
    ],
)
@pytest.mark.parametrize("piece_bytes", [1000, 1 << 30])
def test_a_hostile_body_is_malformed(body: bytes, piece_bytes: int) -> None:
    with pytest.raises(Malformed):
        read(body, piece_bytes=piece_bytes)


@pytest.mark.parametrize("content", [b"x" * 65_537, b"\r" * 70_000, b"\r\n" * 40_000])
@pytest.mark.parametrize("piece_bytes", [1000, 1 << 30])
def test_a_part_beside_the_file_has_at_most_64_kib(content: bytes, piece_bytes: int) -> None:
    assert read(form(field("note", b"x" * 65_536), part(b"y")), piece_bytes=piece_bytes)[1] == b"y"
    for body in (form(field("note", content), part(b"y")), form(part(b"y"), field("note", content))):
        with pytest.raises(TooLarge):
            read(body, piece_bytes=piece_bytes)


def test_blank_lines_before_the_form_are_not_read_for_ever() -> None:
    with pytest.raises(TooLarge):
        read(b"\r\n" * 100_000 + form(part(b"x")), piece_bytes=1000)


@pytest.mark.parametrize(
    ("after", "error"),
    [([b""], None), ([b"\r\n", b"no part"], None), ([Malformed("cut")], Malformed), ([b"x" * 40_000] * 2, TooLarge)],
)
def test_what_follows_the_form_means_nothing_but_is_read_to_its_end(
    after: list[bytes | Malformed], error: type[Exception] | None
) -> None:
    async def scenario() -> None:
        async def body() -> AsyncIterator[bytes]:
            yield form(part(b"x"))
            for one in after:
                if isinstance(one, Malformed):
                    raise one
                yield one

        found = await file_part(body(), TYPE)
        with pytest.raises(error) if error else nullcontext():
            assert [chunk async for chunk in found.chunks] == [b"x"]

    asyncio.run(scenario())


def test_an_error_of_the_body_reaches_the_reader_of_the_content() -> None:
    async def scenario() -> None:
        async def body() -> AsyncIterator[bytes]:
            yield part(b"x")[:-2]
            raise ConnectionResetError

        found = await file_part(body(), TYPE)
        with pytest.raises(ConnectionResetError):
            async for _ in found.chunks:
                pass

    asyncio.run(scenario())
