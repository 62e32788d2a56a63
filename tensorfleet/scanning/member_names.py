"""Names of members that reach out of the place where an archive is unpacked."""

from __future__ import annotations

import re
from typing import Final

_DRIVE: Final = re.compile(r"[A-Za-z]:")


def escapes(name: str) -> bool:
    """Is it absolute, or does it lead upwards, on any system?"""
    path = name.replace("\\", "/")
    return path.startswith("/") or bool(_DRIVE.match(path)) or ".." in path.split("/")


def link_escapes(name: str, target: str) -> bool:
    """Does a link called `name` lead to outside?"""
    path = target.replace("\\", "/")
    if path.startswith("/") or _DRIVE.match(path):
        return True
    depth = len(name.strip("/").split("/")) - 1
    for step in path.split("/"):
        depth += -1 if step == ".." else 0 if step in ("", ".") else 1
        if depth < 0:
            return True
    return False
