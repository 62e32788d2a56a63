"""The command's entry: its subcommands, and what the exit status says.

0: done, and all is well. 1: what was looked at is wrong. 2: it could not be looked at: wrong usage or settings, or a
server that does not answer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

import typer

from tensorfleet.cli.adopt_log import adopt_log
from tensorfleet.cli.audit_export import export
from tensorfleet.cli.audit_verify import verify as audit_verify
from tensorfleet.cli.backup import backup
from tensorfleet.cli.cleanup_archived import cleanup
from tensorfleet.cli.collect_blobs import collect
from tensorfleet.cli.dead_letters import app as dead_letters
from tensorfleet.cli.presign_user import presign_user
from tensorfleet.cli.rebuild import rebuild
from tensorfleet.cli.restore import restore
from tensorfleet.cli.rollback import rollback
from tensorfleet.cli.scan import scan
from tensorfleet.cli.verify import verify
from tensorfleet.cli.verify_blobs import verify as verify_blobs
from tensorfleet.domain.errors import BackupInvalid, RegistryError

app = typer.Typer(
    name="tensorfleet",
    help="Audit, export, back up, restore, verify and rebuild a TensorFleet registry, and scan model files.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
audit = typer.Typer(help="Check the log, or take it along.", no_args_is_help=True)
audit.command("verify")(audit_verify)
audit.command("export")(export)
app.add_typer(audit, name="audit")
app.add_typer(dead_letters, name="dead-letters")
app.command("backup")(backup)
app.command("restore")(restore)
app.command("verify")(verify)
app.command("adopt-log")(adopt_log)
app.command("rebuild")(rebuild)
app.command("rollback")(rollback)
app.command("scan")(scan)
app.command("verify-blobs")(verify_blobs)
app.command("collect-blobs")(collect)
app.command("cleanup-archived")(cleanup)
app.command("presign-user")(presign_user)

_POLITE: Final = 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line, by default that of the process; ends with SystemExit."""
    if arguments is None:
        os.nice(_POLITE)  # the process is the command's alone; on a machine that it shares, the services go first
    try:
        app(arguments)
    except RegistryError as error:
        sys.stderr.write(f"{error.detail}\n")
        sys.exit(1 if isinstance(error, BackupInvalid) else 2)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
