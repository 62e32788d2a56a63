"""The scanner's own process: the same verdicts, no network, and a cause where it can't come to one."""

from __future__ import annotations

import asyncio
import json
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tensorfleet.cli.__main__ import app
from tensorfleet.scanning import confinement
from tensorfleet.scanning.limits import MIB, Limits
from tensorfleet.scanning.sandbox import judge_open_file, scan_in_sandbox
from tensorfleet.scanning.scan import scan
from tensorfleet.scanning.verdict import Judgement, Verdict, verdict_from_json
from tests.unit import model_files as files
from tests.unit.hostile_files import EVIL

PROBE = """
import os, socket, subprocess, sys
from tensorfleet.scanning.confinement import confine
from tensorfleet.scanning.limits import Limits
missing = confine(Limits())
outcomes = []
for attempt in (
    lambda: socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5),
    lambda: subprocess.run(["true"], check=True),
    lambda: os.write(os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY), b"x"),
    lambda: bytearray(1 << 30),
):
    try:
        attempt()
        outcomes.append("done")
    except (OSError, MemoryError) as error:
        outcomes.append(type(error).__name__)
print(missing, outcomes)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tmp_path / "model"


def awaited(file: Path, limits: Limits | None = None) -> Verdict:
    async def judged() -> Verdict:
        with file.open("rb") as opened:
            return await judge_open_file(opened, limits)

    return asyncio.run(judged())


@pytest.mark.parametrize("raw", [files.torch_zip(), EVIL, files.zipped({"../x": b"{}"}), b"text"])
def test_the_sandbox_says_what_the_scan_says(model: Path, raw: bytes) -> None:
    model.write_bytes(raw)
    verdict = scan(model)
    assert scan_in_sandbox(model) == verdict == verdict_from_json(json.loads(json.dumps(verdict.as_json())))
    assert awaited(model) == verdict


def test_the_confined_process_has_no_network_no_programs_and_no_files_to_write(model: Path) -> None:
    """Where the system allows it, as those do on which the tests run; elsewhere the verdict says so."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = [sys.executable, "-c", PROBE, str(port), str(model)]
        probe = subprocess.run(command, capture_output=True, text=True, check=True)
        socket.create_connection(("127.0.0.1", port)).close()  # it was there all the time
    missing, _, outcomes = probe.stdout.strip().partition("] ")
    assert missing == "["
    assert outcomes == "['PermissionError', 'PermissionError', 'OSError', 'MemoryError']"


def test_a_system_that_can_not_cut_the_network_off_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement, "_limit_resources", lambda limits: None)
    monkeypatch.setattr(confinement, "_own_network", lambda: False)
    for possible, missing in ((True, 0), (False, 1)):
        monkeypatch.setattr(confinement, "_no_sockets", lambda possible=possible: possible)
        assert len(confinement.confine(Limits())) == missing


@pytest.mark.parametrize(
    ("limits", "raw", "codes"),
    [
        (Limits(memory_bytes=50 * MIB), b"\x80\x02" + b"}" * 900_000 + b".", {"scanner-crash", "limit-memory"}),
        (Limits(seconds=-5), b"\x80\x02" + b"}0" * 40_000, {"scanner-timeout"}),
    ],
    ids=["memory", "time"],
)
def test_a_scanner_that_ends_without_a_verdict_leaves_the_file_unscanned(
    model: Path, limits: Limits, raw: bytes, codes: set[str]
) -> None:
    model.write_bytes(raw)
    for verdict in (scan_in_sandbox(model, limits), awaited(model, limits)):
        assert verdict.verdict is Judgement.UNSCANNED
        assert {finding.code for finding in verdict.findings} <= codes


@pytest.mark.parametrize(
    ("raws", "status"),
    [
        ([pickle.dumps([1])], 0),
        ([pickle.dumps([1]), b"text"], 1),
        ([pickle.dumps([1])[:-1]], 1),
        ([EVIL, pickle.dumps([1])], 2),
    ],
)
def test_the_command_ends_with_the_worst_verdict(tmp_path: Path, raws: list[bytes], status: int) -> None:
    paths = [tmp_path / str(number) for number in range(len(raws))]
    for path, raw in zip(paths, raws, strict=True):
        path.write_bytes(raw)
    shown = CliRunner().invoke(app, ["scan", *map(str, paths)])
    lines = CliRunner().invoke(app, ["scan", "--json", *map(str, paths)])
    assert (shown.exit_code, lines.exit_code) == (status, status)
    told = [json.loads(line)["verdict"] for line in lines.stdout.splitlines()]
    assert told == [scan(path).verdict.value for path in paths]
    assert all(verdict in shown.stdout for verdict in told)


def test_a_name_in_a_file_forges_no_line_of_the_output(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(files.zipped({"../\x1b[31m\nsafe  other": b"{}"}))
    shown = CliRunner().invoke(app, ["scan", str(path)])
    assert "\x1b" not in shown.stdout
    assert not any(line.startswith("safe") for line in shown.stdout.splitlines())
