"""TLS of our own: what a process shows to whoever connects, and whom it trusts when it asks another one."""

from __future__ import annotations

import ssl
from typing import Self

from pydantic import FilePath, model_validator

from tensorfleet.settings.environment import EnvironmentSettings


class TlsSettings(EnvironmentSettings):
    """PEM files. `tls_certificate_file` holds the whole chain; without it, the process speaks plain HTTP.

    `tls_ca_file`: who signs the certificates of the registry's processes; without it, whom the system trusts.
    """

    tls_certificate_file: FilePath | None = None
    tls_key_file: FilePath | None = None
    tls_ca_file: FilePath | None = None

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("TLS_CERTIFICATE_FILE and TLS_KEY_FILE go together")
        try:
            self.trusted_context()
        except OSError as error:
            raise ValueError(f"TLS_CA_FILE holds no certificate: {_cause(error)}") from None
        if self.tls_certificate_file is None:
            return self
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:  # an encrypted key would make OpenSSL ask at the terminal
            context.load_cert_chain(self.tls_certificate_file, self.tls_key_file, password=lambda: b"")
        except OSError as error:
            raise ValueError(
                f"TLS_CERTIFICATE_FILE and TLS_KEY_FILE are no certificate and its unencrypted key: {_cause(error)}"
            ) from None
        return self

    @property
    def scheme(self) -> str:
        return "http" if self.tls_certificate_file is None else "https"

    def trusted_context(self) -> ssl.SSLContext | bool:
        """For connections to other processes of the registry, as aiohttp takes it; True is the system's."""
        return True if self.tls_ca_file is None else ssl.create_default_context(cafile=self.tls_ca_file)


def _cause(error: OSError) -> str:
    return (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or type(error).__name__
