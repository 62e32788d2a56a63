"""Hostile model files, each with the verdict and the finding that it must get: a line a file, where that is possible."""

# ruff: noqa: E501  a table is read by its lines

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from dataclasses import dataclass

import joblib
import numpy

from tests.unit import model_files as files


@dataclass(frozen=True)
class Hostile:
    name: str
    raw: bytes
    verdict: str
    code: str


def call(module: str, name: str, argument: bytes = b"S'x'\n") -> bytes:
    """A call with one argument, in protocol 0."""
    return f"c{module}\n{name}\n".encode() + b"(" + argument + b"tR."


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def stacked(module: str, name: str) -> bytes:
    """The import alone, in protocol 4."""
    return b"\x80\x04" + short(module) + short(name) + b"\x93"


class Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("true",)


EVIL = pickle.dumps(Runs())
OLD_EVIL = call("os", "system")
FINE = pickle.dumps({"a": [1, 2]})
LONG = b"X\x05\x00\x00\x00hello" * 30_000

GADGETS = """
os.system posix.system nt.system subprocess.Popen subprocess.check_output builtins.eval builtins.exec builtins.compile
builtins.getattr builtins.__import__ builtins.open runpy.run_path runpy._run_code importlib.import_module pty.spawn
socket.create_connection shutil.rmtree webbrowser.open pkgutil.resolve_name operator.attrgetter operator.methodcaller
types.FunctionType types.CodeType marshal.loads ctypes.CDLL torch.load torch.serialization.load torch.hub.load numpy.load
joblib.load pickle.loads _pickle.loads timeit.timeit bdb.Bdb.run pdb.run code.InteractiveInterpreter.runcode
asyncio.create_subprocess_shell pip.main ensurepip._run_pip distutils.file_util.write_file idlelib.run.Executive.runcode
cProfile.run profile.run trace.Trace.run pydoc.locate doctest.debug_script multiprocessing.util.spawnv_passfds
numpy.f2py.crackfortran.getlincoef numpy.testing._private.utils.runstring torch._inductor.codecache.compile_file
torch.jit.unsupported_tensor_ops.execWrapper torch.utils.collect_env.run torch.fx.graph_module.reduce_graph_module
logging.config.fileConfig urllib.request.urlopen ssl.get_server_certificate sqlite3.connect gc.get_objects sys.exit
numpy.__builtins__ numpy.core._internal.sys collections.abc.sys.modules sklearn.datasets.load_files pandas.read_pickle
pandas.io.pickle.read_pickle scipy.stats._distn_infrastructure.rv_frozen dill.loads cloudpickle.loads yaml.unsafe_load
fickling.hook.deactivate_safe_ml_environment
"""


def split(path: str) -> tuple[str, str]:
    """Into module and name, which begins at a class, or at the last part."""
    parts = path.split(".")
    last = next(
        (at for at, part in enumerate(parts) if at and (part[0].isupper() or part == "modules")), len(parts) - 1
    )
    return ".".join(parts[:last]), ".".join(parts[last:])


def gadgets() -> list[Hostile]:
    return [Hostile(f"imports {path}", call(*split(path)), "dangerous", "dangerous-import") for path in GADGETS.split()]


