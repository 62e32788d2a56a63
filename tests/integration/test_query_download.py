"""Downloads over real HTTP: headers, ranges, conditions, and what counts."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from tests.integration.query_world import MIB, World, world

MODELS = "/api/v1/models"
SMALL = bytes(range(256)) * 4
LARGE = b"".join(number.to_bytes(4, "big") for number in range(5 * MIB // 8))  # 2.5 chunks
SIZES = (0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 1, len(LARGE))


@pytest.fixture
def registry(mongodb_url: str) -> Iterator[World]:
    with world(mongodb_url) as one:
        yield one


def with_file(registry: World, content: bytes = SMALL, filename: str = "model.pkl", **fields: object) -> str:
    model_id = registry.model("m", files={"v1.0": content}, file_names={"v1.0": filename}, **fields)
    return f"{MODELS}/{model_id}/download"


def test_a_download_has_the_headers_of_the_contract(registry: World) -> None:
    answer = registry.get(with_file(registry))
    checksum = next(iter(registry.blobs.contents))
    assert answer.body == SMALL
    expected = {
        "content-type": "application/octet-stream",
        "content-length": "1024",
        "content-disposition": 'attachment; filename="model.pkl"',
        "x-model-algorithm": "random_forest",
        "x-model-version": "v1.0",
        "x-file-checksum": f"sha256:{checksum}",
        "etag": f'"{checksum}"',
        "accept-ranges": "bytes",
    }
    assert {name: answer.headers[name] for name in expected} == expected
    assert "deprecation" not in answer.headers


@pytest.mark.parametrize("size", SIZES)
def test_files_of_every_size_arrive_whole_and_count_once(registry: World, size: int) -> None:
    path = with_file(registry, LARGE[:size])
    answer = registry.get(path)
    assert (answer.status, answer.body == LARGE[:size]) == (200, True)
    assert [one[1:] for one in registry.downloads.recorded] == [("m", "v1.0", "random_forest", size, "anonymous")]
    assert all(reader.closed for reader in registry.blobs.readers)


@pytest.mark.parametrize("size", SIZES)
def test_no_file_arrives_whole_while_downloads_cannot_be_recorded(registry: World, size: int) -> None:
    path = with_file(registry, LARGE[:size])
    registry.downloads.failing = True
    if size <= MIB:
        answer = registry.get(path)
        assert (answer.status, answer.json["code"]) == (503, "log-unavailable")
        assert "retry-after" in answer.headers
    else:
        try:
            answer = registry.get(path)
            assert answer.status == 503
        except http.client.IncompleteRead as error:
            assert len(error.partial) < size
    assert all(reader.closed for reader in registry.blobs.readers)


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, 1024),
        ("bytes=10-19", 10, 20),
        ("bytes=1000-", 1000, 1024),
        ("bytes=1000-5000", 1000, 1024),
        ("bytes=-24", 1000, 1024),
        ("bytes=-5000", 0, 1024),
        ("BYTES=1-1", 1, 2),
    ],
)
def test_a_range_is_served_and_counts_only_from_the_first_byte(
    registry: World, header: str, start: int, stop: int
) -> None:
    answer = registry.get(with_file(registry), Range=header)
    assert (answer.status, answer.body) == (206, SMALL[start:stop])
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/1024"
    assert answer.headers["content-length"] == str(stop - start)
    assert len(registry.downloads.recorded) == (1 if start == 0 else 0)


@pytest.mark.parametrize("header", ["bytes=1024-", "bytes=5000-6000", "bytes=-0", "bytes=9999999999999999999-"])
def test_a_range_outside_the_file_is_416(registry: World, header: str) -> None:
    answer = registry.get(with_file(registry), Range=header)
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */1024")
    assert answer.headers["content-type"] == "application/problem+json"
    assert registry.downloads.recorded == []


@pytest.mark.parametrize(
    "header", ["bytes=0-1,5-6", "bytes=5-1", "bytes=a-b", "rows=0-1", "bytes=-", "bytes=" + "1" * 400]
)
def test_several_ranges_and_what_is_no_range_give_the_whole_file(registry: World, header: str) -> None:
    answer = registry.get(with_file(registry), Range=header)
    assert (answer.status, answer.body) == (200, SMALL)


def test_no_range_fits_an_empty_file(registry: World) -> None:
    assert registry.get(with_file(registry, b""), Range="bytes=0-").status == 416


def test_a_known_file_is_304_and_not_counted(registry: World) -> None:
    path = with_file(registry)
    tag = registry.get(path, "HEAD").headers["etag"]
    for known in (tag, f"W/{tag}", f'"a", {tag}', "*"):
        answer = registry.get(path, If_None_Match=known)
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
    assert registry.get(path, If_None_Match='"other"').status == 200
    assert len(registry.downloads.recorded) == 1


def test_if_range_with_another_tag_gives_the_whole_file(registry: World) -> None:
    path = with_file(registry)
    tag = registry.get(path, "HEAD").headers["etag"]
    assert registry.get(path, Range="bytes=5-9", If_Range=tag).status == 206
    for other in ('"x"', f"W/{tag}", "Sat, 21 Nov 2026 17:00:00 GMT"):
        assert registry.get(path, Range="bytes=5-9", If_Range=other).status == 200


def test_head_has_the_same_headers_and_counts_nothing(registry: World) -> None:
    path = with_file(registry, LARGE)
    head = registry.get(path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert registry.downloads.recorded == []
    whole = registry.get(path)
    assert {k: v for k, v in head.headers.items() if k != "date"} == {
        k: v for k, v in whole.headers.items() if k != "date"
    }


def test_without_a_version_the_newest_with_a_file_is_served(registry: World) -> None:
    model_id = registry.model("m", versions=["v1.0", "v1.1", "v1.2"], files={"v1.0": b"old", "v1.1": b"new"})
    answer = registry.get(f"{MODELS}/{model_id}/download")
    assert (answer.headers["x-model-version"], answer.body) == ("v1.1", b"new")
    assert registry.get(f"{MODELS}/{model_id}/download?version=v1.0").body == b"old"
    assert registry.get(f"{MODELS}/{model_id}/download?version=v1.2").json["code"] == "file-not-found"


def test_a_model_without_a_file_is_404_file_not_found(registry: World) -> None:
    assert registry.get(f"{MODELS}/{registry.model('m')}/download").json["code"] == "file-not-found"


@pytest.mark.parametrize("status", ["deprecated", "archived"])
def test_retired_models_and_versions_can_be_downloaded_and_say_so(registry: World, status: str) -> None:
    assert registry.get(with_file(registry, status=status)).headers["deprecation"] == "@1795276800"
    model_id = registry.model("n", files={"v1.0": b"x"}, version_fields={"v1.0": {"status": status}})
    assert "deprecation" in registry.get(f"{MODELS}/{model_id}/download").headers


def test_deleted_models_cannot_be_downloaded(registry: World) -> None:
    assert registry.get(with_file(registry, deleted=True)).json["code"] == "model-not-found"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_file_that_the_blob_store_lost_is_503(registry: World, method: str) -> None:
    path = with_file(registry)
    registry.blobs.contents.clear()
    assert registry.get(path, method).status == 503
    assert registry.downloads.recorded == []
    assert len(registry.suspects.reported) == (1 if method == "GET" else 0)


@pytest.mark.parametrize(
    "filename",
    ['a"b.pkl', "../../etc/passwd", "a\r\nX-Evil: 1.pkl", "modèle 模型.pkl", "..", "", "C:\\x\\m.pkl", "a;b.pkl"],
)
def test_no_file_name_breaks_the_header(registry: World, filename: str) -> None:
    answer = registry.get(with_file(registry, filename=filename))
    assert answer.status == 200
    assert "x-evil" not in answer.headers
    disposition = answer.headers["content-disposition"]
    assert disposition.isascii() and "/" not in disposition and "\\" not in disposition


def test_a_model_whose_file_name_is_unusable_lends_its_own(registry: World) -> None:
    assert (
        registry.get(with_file(registry, filename="..")).headers["content-disposition"]
        == 'attachment; filename="m.bin"'
    )


@pytest.mark.parametrize(
    ("algorithm", "header"), [("100% svm", "100% svm"), ("forêt 树", "for%C3%AAt %E6%A0%91"), (" x ", "x")]
)
def test_an_algorithm_of_any_script_fits_its_header(registry: World, algorithm: str, header: str) -> None:
    assert registry.get(with_file(registry, algorithm=algorithm)).headers["x-model-algorithm"] == header


def test_a_client_that_leaves_is_not_counted_and_its_reader_is_closed(registry: World) -> None:
    path = with_file(registry, LARGE * 30)
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    response.read(10)
    response.close()
    connection.close()
    for _ in range(200):
        if all(reader.closed for reader in registry.blobs.readers):
            break
        registry.get(f"{MODELS}?limit=1")
    assert all(reader.closed for reader in registry.blobs.readers)
    assert registry.downloads.recorded == []


def test_a_download_that_takes_too_long_is_cut_short(mongodb_url: str) -> None:
    with world(mongodb_url, download_timeout_seconds=0.3) as registry:
        registry.blobs.chunks_before_it_hangs = 2
        with pytest.raises(http.client.IncompleteRead):
            registry.get(with_file(registry, LARGE))
        assert registry.downloads.recorded == []
        assert registry.blobs.readers[0].closed


@pytest.mark.parametrize("size", [1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 1, len(LARGE)])
@pytest.mark.parametrize("header", [None, "bytes=0-"])
def test_a_damaged_file_never_arrives_whole_and_is_reported(registry: World, size: int, header: str | None) -> None:
    path = with_file(registry, LARGE[:size])
    ((checksum, content),) = registry.blobs.contents.items()
    registry.blobs.contents[checksum] = bytes([content[0] ^ 1]) + content[1:]
    headers = {} if header is None else {"Range": header}
    if size <= 2 * MIB:  # two chunks are read before the head goes out
        answer = registry.get(path, **headers)
        assert (answer.status, answer.json["code"]) == (503, "blob-corrupt")
    else:
        with pytest.raises(http.client.IncompleteRead) as cut:
            registry.get(path, **headers)
        assert len(cut.value.partial) < size
    assert [(one.checksum, one.version) for one in registry.suspects.reported] == [(checksum, "v1.0")]
    assert b'blobs_corrupt_total{found_by="download"} 1.0' in registry.metrics.exposition()
    assert registry.downloads.recorded == []
    assert all(reader.closed for reader in registry.blobs.readers)
    if size > 1:
        assert registry.get(path, Range="bytes=1-").body == content[1:], "a part has no checksum of its own"
