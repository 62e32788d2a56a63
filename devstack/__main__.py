"""The command line: `python -m devstack up|down|status|logs|reset|install`."""

import argparse
import sys

from devstack.artifacts import SERVERS, TEST_TOOLS
from devstack.choice import docker_is_chosen
from devstack.compose import ComposeInstallation
from devstack.errors import DevstackError
from devstack.installer import install
from devstack.native import NativeInstallation
from devstack.services import REPOSITORY

NEXT = """
The registry is ready: http://localhost:{port}

  http://localhost:{port}/docs                        every call, to try in the browser
  .venv/bin/python examples/train_and_register.py    a trained model goes the whole way
  .venv/bin/python examples/follow_lifecycle.py      watch the events as they happen
  curl -s http://localhost:{port}/api/v1/models       what is registered
"""


def main() -> int:
    """0 when done, 1 with one clear text on stderr when not."""
    parser = argparse.ArgumentParser(prog="python -m devstack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the servers and the registry")
    commands.add_parser("down", help="stop them; the data stays")
    commands.add_parser("status", help="what runs")
    commands.add_parser("logs", help="follow the logs").add_argument("names", nargs="*")
    reset = commands.add_parser("reset", help="stop everything and delete all data")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    installing = commands.add_parser("install", help="install the servers into the cache")
    installing.add_argument("--test-tools", action="store_true", help="all that tests need")
    arguments = parser.parse_args()
    try:
        _run(arguments)
    except DevstackError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 130
    return 0


def _run(arguments: argparse.Namespace) -> None:
    if arguments.command == "install":
        if arguments.test_tools:
            _install_for_tests()
        else:
            install(SERVERS)
        return
    installation = _installation()
    match arguments.command:
        case "up":
            installation.up()
            print(NEXT.format(port=installation.port))
        case "down":
            installation.down()
        case "status":
            installation.status()
        case "logs":
            installation.logs(arguments.names)
        case "reset":
            if arguments.yes or _confirmed():
                installation.reset()


def _install_for_tests() -> None:
    """Of servers in Docker the images, which would otherwise arrive within the time limit of the first test."""
    if docker_is_chosen():
        ComposeInstallation().fetch_servers()
        install(TEST_TOOLS)
    else:
        install([*SERVERS, *TEST_TOOLS])


def _installation() -> ComposeInstallation | NativeInstallation:
    """One that runs natively already is not left alone for Docker's sake."""

    def native() -> NativeInstallation:
        return NativeInstallation(REPOSITORY / ".run")

    return ComposeInstallation() if docker_is_chosen(lambda: native().is_running()) else native()


def _confirmed() -> bool:
    """Deleting needs a person's yes; with nobody at the terminal, `--yes`."""
    if not sys.stdin.isatty():
        raise DevstackError("reset deletes all models and asks first: run it in a terminal, or with --yes")
    return input("Delete all models, events and files of the local registry? [y/N] ").strip().lower() == "y"


if __name__ == "__main__":
    sys.exit(main())
