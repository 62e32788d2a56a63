"""`tensorfleet scan`: is a model file safe to load?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from tensorfleet.scanning.sandbox import scan_in_sandbox
from tensorfleet.scanning.verdict import Judgement, Severity, Verdict

_STATUS: Final = {Judgement.SAFE: 0, Judgement.UNSCANNED: 1, Judgement.SUSPICIOUS: 1, Judgement.DANGEROUS: 2}
_STYLES: Final = {
    "safe": "bold green",
    "unscanned": "bold yellow",
    "suspicious": "bold yellow",
    "dangerous": "bold red",
    "note": "dim",
}


def scan(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, readable=True, help="Model files.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line and file.")] = False,
) -> None:
    """Judge model files by their bytes, without loading them. No server is needed.

    Exit status, of the worst file: 0 safe, 1 suspicious or unscanned (not all of it could be looked at), 2 dangerous.
    """
    console = Console(soft_wrap=True, highlight=False)
    status = 0
    for file in files:
        verdict = scan_in_sandbox(file)
        status = max(status, _STATUS[verdict.verdict])
        if as_json:
            typer.echo(json.dumps({"file": str(file), **verdict.as_json()}))
        else:
            _show(console, file, verdict)
    raise typer.Exit(status)


def _show(console: Console, file: Path, verdict: Verdict) -> None:
    name = ascii(str(file))[1:-1]
    console.print(Text.assemble((verdict.verdict.value, _STYLES[verdict.verdict]), f"  {name}  ({verdict.format})"))
    for finding in verdict.findings:
        severity = "" if finding.severity is Severity.NOTE else f"{finding.severity.value}: "
        line = f"    {severity}{finding.text}  [{finding.code}{' at ' + finding.where if finding.where else ''}]"
        console.print(Text(line, style=_STYLES[finding.severity]))
