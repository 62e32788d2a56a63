"""A certificate for an address, signed by an authority that nobody knows; made anew, in files."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


class Certificates:
    """PEM files in `directory`: the authority, and a certificate for `address` with its key, in clear and encrypted."""

    def __init__(self, directory: Path, address: str = "127.0.0.1") -> None:
        directory.mkdir()
        self.ca = directory / "ca.pem"
        self.certificate = directory / "certificate.pem"
        self.key = directory / "key.pem"
        self.encrypted_key = directory / "encrypted-key.pem"
        authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = _signed("Test authority", authority, "Test authority", authority, is_authority=True)
        leaf = _signed(address, key, "Test authority", authority, is_authority=False)
        self.ca.write_bytes(root.public_bytes(Encoding.PEM))
        self.certificate.write_bytes(leaf.public_bytes(Encoding.PEM))
        self.key.write_bytes(_text_of(key, NoEncryption()))
        self.encrypted_key.write_bytes(_text_of(key, BestAvailableEncryption(b"passphrase")))

    @property
    def trusted(self) -> ssl.SSLContext:
        """For clients that trust this authority alone."""
        return ssl.create_default_context(cafile=self.ca)

    @property
    def shown(self) -> ssl.SSLContext:
        """For servers."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def _text_of(key: ec.EllipticCurvePrivateKey, encryption: KeySerializationEncryption) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    building = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        addresses = x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))])
        building = building.add_extension(addresses, critical=False)
    return building.sign(issuer_key, hashes.SHA256())
