"""Chat templates: programs in Jinja that come with language models, and that some readers run without a sandbox."""

from __future__ import annotations

import re
from typing import Final

from tensorfleet.scanning.part import Part, shown

_GADGET: Final = re.compile(
    r"__\w+__|\bpopen\b|\bos\s*\.|\bsubprocess\b|\bimportlib\b|\|\s*attr\b|\bcycler\b|\bjoiner\b|\blipsum\b"
    r"|\bself\s*\._|\bget_flashed_messages\b|\brequest\s*[.\[]|\bconfig\s*[.\[]|\\x5f|\\u005f|\b_TemplateReference"
    r"|\{%-?\s*(?:include|import|from|extends)\b|\bgetattr\b|\bformat_map\b|\['_'"
)


def scan_template(template: str, part: Part) -> None:
    found = _GADGET.search(template)
    if found:
        part.suspicious("template-gadget", f"a chat template that reaches for {shown(found[0])}")
