"""What can go wrong in the development stack, as sentences that a person can act on.

DevstackError
├── InstallError        a server could not be installed (missing tool, failed download or build)
├── PortTaken           somebody else listens where one of ours should
├── ServerFailed        a server ended or did not become ready in time
└── NotReady            the registry's own processes did not become ready in time
"""


class DevstackError(Exception):
    """The message is complete: the command line prints it and nothing else."""


class InstallError(DevstackError):
    """A server could not be installed."""


class PortTaken(DevstackError):
    """A port that one of our servers needs is in use."""


class ServerFailed(DevstackError):
    """A server ended or stayed silent where it should have become ready."""


class NotReady(DevstackError):
    """The registry did not answer as ready within the time allowed."""