def hidden_imports() -> list[Hostile]:
    """The same import, in ways in which scanners have missed it."""
    names = b"(S'posix'\nS'system'\n"
    confused = b"\x80\x04" + short("posix") + b"q\x00" + short("system") + b"q\x01"
    decoy = short("collections") + b"\x94" + short("OrderedDict") + b"\x94"
    return [
        Hostile("INST", b"(S'x'\nios\nsystem\n.", "dangerous", "dangerous-import"),
        Hostile("OBJ", b"(cos\nsystem\nS'x'\no.", "dangerous", "dangerous-import"),
        Hostile("NEWOBJ", b"\x80\x02cos\nsystem\nU\x01x\x85\x81.", "dangerous", "dangerous-import"),
        Hostile("NEWOBJ_EX", stacked("os", "system") + short("x") + b"\x85}\x92.", "dangerous", "dangerous-import"),
        Hostile("STACK_GLOBAL", stacked("os", "system") + b"0N.", "dangerous", "dangerous-import"),
        Hostile("memo of two kinds", confused + decoy + b"h\x00h\x01\x93.", "dangerous", "dangerous-import"),
        Hostile("memo overwritten", b"\x80\x04" + short("re") + b"q\x05" + short("os") + b"q\x05h\x05" + short("system") + b"\x93.", "dangerous", "dangerous-import"),
        Hostile("name by PUT and GET", b"S'posix'\np1\n0S'system'\np2\n0g1\ng2\n\x93.", "dangerous", "dangerous-import"),
        Hostile("name by DUP", b"\x80\x04" + short("os") + b"20" + short("system") + b"\x93.", "dangerous", "dangerous-import"),
        Hostile("name below a popped mark", names + b"(1\x93.", "dangerous", "dangerous-import"),
        Hostile("name made by a call", b"cbuiltins\nstr\n(S'os'\ntRS'system'\n\x93.", "dangerous", "computed-import"),
        Hostile("name too long to keep", b"\x80\x04" + short("os") + b"X\xd0\x07\x00\x00" + b"x" * 2000 + b"\x93.", "dangerous", "computed-import"),
        Hostile("name made by another's call", b"ccopyreg\n__newobj__\n(cbuiltins\nstr\nS'os'\ntRS'system'\n\x93.", "dangerous", "computed-import"),
        Hostile("name out of bytes", b"\x80\x04C\x02osC\x06system\x93.", "suspicious", "broken-pickle"),
        Hostile("name out of an attribute", b"cnumpy\nprod.a\n" + b"cnumpy\nprod.b\n\x93.", "dangerous", "computed-import"),
        Hostile("name escaped", b"V\\u006fs\nVsyst\\u0065m\n\x93.", "dangerous", "dangerous-import"),
        Hostile("name of Python 2", call("commands", "getoutput"), "dangerous", "dangerous-import"),
        Hostile("name that Python 3 has elsewhere", call("__builtin__", "reduce"), "dangerous", "dangerous-import"),
        Hostile("builtins of Python 2", call("__builtin__", "eval"), "dangerous", "dangerous-import"),
        Hostile("dotted name", stacked("sklearn.svm", "SVC.__init__.__globals__") + b".", "dangerous", "dangerous-import"),
        Hostile("dotted name of an allowed class", stacked("collections", "OrderedDict.fromkeys") + b".", "suspicious", "unknown-import"),
        Hostile("extension registry", b"\x80\x02\x82\x01.", "suspicious", "extension-registry"),
        Hostile("persistent id", b"Pos.system\n.", "suspicious", "persistent-id"),
        Hostile("binary persistent id", b"\x80\x02K\x01Q.", "suspicious", "persistent-id"),
        Hostile("state of an import", b"\x80\x02ccollections\nOrderedDict\n}b.", "dangerous", "patched-import"),
        Hostile("item of an import", b"\x80\x02ccollections\nOrderedDict\nK\x01K\x02s.", "dangerous", "patched-import"),
        Hostile("state of a list", b"\x80\x02]}b.", "suspicious", "odd-state"),
        Hostile("call of what a call gave", b"cbuiltins\nlist\n)R)R.", "suspicious", "computed-call"),
        Hostile("unknown class", call("acme.models", "Net"), "suspicious", "unknown-import"),
        Hostile("partial", call("functools", "partial"), "suspicious", "unknown-import"),
        Hostile("codec other than latin1", b"c_codecs\nencode\n(Vbf\nVrot13\ntR.", "suspicious", "odd-encoding"),
        Hostile("out-of-band buffer", b"\x80\x05\x97.", "suspicious", "out-of-band-buffer"),
        Hostile("user class of sklearn's look", call("sklearn.svm", "Parallel"), "suspicious", "unknown-import"),
        Hostile("table of sklearn", call("sklearn.metrics._scorer", "_SCORERS"), "suspicious", "unknown-import"),
    ]  # fmt: skip


