"""deploy/Dockerfile, checked without an engine: by hadolint, and for what the services need in the image."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DOCKERFILE = REPOSITORY / "deploy" / "Dockerfile"


def hadolint(text: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    assert program, "hadolint is missing: it comes with requirements-dev.txt"
    return subprocess.run([program, "-"], input=text, capture_output=True, text=True, check=False)


def instructions() -> list[list[str]]:
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def test_hadolint_finds_nothing() -> None:
    """Every rule, no exceptions."""
    result = hadolint(DOCKERFILE.read_text())
    assert result.returncode == 0, result.stdout


def test_hadolint_would_find_a_mistake() -> None:
    """Else its silence would mean nothing."""
    result = hadolint(DOCKERFILE.read_text().replace("python:3.11-slim", "python:latest"))
    assert result.returncode != 0
    assert "DL3007" in result.stdout


def test_the_image_does_not_run_as_root() -> None:
    """By number, so that a cluster that forbids root can tell; and after the last step that needs root."""
    lines = instructions()
    assert ["USER", "10001"] in lines
    last_stage = lines[max(at for at, line in enumerate(lines) if line[0] == "FROM") :]
    user = last_stage.index(["USER", "10001"])
    assert all(line[0] not in {"RUN", "COPY", "USER"} for line in last_stage[user + 1 :])


def test_the_image_has_no_shell_no_compiler_and_nothing_that_installs() -> None:
    """The last step takes them away, and no later one needs them; packages are wheels with the hashes of the lock."""
    lines = instructions()
    last_stage = lines[max(at for at, line in enumerate(lines) if line[0] == "FROM") :]
    runs = [at for at, line in enumerate(last_stage) if line[0] == "RUN"]
    removed = last_stage[runs[-1]]
    paths = {f"/usr/bin/{name}" for name in ("sh", "dash", "bash", "rbash", "apt*", "dpkg*", "perl*")}
    assert paths | {"/usr/local/bin/pip*"} <= set(removed[removed.index("rm") :])
    needing_a_shell = [line for line in last_stage[runs[-1] + 1 :] if "CMD" in line and '["python",' not in line]
    assert needing_a_shell == [] and not any("install" in line for line in last_stage)
    installs = [line for line in lines if "install" in line]
    assert len(installs) == 1 and {"--require-hashes", "--only-binary=:all:", "/requirements.txt"} <= set(installs[0])
    locked = re.findall(r"^\S+==.*?(?=^\S|\Z)", (REPOSITORY / "requirements.txt").read_text(), re.DOTALL | re.MULTILINE)
    assert locked and all("--hash=sha256:" in one for one in locked)


def test_the_image_holds_what_the_services_read() -> None:
    """The code, the schemas beside it, and the locked packages, and .dockerignore lets them in."""
    copied = {word.rstrip("/") for line in instructions() if line[0] == "COPY" for word in line[1:-1]}
    needed = {"schemas", "tensorfleet", "services", "requirements.txt"}
    assert needed <= copied
    let_in = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert let_in == needed
