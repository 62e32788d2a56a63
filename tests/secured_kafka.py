"""A Kafka broker that clients reach by TLS, with a password and a certificate of their own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from devstack.installer import binaries, install_servers
from devstack.kafka_server import ClientListener, KafkaNode, KafkaServer, random_uuid
from devstack.ports import HOST, free_ports
from devstack.processes import Lifetime
from devstack.server import ServerProcess
from tests.certificates import Certificates

USER: Final = "registry"
_CLIENTS: Final = """\
listener.security.protocol.map=BROKER:PLAINTEXT,CLIENTS:SASL_SSL,CONTROLLER:PLAINTEXT
listener.name.clients.ssl.keystore.type=PEM
listener.name.clients.ssl.keystore.location={shown}
listener.name.clients.ssl.truststore.type=PEM
listener.name.clients.ssl.truststore.location={ca}
listener.name.clients.ssl.client.auth=required
listener.name.clients.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.clients.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
"""


@contextmanager
def secured_kafka(directory: Path, certificates: Certificates) -> Iterator[dict[str, str]]:
    """The environment of a service that it lets in, whose certificate the authority of `certificates` has signed."""
    install_servers()
    directory.mkdir()
    shown = directory / "shown.pem"
    shown.write_text(certificates.key.read_text() + certificates.certificate.read_text())
    port, controller, tls = free_ports(3)
    more = _CLIENTS.format(shown=shown, ca=certificates.ca)
    node = KafkaNode(1, random_uuid(), {1: controller}, ClientListener(tls, tls), hands_over=False, more=more)
    server = KafkaServer(directory / "kafka", binaries().kafka_lib, port, controller, node, brief=True)
    process = ServerProcess(server, directory, Lifetime.KILLED_WITH_PARENT)
    process.start()
    try:
        password = secrets.token_urlsafe(32)
        _give_password(f"{HOST}:{port}", password)
        yield _environment(f"{HOST}:{tls}", password, certificates)
    finally:
        process.kill()


def _give_password(plain: str, password: str) -> None:
    how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    admin = AdminClient({"bootstrap.servers": plain})
    given = UserScramCredentialUpsertion(USER, how, password.encode())
    admin.alter_user_scram_credentials([given])[USER].result(20)


def _environment(bootstrap: str, password: str, certificates: Certificates) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": USER,
        "KAFKA_SASL_PASSWORD": password,
        "KAFKA_SSL_CA_LOCATION": str(certificates.ca),
        "KAFKA_SSL_CERTIFICATE_LOCATION": str(certificates.certificate),
        "KAFKA_SSL_KEY_LOCATION": str(certificates.key),
    }