def streams() -> list[Hostile]:
    """Where the pickle is not where it should be, or does not end as it should."""
    torch_evil = pickle.dumps(files.TORCH_MAGIC, 2) + OLD_EVIL
    nested = b"\x80\x02ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(EVIL)) + EVIL + b"\x85R."
    return [
        Hostile("second pickle", FINE + EVIL, "dangerous", "dangerous-import"),
        Hostile("third pickle, of protocol 0", FINE + FINE + OLD_EVIL, "dangerous", "dangerous-import"),
        Hostile("behind many opcodes", b"\x80\x02" + b"N0" * 40_000 + OLD_EVIL, "dangerous", "dangerous-import"),
        Hostile("behind many opcodes, no mark", b"N0" * 40_000 + OLD_EVIL, "dangerous", "dangerous-import"),
        Hostile("behind long text", b"\x80\x02(" + LONG + b"1" + OLD_EVIL, "dangerous", "dangerous-import"),
        Hostile("cut after the call", OLD_EVIL[:-1], "dangerous", "dangerous-import"),
        Hostile("broken after the call", EVIL[:-1] + b"\xff", "dangerous", "dangerous-import"),
        Hostile("stack runs dry after the call", OLD_EVIL[:-1] + b"000.", "dangerous", "dangerous-import"),
        Hostile("cut", FINE[:-1], "suspicious", "truncated"),
        Hostile("no opcode", b"\x80\x02\xff.", "suspicious", "broken-pickle"),
        Hostile("protocol of the future", b"\x80\x02N\x80\x09.", "suspicious", "broken-pickle"),
        Hostile("trailing bytes", FINE + b"\x00\x01\x02", "suspicious", "trailing-bytes"),
        Hostile("old torch, second pickle", torch_evil, "dangerous", "dangerous-import"),
        Hostile("old torch, model", files.torch_old(EVIL), "dangerous", "dangerous-import"),
        Hostile("pickle within bytes that torch loads", nested, "dangerous", "dangerous-import"),
        Hostile("pickle within bytes made while loading", call("torch.storage", "_load_from_bytes"), "suspicious", "hidden-file"),
    ]  # fmt: skip


def wrapped(shape: bytes, name: bytes, padding: bytes, raw: bytes, rest: bytes) -> bytes:
    """A pickle of joblib with one array; `padding` with its length in front."""
    state = b"}(U\x05shape" + shape + b"U\x05dtypecnumpy\ndtype\n(" + name + b"K\x00K\x01tR"
    aligned = b"U\x1bnumpy_array_alignment_bytesK\x10" if padding else b""
    return b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81" + state + aligned + b"ub" + padding + raw + rest


def numbered(name: bytes, flags: bytes) -> bytes:
    """A type of elements of numpy, with these flags in its state."""
    state = b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff" + flags + b"t"
    return b"\x80\x02cnumpy\ndtype\n(" + name + b"\x89\x88tR" + state + b"b."


def swallowing() -> bytes:
    """To joblib the eight bytes are an array; read as opcodes, they would take the call for bytes."""
    rest = b"0" + OLD_EVIL
    whole = wrapped(b"K\x01\x85", b"U\x02f8", b"", b"N0N0N0C" + bytes([len(rest)]), rest + b".")
    plain = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n"
    return patched(whole, plain + b")\x81", b"ccopyreg\n__newobj__\n" + plain + b"\x85R")


def framed() -> bytes:
    """joblib runs the frame to its end before it skips the array; a scan that skips at once would not see the call."""
    whole = wrapped(b"K\x01\x85", b"U\x02f8", b"\x01\xff", b"", b"0" + OLD_EVIL)[2:]
    return b"\x80\x04\x95" + struct.pack("<Q", len(whole)) + whole + bytes(8) + b"."


