"""What importing a name, as pickles and configurations do, is worth."""

from __future__ import annotations

import re
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

from tensorfleet.scanning.gadgets import is_gadget
from tensorfleet.scanning.known_imports import is_known
from tensorfleet.scanning.verdict import Severity

_DUNDER = re.compile(r"__\w+__")
_MODULE = re.compile(r"[A-Za-z_]\w{0,63}(\.[A-Za-z_]\w{0,63}){0,15}")


def looks_like_module(name: str) -> bool:
    return bool(_MODULE.fullmatch(name))


def as_python3(module: str, name: str) -> tuple[str, str]:
    """The name that an unpickler of Python 3 takes for one in a stream of protocol 0 to 2."""
    if (module, name) in NAME_MAPPING:
        return NAME_MAPPING[module, name]
    return IMPORT_MAPPING.get(module, module), name


def judge(module: str, name: str) -> Severity:
    """NOTE if it is on the allow list, DANGEROUS for a known gadget, SUSPICIOUS for everything else."""
    if is_known(module, name):
        return Severity.NOTE
    if is_gadget(module, name) or any(_DUNDER.fullmatch(part) for part in name.split(".")):
        return Severity.DANGEROUS
    return Severity.SUSPICIOUS
