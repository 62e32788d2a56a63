"""Scans tar archives: where their members would be written to, and every member by its content."""

from __future__ import annotations

from tensorfleet.scanning.content import Content, Window
from tensorfleet.scanning.limits import Malformed
from tensorfleet.scanning.member_names import escapes, link_escapes
from tensorfleet.scanning.part import Part, shown
from tensorfleet.scanning.tar_headers import TarEntry, tar_entries

_DEVICES = "346"
_FOLDER = "5"


def scan_tar(content: Content, part: Part) -> None:
    names: set[str] = set()
    try:
        for entry in tar_entries(content):
            part.budget.entry()
            if entry.name in names and entry.kind != _FOLDER:
                part.suspicious("duplicate-member", f"two members are called {shown(entry.name)}")
            names.add(entry.name)
            _scan_entry(content, part.member(entry.name), entry)
    except Malformed as error:
        part.suspicious(error.code, error.text)


def _scan_entry(content: Content, member: Part, entry: TarEntry) -> None:
    if escapes(entry.name):
        member.dangerous("path-traversal", "its name leads out of the archive's folder")
    if entry.kind in "12":
        # a hard link's target counts from the archive's folder, a symbolic one's from where the link is
        if link_escapes(entry.name if entry.kind == "2" else "link", entry.link):
            member.dangerous("link-traversal", f"a link that leads to {shown(entry.link)}")
        else:
            member.suspicious("link", f"a link to {shown(entry.link)}")
    elif entry.kind in _DEVICES:
        member.suspicious("device", "a device or a pipe")
    elif entry.kind != _FOLDER:
        if not entry.is_file:
            member.unscanned("unknown-member", f"an entry of kind {shown(entry.kind)}")
        member.examine(Window(content, entry.start, entry.size_bytes), member)