def joblibs() -> list[Hostile]:
    def dumped(value: object, compress: object) -> bytes:
        file = io.BytesIO()
        joblib.dump(value, file, compress=compress)
        return file.getvalue()

    f8, shape = b"U\x02f8", b"K\x01\x85"
    rest = b"0" + OLD_EVIL
    objects = [numpy.zeros(4), numpy.array([Runs()], dtype=object)]
    return [
        *[Hostile(f"joblib in {one}", dumped([Runs()], (one, 3)), "dangerous", "dangerous-import") for one in ("zlib", "gzip", "bz2", "xz", "lzma")],
        Hostile("joblib in lz4", files.lz4(EVIL), "dangerous", "dangerous-import"),
        Hostile("array of objects in joblib", dumped(objects, 0), "dangerous", "dangerous-import"),
        Hostile("behind an array of joblib", wrapped(shape, f8, b"\x01\xff", bytes(8), rest), "dangerous", "dangerous-import"),
        Hostile("in an array of joblib, for pickle", wrapped(b"K\x05\x85", f8, b"", b"0" + OLD_EVIL.ljust(39, b"."), b"."), "dangerous", "dangerous-import"),
        Hostile("array of joblib with code for padding", wrapped(shape, f8, b"0" + b"N" * 48, bytes(8), b"."), "suspicious", "unfollowable-array"),
        Hostile("array of joblib of no known size", wrapped(b"N", f8, b"\x01\xff", bytes(8), b"."), "suspicious", "unfollowable-array"),
        Hostile("type of text of two sizes", numbered(b"U\x02U2", b"K\x08"), "suspicious", "odd-dtype"),
        Hostile("array of joblib, cut", wrapped(b"K\xff\x85", f8, b"\x01\xff", bytes(8), b"."), "suspicious", "truncated"),
        Hostile("array of joblib within a frame", framed(), "suspicious", "unfollowable-array"),
        Hostile("array of joblib, made by another function", swallowing(), "dangerous", "dangerous-import"),
        Hostile("lz4, block larger than it may be", b"\x04\x22\x4d\x18\x60\x40\x82" + struct.pack("<I", 70_000) + bytes(70_000), "suspicious", "malformed"),
        Hostile("type of objects that denies it", numbered(b"U\x02O8", b"K\x00"), "suspicious", "odd-dtype"),
        Hostile("type of numbers that says objects", numbered(b"U\x02f8", b"K\x3f"), "suspicious", "odd-dtype"),
        Hostile("type by another name", b"\x80\x02cnumpy\ndtype\nU\x06object\x85R.", "suspicious", "odd-dtype"),
        Hostile("type made by another function", b"\x80\x02ccopyreg\n__newobj__\ncnumpy\ndtype\nU\x02O8\x86R.", "suspicious", "odd-dtype"),
        Hostile("attribute that is an address", b"\x80\x02cargparse\nNamespace\n)R}U\x13__array_interface__}sb.", "suspicious", "odd-attribute"),
        Hostile("gzip cut in its trailer", gzip.compress(EVIL)[:-6], "dangerous", "dangerous-import"),
        Hostile("gzip with a wrong checksum", gzip.compress(EVIL)[:-8] + bytes(8), "dangerous", "dangerous-import"),
        Hostile("second gzip member", gzip.compress(FINE) + gzip.compress(EVIL), "dangerous", "dangerous-import"),
        Hostile("bytes behind gzip", gzip.compress(FINE) + b"more", "suspicious", "malformed"),
        Hostile("gzip in gzip", gzip.compress(bz2.compress(lzma.compress(EVIL))), "dangerous", "dangerous-import"),
        Hostile("gzip without end", gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(FINE)))))), "suspicious", "limit-depth"),
    ]  # fmt: skip


def patched(raw: bytes, old: bytes, new: bytes, count: int = -1) -> bytes:
    assert old in raw
    return raw.replace(old, new, count)


