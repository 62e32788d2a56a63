"""Harmless files of every format are recognised by their bytes, and safe."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import struct
import zlib

import joblib
import numpy
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tensorfleet.scanning.recognition import recognise
from tensorfleet.scanning.scan import scan
from tensorfleet.scanning.verdict import Judgement
from tests.unit import model_files as files


def fitted() -> object:
    rows = numpy.arange(80.0).reshape(20, 4)
    labels = (rows[:, 0] > 40).astype(int)
    forest = RandomForestClassifier(3, random_state=1).fit(rows, labels)
    return {"forest": forest, "line": make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)}


def arrays() -> list[numpy.ndarray]:
    record = numpy.zeros(3, dtype=[("a", "f4"), ("b", "i8")])
    objects = numpy.array(["text", None, 3], dtype=object)
    return [numpy.zeros((3, 4)), record, objects, numpy.array(["a", "bc"]), numpy.array(7), numpy.zeros(0)]


def dumped(value: object, compress: object = 0) -> bytes:
    file = io.BytesIO()
    joblib.dump(value, file, compress=compress)
    return file.getvalue()


def npz(**values: object) -> bytes:
    file = io.BytesIO()
    numpy.savez_compressed(file, **values)
    return file.getvalue()


def no_checksums() -> bytes:
    raw = files.torch_zip()
    for content in (files.TENSOR, b"little", files.STORAGE, b"3\n"):
        raw = raw.replace(struct.pack("<I", zlib.crc32(content)), bytes(4))
    return raw


MODEL = pickle.dumps(files.plain_objects())
SAFE = {
    **{f"pickle of protocol {p}": ("pickle", pickle.dumps(files.plain_objects(), p)) for p in range(6)},
    **{f"sklearn, protocol {p}": ("pickle", pickle.dumps(fitted(), p)) for p in (2, 4, 5)},
    "joblib": ("joblib", dumped([fitted(), *arrays()])),
    **{f"joblib, {kind}": ("joblib", dumped([fitted(), *arrays()], (kind, 3))) for kind in ("zlib", "gzip", "bz2")},
    **{f"joblib, {kind}": ("joblib", dumped([fitted(), *arrays()], (kind, 3))) for kind in ("xz", "lzma")},
    "joblib, lz4": ("joblib", files.lz4(dumped(arrays()))),
    "pickle in gzip": ("joblib", gzip.compress(MODEL)),
    "pickle in two gzip members": ("joblib", gzip.compress(MODEL[:20]) + gzip.compress(MODEL[20:])),
    "torch zip": ("torch", files.torch_zip()),
    "torch zip, numbers that begin like a pickle": ("torch", files.torch_zip(storage=b"\x80\x02" + bytes(14))),
    "torch zip without checksums": ("torch", no_checksums()),
    "torch, old format": ("pickle", files.torch_old()),
    "safetensors": ("safetensors", files.safetensors()),
    "onnx": ("onnx", files.onnx()),
    "keras": ("keras", files.keras()),
    "hdf5 weights": ("hdf5", files.hdf5(b"weights")),
    "hdf5 behind a user block": ("hdf5", bytes(512) + files.hdf5()),
    "gguf": ("gguf", files.gguf({"tokenizer.chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}"})),
    "npy": ("npy", files.npy(numpy.zeros((2, 3)))),
    "npy of objects": ("npy", files.npy(numpy.array([1, None, "x"], dtype=object))),
    "npy of records": ("npy", files.npy(arrays()[1])),
    "npz": ("npz", npz(a=numpy.zeros(3), b=numpy.array(["x", None], dtype=object))),
    "zip": ("zip", files.zipped({"a.pkl": MODEL, "b.npy": files.npy(numpy.zeros(2))})),
    "tar": ("tar", files.tarred({"a.pkl": MODEL, "sub/b.npz": npz(a=numpy.zeros(2))})),
    "tar in gzip": ("tar", gzip.compress(files.tarred({"a.pkl": MODEL}))),
    "tar in xz": ("tar", lzma.compress(files.tarred({"a.pkl": MODEL}))),
    "json in bz2": ("compressed", bz2.compress(b'{"a": 1}')),
    "catboost": ("catboost", files.CATBOOST),
    "xgboost, binary": ("xgboost", files.XGBOOST_OLD),
    "xgboost, ubj": ("xgboost", files.XGBOOST_UBJ),
    "xgboost, json": ("xgboost", files.XGBOOST_JSON),
    "lightgbm": ("lightgbm", files.LIGHTGBM),
    "json": ("json", b'{"model_type": "bert"}'),
}


@pytest.mark.parametrize("name", SAFE)
def test_a_harmless_file_is_recognised_and_safe(name: str) -> None:
    """Nothing of it is found suspicious, and recognising alone says the same as the scan."""
    expected, raw = SAFE[name]
    verdict = scan(io.BytesIO(raw))
    assert (verdict.format, verdict.verdict, verdict.findings) == (expected, Judgement.SAFE, ())
    assert recognise(io.BytesIO(raw)) == verdict.formats


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x00", b"hello world\n" * 3, bytes(range(256)), b"N. Bourbaki wrote this\n", zlib.compress(b"notes")],
    ids=["empty", "zero", "text", "bytes", "text like a pickle", "packed text"],
)
def test_what_is_not_known_is_unscanned_and_never_safe(raw: bytes) -> None:
    assert scan(io.BytesIO(raw)).verdict is Judgement.UNSCANNED


def test_a_file_of_two_formats_is_scanned_as_both() -> None:
    """A pickle with a zip behind it is loaded as the one or as the other."""
    both = b"cos\nsystem\n(S'id'\ntR." + files.torch_zip()
    verdict = scan(io.BytesIO(both))
    assert set(verdict.formats) == {"torch", "pickle"}
    assert verdict.verdict is Judgement.DANGEROUS
    assert {"dangerous-import", "prefixed-zip"} <= {finding.code for finding in verdict.findings}


def test_the_same_bytes_give_the_same_verdict() -> None:
    for _, raw in SAFE.values():
        assert scan(io.BytesIO(raw)) == scan(io.BytesIO(raw))
