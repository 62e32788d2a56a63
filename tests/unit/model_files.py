"""Small harmless model files of each format, made byte by byte, so that no framework is needed to make them."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Mapping

import numpy

TORCH_MAGIC = 0x1950A86A20F9469CFC6C

# A dict with one tensor, as torch's zip and its old format name it.
TENSOR = (
    b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
    b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQK\x00K\x02K\x02\x86K\x02K\x01\x86\x89ccollections\nOrderedDict\n)RtRs."
)
STORAGE = struct.pack("<4f", 1, 2, 3, 4)


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def tarred(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def torch_zip(tensor: bytes = TENSOR, storage: bytes = STORAGE) -> bytes:
    return zipped({"m/data.pkl": tensor, "m/byteorder": b"little", "m/data/0": storage, "m/version": b"3\n"})


def torch_old(tensor: bytes = TENSOR) -> bytes:
    head = [pickle.dumps(one, 2) for one in (TORCH_MAGIC, 1001, {"little_endian": True})]
    return b"".join([*head, tensor, pickle.dumps(["0"], 2), struct.pack("<q", 4), STORAGE])


def npy(array: object) -> bytes:
    file = io.BytesIO()
    numpy.save(file, array, allow_pickle=True)
    return file.getvalue()


def safetensors(header: object = None, content: bytes = STORAGE, length: int | None = None) -> bytes:
    if header is None:
        header = {"__metadata__": {"format": "pt"}, "w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + content


def message(*fields: tuple[int, int | str | bytes]) -> bytes:
    """A protobuf message; numbers below 128, and texts or messages of less than 16,384 bytes."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += bytes([number << 3, value])
        else:
            raw = value.encode() if isinstance(value, str) else value
            key = number << 3 | 2
            keys = bytes([key]) if key < 128 else bytes([key & 127 | 128, key >> 7])
            out += keys + bytes([len(raw) & 127 | 128, len(raw) >> 7]) + raw
    return out


def onnx(domain: str = "", location: str | None = None) -> bytes:
    external = [(13, message((1, "location"), (2, location))), (14, 1)] if location is not None else [(9, STORAGE)]
    tensor = message((1, 4), (2, 1), (8, "w"), *external)
    node = message((1, "x"), (2, "y"), (4, "Relu"), (7, domain))
    graph = message((1, node), (2, "g"), (5, tensor))
    return message((1, 8), (2, "maker"), (7, graph), (8, message((1, domain), (2, 17))))


def keras_layer(**changes: object) -> dict[str, object]:
    layer = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}, "registered_name": None}
    return {**layer, **changes}


def keras(*layers: dict[str, object], config: bytes | None = None) -> bytes:
    model = keras_layer(class_name="Sequential", config={"layers": list(layers or (keras_layer(),))})
    members = {
        "metadata.json": b'{"keras_version": "3.9.0"}',
        "config.json": config if config is not None else json.dumps(model).encode(),
        "model.weights.h5": hdf5(),
    }
    return zipped(members)


def hdf5(*contents: bytes) -> bytes:
    return b"\x89HDF\r\n\x1a\n\x00\x00\x00\x00\x00\x08\x08\x00" + b"\x00".join(contents) + bytes(64)


def gguf_text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def gguf(settings: Mapping[str, str] | None = None, offset: int = 0, tensors: int = 1) -> bytes:
    pairs = {"general.architecture": "llama", **(settings or {})}
    out = b"GGUF" + struct.pack("<IQQ", 3, tensors, len(pairs))
    out += b"".join(gguf_text(key) + struct.pack("<I", 8) + gguf_text(value) for key, value in pairs.items())
    out += gguf_text("w") + struct.pack("<IQIQ", 1, 4, 0, offset)
    return out + bytes(-len(out) % 32) + STORAGE


LIGHTGBM = b"tree\nversion=v4\nnum_class=1\n\nTree=0\nnum_leaves=1\n\nend of trees\n\nparameters:\nend of parameters\n"
XGBOOST_JSON = b'{"learner":{"attributes":{}},"version":[2,0,3]}'
XGBOOST_UBJ = (
    b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{L\x00\x00\x00\x00\x00\x00\x00\x01a[$d#L\x00\x00\x00\x00\x00\x00\x00\x02"
    b"\x00\x00\x00\x00\x00\x00\x00\x00}}"
)
XGBOOST_OLD = b"binf" + bytes(200)
CATBOOST = b"CBM1" + struct.pack("<II", 16, 8) + bytes(12)


def lz4(content: bytes) -> bytes:
    """One frame, with one block of literals only, as its format has it for what does not repeat."""
    length = len(content) - 15
    block = b"\xf0" + b"\xff" * (length // 255) + bytes([length % 255]) + content
    return b"\x04\x22\x4d\x18\x60\x70\x73" + struct.pack("<I", len(block)) + block + bytes(4)


def plain_objects() -> object:
    return {"weights": [0.5, 1, None, True], "names": OrderedDict(a=("x", b"y")), "kinds": {1, 2}}
