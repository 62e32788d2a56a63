"""A disk that can be made full: a tmpfs of limited size, where one can be mounted."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Disk:
    path: Path
    size_bytes: int

    @classmethod
    def mounted(cls, path: Path, size_bytes: int) -> Disk | None:
        """At a new folder. None where mounting is not permitted; then the folder is on the disk that there is."""
        path.mkdir(parents=True)
        try:
            _run("mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(path))
        except (OSError, subprocess.CalledProcessError):
            return None
        return cls(path, size_bytes)

    def unmount(self) -> None:
        _run("umount", "--lazy", str(self.path))

    def fill(self) -> None:
        """Shrink it to what is used; then not a byte more fits."""
        space = os.statvfs(self.path)
        self._resize((space.f_blocks - space.f_bfree) * space.f_frsize + 4096)

    def empty(self) -> None:
        self._resize(self.size_bytes)

    def _resize(self, size_bytes: int) -> None:
        _run("mount", "-o", f"remount,size={size_bytes}", str(self.path))


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)
