"""File names: safe whatever the sender wrote, and the same in the answer's header."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorfleet.blobs.checksums import parse_checksum
from tensorfleet.blobs.filenames import content_disposition, format_of, safe_filename
from tensorfleet.domain.errors import InvalidCommand

any_text = st.text(st.characters(), max_size=400)  # lone surrogates too


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("model.pkl", "model.pkl"),
        ("my model (1).pkl", "my model (1).pkl"),
        ("../../etc/passwd", "passwd"),
        ("/abs/model.pkl", "model.pkl"),
        ("C:\\Users\\me\\model.pkl", "model.pkl"),
        ("mixed/path\\model.pkl", "model.pkl"),
        ("..\\..\\model.pkl", "model.pkl"),
        ("mo\x00del\r\n.pkl\x7f", "model.pkl"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("\u2066a\u2069\u200f.pkl", "a.pkl"),
        ("a\ud800b.pkl", "ab.pkl"),
        ("a\u2028b.pkl", "a b.pkl"),
        ("a\"b'c`.pkl", "a_b_c_.pkl"),
        ("a:b<c>|d?*.pkl", "a_b_c__d__.pkl"),
        ("cafe\u0301.pkl", "caf\u00e9.pkl"),
        ("模型.onnx", "模型.onnx"),
        ("  model.pkl . .", "model.pkl"),
        (".hidden", ".hidden"),
        ("", None),
        (".", None),
        ("..", None),
        ("...", None),
        ("dir/", None),
        ("dir/..", None),
        (".\u200b.", None),
        (" \t\n", None),
        ("\x00\u202e\ud800", None),
    ],
)
def test_a_name_is_reduced_to_a_safe_last_path_part(raw: str, safe: str | None) -> None:
    assert safe_filename(raw) == safe


@pytest.mark.parametrize(
    ("raw", "ending"),
    [
        ("m" * 300 + ".safetensors", ".safetensors"),
        ("模" * 200 + ".onnx", ".onnx"),
        ("e\u0301" * 300 + ".pkl", ".pkl"),
        ("e" + "\u0302" * 100_000 + "\u0323" * 100_000 + ".pkl", ".pkl"),
        ("m" * 300, "m"),
        ("m." + "x" * 300, "x"),
        ("." + "x" * 300, "x"),
        ("m" * 250 + " " * 50 + "x" * 40, "m"),
    ],
)
def test_a_long_name_is_cut_to_255_bytes_before_its_extension(raw: str, ending: str) -> None:
    safe = safe_filename(raw)
    assert safe is not None
    assert 240 < len(safe.encode()) <= 255
    assert safe.endswith(ending)


@given(any_text)
def test_no_name_gets_through_that_is_not_safe(raw: str) -> None:
    safe = safe_filename(raw)
    if safe is None:
        return
    assert 1 <= len(safe.encode("utf-8")) <= 255
    assert safe not in (".", "..")
    assert not set(safe) & set('/\\"\r\n\0:*?<>|')
    assert unicodedata.is_normalized("NFC", safe)
    assert not {unicodedata.category(one) for one in safe} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(any_text)
def test_a_safe_name_stays_as_it_is(raw: str) -> None:
    safe = safe_filename(raw)
    assert safe is None or safe_filename(safe) == safe


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("x.pkl", 'attachment; filename="x.pkl"'),
        ("my model, v1;2 (a).pkl", 'attachment; filename="my model, v1;2 (a).pkl"'),
        ("é.pkl", "attachment; filename=\"_.pkl\"; filename*=UTF-8''%C3%A9.pkl"),
        ("模型 1.pkl", "attachment; filename=\"__ 1.pkl\"; filename*=UTF-8''%E6%A8%A1%E5%9E%8B%201.pkl"),
        ('a"b.pkl', "attachment; filename=\"a_b.pkl\"; filename*=UTF-8''a%22b.pkl"),
        ("a\\b", "attachment; filename=\"a_b\"; filename*=UTF-8''a%5Cb"),
        ("100%41.pkl", "attachment; filename=\"100_41.pkl\"; filename*=UTF-8''100%2541.pkl"),
        ("é'(*).pkl", "attachment; filename=\"_'(*).pkl\"; filename*=UTF-8''%C3%A9%27%28%2A%29.pkl"),
        ("a\r\nSet-Cookie: x", "attachment; filename=\"a__Set-Cookie: x\"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x"),
        ("a\ud800", "attachment; filename=\"a_\"; filename*=UTF-8''a%3F"),
        ("", "attachment; filename=\"\"; filename*=UTF-8''"),
    ],
)
def test_the_download_header_names_the_file(filename: str, header: str) -> None:
    assert content_disposition(filename) == header


@given(any_text)
def test_no_name_breaks_out_of_the_header(filename: str) -> None:
    header = content_disposition(filename)
    assert re.fullmatch(
        r"attachment; filename=\"[ !#-\[\]-~]*\"(; filename\*=UTF-8''[A-Za-z0-9!#$&+.^_`|~%-]*)?", header
    )


@given(any_text.map(safe_filename).filter(bool))
def test_a_client_reads_back_the_name_that_was_stored(filename: str) -> None:
    header = content_disposition(filename)
    plain, _, extended = header.partition("; filename*=UTF-8''")
    assert (unquote(extended) if extended else plain.split('"')[1]) == filename


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("m.pkl", "pickle"),
        ("M.PICKLE", "pickle"),
        ("m.joblib", "joblib"),
        ("m.onnx", "onnx"),
        ("m.pt", "pytorch"),
        ("m.pth", "pytorch"),
        ("m.safetensors", "safetensors"),
        ("m.h5", "hdf5"),
        ("m.hdf5", "hdf5"),
        ("m.keras", "keras"),
        ("m.gguf", "gguf"),
        ("m.npy", "numpy"),
        ("m.npz", "numpy"),
        ("m.cbm", "catboost"),
        ("m.ubj", "xgboost"),
        ("m.bst", "xgboost"),
        ("m.xgb", "xgboost"),
        ("m.zip", "zip"),
        ("m.tar", "tar"),
        ("m.tar.gz", "tar"),
        ("m.v1.tar.zst", "tar"),
        ("m.tgz", "tar"),
        ("m.json", "json"),
        ("m.v1.2.pkl", "pickle"),
        ("m.gz", "binary"),
        ("m.pkl.exe", "binary"),
        ("pkl", "binary"),
        ("m", "binary"),
        ("m.", "binary"),
        ("", "binary"),
    ],
)
def test_the_format_is_what_the_extension_says(filename: str, expected: str) -> None:
    assert format_of(filename) == expected


@pytest.mark.parametrize("text", ["ab" * 32, "sha256:" + "ab" * 32, " SHA256:" + "AB" * 32 + " "])
def test_a_checksum_is_read_with_and_without_its_prefix(text: str) -> None:
    assert parse_checksum(text) == "ab" * 32


@pytest.mark.parametrize("text", ["", "sha256:", "ab" * 31, "ab" * 33, "md5:" + "ab" * 32, "zz" * 32, "../" + "a" * 61])
def test_what_is_no_checksum_is_refused(text: str) -> None:
    with pytest.raises(InvalidCommand):
        parse_checksum(text)
