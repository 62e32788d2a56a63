"""The import rules, and the table of limits, hold."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tensorfleet.domain import limits

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "tensorfleet").rglob("*.py"), *(ROOT / "services").rglob("*.py")])
VENDORS = {"confluent_kafka": "kafka", "pymongo": "mongo", "minio": "blobs", "urllib3": "blobs"}


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def breaches(file: Path, modules: list[str]) -> list[str]:
    parts = file.relative_to(ROOT).parts
    found = []
    for module in modules:
        top = module.split(".")[0]
        if parts[:2] == ("tensorfleet", "domain") and top not in sys.stdlib_module_names:
            found += [] if module.startswith("tensorfleet.domain") else [f"the domain imports {module}"]
        if parts[0] == "tensorfleet" and top == "services":
            found.append(f"the core imports {module}")
        if parts[0] == "tensorfleet" and parts[1] != "http" and top in ("fastapi", "starlette"):
            found += [] if parts[1] == "process.py" else [f"{module} outside tensorfleet/http"]
        if top == "services" and parts[0] == "services" and parts[1] not in (module.split(".")[1], "gateway"):
            found.append(f"the service {parts[1]} imports {module}")
        home = VENDORS.get(top)
        at_edge = parts[0] == "services" and home == "kafka" and parts[1] in ("projector", "publisher")
        if home and parts[:2] != ("tensorfleet", home) and not at_edge:
            found.append(f"{module} outside tensorfleet/{home}")
        if top in ("typer", "rich") and parts[:2] != ("tensorfleet", "cli"):
            found.append(f"{module} outside tensorfleet/cli")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_imports_only_what_its_place_allows(file: Path) -> None:
    assert breaches(file, list(imported(file))) == []


@pytest.mark.parametrize(
    ("place", "module"),
    [
        ("tensorfleet/domain/x.py", "orjson"),
        ("tensorfleet/events/x.py", "fastapi"),
        ("tensorfleet/events/x.py", "services.gateway"),
        ("services/query_api/x.py", "services.command_api.bus"),
        ("services/query_api/x.py", "pymongo"),
        ("tensorfleet/audit/x.py", "typer"),
    ],
)
def test_the_rules_notice_a_breach(place: str, module: str) -> None:
    assert breaches(ROOT / place, [module]) != []


def test_the_table_of_limits_in_the_docs_is_the_code() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([0-9,]+)", (ROOT / "docs" / "contract.md").read_text(), re.MULTILINE)
    documented = {name: int(number.replace(",", "")) for name, number in rows}
    actual = {name: value for name, value in vars(limits).items() if name.isupper() and isinstance(value, int)}
    shared = {name: value for name, value in actual.items() if not name.startswith("INTEGER_")}
    assert shared.items() <= documented.items()