def symlink(target: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo("link")
        entry.create_system, entry.external_attr = 3, 0o120777 << 16
        archive.writestr(entry, target)
    return file.getvalue()


def tar_of(kind: bytes, name: str = "x", link: str = "") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, link
        archive.addfile(entry)
    return file.getvalue()


def twice(name: str, first: bytes, second: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, first)
        archive.fp.seek(archive.start_dir)  # type: ignore[union-attr]
        archive.NameToInfo.clear()
        archive.writestr(name, second)
    return file.getvalue()


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a", "w") as member:
        for _ in range(260):
            member.write(bytes(1 << 20))
    return file.getvalue()


def unlisted(first: bytes, hidden: bytes) -> bytes:
    """A zip with a member between the listed ones that the directory does not name."""
    listed, other = files.zipped({"a.pkl": first}), files.zipped({"b.pkl": hidden})
    start = listed.index(b"PK\x01\x02")
    gap = other[: other.index(b"PK\x01\x02")]
    end = listed.index(b"PK\x05\x06")
    offset = struct.pack("<I", start + len(gap))
    return listed[:start] + gap + listed[start:end] + listed[end : end + 16] + offset + listed[end + 20 :]


def encrypted(content: bytes) -> bytes:
    """Only by its flags, which torch does not look at."""
    raw = files.zipped({"a.pkl": content})
    raw = patched(raw, b"PK\x03\x04\x14\x00\x00", b"PK\x03\x04\x14\x00\x01")
    return patched(raw, b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")


def archives() -> list[Hostile]:
    torch_evil = files.torch_zip(EVIL)
    packed = files.zipped({"m/data.pkl": EVIL, "m/version": b"3"}, zipfile.ZIP_DEFLATED)
    crc = struct.pack("<I", zlib.crc32(EVIL))
    zip_in_tar = files.tarred({"a.zip": files.zipped({"b.pkl": EVIL})})
    two = files.zipped({"a.pkl": FINE, "b.pkl": FINE})
    second = two.index(b"PK\x03\x04", 4)
    overlap = patched(two, struct.pack("<I", second) + b"b.pkl", bytes(4) + b"b.pkl")
    deep = FINE
    for _ in range(6):
        deep = files.zipped({"a": deep})
    return [
        Hostile("torch zip", torch_evil, "dangerous", "dangerous-import"),
        Hostile("torch zip with a wrong checksum", patched(torch_evil, crc, bytes(4)), "dangerous", "dangerous-import"),
        Hostile("torch zip, model fine, checksum wrong", patched(files.torch_zip(), struct.pack("<I", zlib.crc32(files.TENSOR)), b"\x01\x00\x00\x00"), "suspicious", "wrong-checksum"),
        Hostile("torch zip without a directory", torch_evil[: torch_evil.index(b"PK\x01\x02")], "dangerous", "dangerous-import"),
        Hostile("torch zip, deflated", packed, "dangerous", "dangerous-import"),
        Hostile("torch zip, pickle under another name", files.zipped({"m/data.pkl": files.TENSOR, "m/notes.txt": EVIL}), "dangerous", "dangerous-import"),
        Hostile("torch zip, pickle for a storage", files.torch_zip(storage=EVIL), "dangerous", "dangerous-import"),
        Hostile("npz of objects", files.zipped({"a.npy": files.npy(numpy.array([Runs()], dtype=object))}), "dangerous", "dangerous-import"),
        Hostile("npz with a pickle", files.zipped({"a.npy": EVIL}), "dangerous", "dangerous-import"),
        Hostile("zip in tar", zip_in_tar, "dangerous", "dangerous-import"),
        Hostile("zip in tar in gzip", gzip.compress(zip_in_tar), "dangerous", "dangerous-import"),
        Hostile("zips within each other", deep, "suspicious", "limit-depth"),
        Hostile("zip, upwards", files.zipped({"../../etc/cron.d/x": FINE}), "dangerous", "path-traversal"),
        Hostile("zip, absolute", files.zipped({"/etc/passwd": FINE}), "dangerous", "path-traversal"),
        Hostile("zip, drive", files.zipped({"C:\\x": FINE}), "dangerous", "path-traversal"),
        Hostile("zip, upwards on Windows", files.zipped({"a\\..\\..\\x": FINE}), "dangerous", "path-traversal"),
        Hostile("zip, link outside", symlink("/etc/passwd"), "dangerous", "link-traversal"),
        Hostile("zip, link within", symlink("other"), "suspicious", "link"),
        Hostile("zip, member twice", patched(files.zipped({"a.pkl": FINE, "b.pkl": FINE}), b"b.pkl", b"a.pkl"), "suspicious", "duplicate-member"),
        Hostile("zip, two names of one member", patched(files.zipped({"a.pkl": FINE}), b"a.pkl", b"b.pkl", 1), "suspicious", "zip-lie"),
        Hostile("zip, local name upwards", patched(files.zipped({"abcdef": FINE}), b"abcdef", b"../cde", 1), "dangerous", "path-traversal"),
        Hostile("zip, overlap", overlap, "suspicious", "overlap"),
        Hostile("zip, member that is not listed", unlisted(FINE, EVIL), "dangerous", "dangerous-import"),
        Hostile("zip, fine member that is not listed", unlisted(FINE, FINE), "suspicious", "hidden-bytes"),
        Hostile("zip, encrypted", encrypted(FINE), "unscanned", "encrypted"),
        Hostile("zip, said to be encrypted", encrypted(EVIL), "dangerous", "dangerous-import"),
        Hostile("zip, unknown compression", files.zipped({"a.pkl": EVIL}, zipfile.ZIP_LZMA), "unscanned", "unknown-compression"),
        Hostile("zip, pickle in front", FINE + files.zipped({"a.pkl": FINE}), "suspicious", "prefixed-zip"),
        Hostile("zip, bytes behind", files.zipped({"a.pkl": FINE}) + b"x" * 40, "suspicious", "trailing-bytes"),
        Hostile("zip, bomb", bomb(), "suspicious", "bomb"),
        Hostile("zip, member not known", files.zipped({"a.bin": b"\x00\x01\x02\x03"}), "unscanned", "unknown-format"),
        Hostile("zip, program", files.zipped({"run": b"\x7fELF\x02\x01"}), "suspicious", "program"),
        Hostile("tar, upwards", files.tarred({"../x": FINE}), "dangerous", "path-traversal"),
        Hostile("tar, absolute", files.tarred({"/etc/x": FINE}), "dangerous", "path-traversal"),
        Hostile("tar, long name upwards", files.tarred({"a/" * 80 + "../" * 90 + "x": FINE}), "dangerous", "path-traversal"),
        Hostile("tar, link outside", tar_of(tarfile.SYMTYPE, "a/x", "../../etc"), "dangerous", "link-traversal"),
        Hostile("tar, hard link outside", tar_of(tarfile.LNKTYPE, "x", "/etc/passwd"), "dangerous", "link-traversal"),
        Hostile("tar, link within", tar_of(tarfile.SYMTYPE, "a/x", "../b"), "suspicious", "link"),
        Hostile("tar, device", tar_of(tarfile.CHRTYPE), "suspicious", "device"),
        Hostile("tar, pipe", tar_of(tarfile.FIFOTYPE), "suspicious", "device"),
        Hostile("tar, cut", files.tarred({"a": FINE})[:600], "suspicious", "truncated"),
        Hostile("tar, pickle behind the end", files.tarred({"a": FINE}) + EVIL, "suspicious", "trailing-bytes"),
    ]  # fmt: skip


def models() -> list[Hostile]:
    layer = files.keras_layer
    function = {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"}
    nested = layer(config={"kernel_initializer": {"module": "os", "class_name": "system", "config": {}}})
    disarm = layer(module="keras.config", class_name="function", config="enable_unsafe_deserialization")
    big = {"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 32]}}
    over = {name: {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]} for name in "ab"}
    gap = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}}
    twins = (
        b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"w":{"dtype":"I32","shape":[4],"data_offsets":[0,16]}}'
    )
    config = b'{"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda"}]}}'
    template = "{{ cycler.__init__.__globals__.os.popen('id').read() }}"
    return [
        Hostile("keras, Lambda", files.keras(layer(class_name="Lambda")), "dangerous", "keras-code"),
        Hostile("keras, Lambda with spaces and escapes", files.keras(config=b'{ "cl\\u0061ss_name" :\n "Lam\\u0062da"}'), "dangerous", "keras-code"),
        Hostile("keras, code for a function", files.keras(layer(config={"f": {"class_name": "__lambda__"}})), "dangerous", "keras-code"),
        Hostile("keras, pickle of torch", files.keras(layer(class_name="TorchModuleWrapper")), "dangerous", "keras-code"),
        Hostile("keras, function of builtins", files.keras(layer(config={"activation": function})), "dangerous", "dangerous-import"),
        Hostile("keras, initializer of os", files.keras(nested), "dangerous", "dangerous-import"),
        Hostile("keras, get_file", files.keras(layer(module="keras.utils", class_name="function", config="get_file")), "dangerous", "dangerous-import"),
        Hostile("keras, safe mode off", files.keras(disarm), "dangerous", "keras-disarms"),
        Hostile("keras, configuration as text", files.keras(layer(config={"inner": '{"class_name": "Lambda"}'})), "dangerous", "keras-code"),
        Hostile("keras, key twice", files.keras(config=b'{"class_name": "Lambda", "class_name": "Dense"}'), "dangerous", "keras-code"),
        Hostile("keras, custom object", files.keras(layer(registered_name="acme>Layer")), "suspicious", "keras-custom"),
        Hostile("keras, module from elsewhere", files.keras(layer(module="acme.layers")), "suspicious", "keras-custom"),
        Hostile("keras, module that looks like it", files.keras(layer(module="keras.layersx")), "suspicious", "keras-custom"),
        Hostile("keras, no JSON", files.keras(config=b'{"class_name": '), "suspicious", "malformed"),
        Hostile("keras, nested too deep", files.keras(config=b'{"a":' + b"[" * 100_000), "suspicious", "malformed"),
        Hostile("hdf5, Lambda", files.hdf5(b"model_config", config), "dangerous", "keras-code"),
        Hostile("hdf5, model", files.hdf5(b"model_config", b'{"class_name": "Sequential", "config": {}}'), "unscanned", "hdf5-model"),
        Hostile("hdf5, pickle in an attribute", files.hdf5(OLD_EVIL), "dangerous", "dangerous-import"),
        Hostile("hdf5, newer pickle in an attribute", files.hdf5(EVIL), "dangerous", "dangerous-import"),
        Hostile("hdf5, of PyTables", files.hdf5(b"PYTABLES_FORMAT_VERSION"), "unscanned", "hdf5-model"),
        Hostile("hdf5, heap with filters", files.hdf5(b"FRHP\x00\x08\x00\x0c\x00"), "unscanned", "hdf5-model"),
        Hostile("safetensors, header beyond the end", files.safetensors(length=1 << 40), "suspicious", "safetensors-lie"),
        Hostile("safetensors, tensor beyond the end", files.safetensors(big), "suspicious", "safetensors-lie"),
        Hostile("safetensors, overlap", files.safetensors(over), "suspicious", "safetensors-lie"),
        Hostile("safetensors, gap", files.safetensors(gap), "suspicious", "safetensors-lie"),
        Hostile("safetensors, tensor twice", files.safetensors(twins), "suspicious", "duplicate-key"),
        Hostile("safetensors, bytes behind", files.safetensors(content=files.STORAGE + EVIL), "suspicious", "safetensors-lie"),
        Hostile("safetensors, no JSON", files.safetensors(b'{"w": nonsense}'), "suspicious", "malformed"),
        Hostile("onnx, weights from above", files.onnx(location="../../etc/passwd"), "dangerous", "path-traversal"),
        Hostile("onnx, weights from anywhere", files.onnx(location="/etc/passwd"), "dangerous", "path-traversal"),
        Hostile("onnx, weights beside it", files.onnx(location="weights.bin"), "unscanned", "external-files"),
        Hostile("onnx, operators from elsewhere", files.onnx(domain="ai.onnx.contrib"), "suspicious", "custom-operators"),
        Hostile("onnx, cut", files.onnx()[:-3], "suspicious", "truncated"),
        Hostile("gguf, template", files.gguf({"tokenizer.chat_template": template}), "suspicious", "template-gadget"),
        Hostile("gguf, second template", files.gguf({"tokenizer.chat_template.tool": template}), "suspicious", "template-gadget"),
        Hostile("gguf, tensor outside", files.gguf(offset=1 << 40), "suspicious", "gguf-lie"),
        Hostile("gguf, too many tensors", files.gguf(tensors=1 << 50), "suspicious", "limit-entries"),
        Hostile("chat template in JSON", b'{"chat_template": "{{ \'\'.__class__ }}"}', "suspicious", "template-gadget"),
        Hostile("npy of objects", files.npy(numpy.array([Runs()], dtype=object)), "dangerous", "dangerous-import"),
        Hostile("npy, header that is code", patched(files.npy(numpy.zeros(2)), b"{'descr'", b"[exec(1)"), "suspicious", "malformed"),
        Hostile("npy, bytes behind", files.npy(numpy.zeros(2)) + EVIL, "suspicious", "malformed"),
        Hostile("catboost, larger than it is", b"CBM1" + struct.pack("<II", 1 << 30, 8), "suspicious", "malformed"),
        Hostile("lightgbm, cut", files.LIGHTGBM[:40], "suspicious", "truncated"),
        Hostile("xgboost, ubj cut", files.XGBOOST_UBJ[:-1], "suspicious", "truncated"),
        Hostile("xgboost, JSON cut", files.XGBOOST_JSON[:-1], "suspicious", "malformed"),
    ]  # fmt: skip


HOSTILE = [*gadgets(), *hidden_imports(), *streams(), *joblibs(), *archives(), *models()]
