"""Secrets come by environment or file, TLS is whole or refused, and each Kafka client gets its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.query_api.settings import QuerySettings
from services.scanner.settings import ScannerSettings
from tensorfleet.cli.command_api import api_key
from tensorfleet.domain.errors import SettingsInvalid
from tensorfleet.kafka import configuration
from tensorfleet.settings import Settings, load
from tests.certificates import Certificates

ADDRESSES = {"KAFKA_BOOTSTRAP_SERVERS": "broker:9093", "MINIO_ENDPOINT": "minio:9000"}
KEY = "a-key-of-41-characters-0123456789-abcdefg"
SECRETS = {
    "MINIO_ACCESS_KEY": "minio access",
    "MINIO_SECRET_KEY": "minio-secret-of-40-characters-0123456789",
    "MONGODB_URL": "mongodb://user:mongodb-password@mongodb",
    "ADMIN_API_KEY": KEY,
    "CURSOR_SECRET": "cursor-secret-of-41-characters-0123456789",
    "PRESIGN_ACCESS_KEY": "presign access",
    "PRESIGN_SECRET_KEY": "presign-secret-of-42-characters-0123456789",
    "REGISTRY_API_KEY": "registry key",
    "KAFKA_SASL_PASSWORD": "sasl password",
    "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET": "client secret",
    "KAFKA_SSL_KEY_PASSWORD": "key password",
    "KAFKA_SSL_KEY_PEM": "-----BEGIN\nkey\n-----END",
    "KAFKA_SSL_KEYSTORE_PASSWORD": "keystore password",
}


class AllSettings(QuerySettings, ScannerSettings):
    """Of every service."""


@pytest.fixture
def secret_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One for each secret, named in the environment; nothing else is there but addresses."""
    for name, secret in SECRETS.items():
        (tmp_path / name).write_text(f"{secret}\n")
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))
        monkeypatch.delenv(name, raising=False)
    for name, address in ADDRESSES.items():
        monkeypatch.setenv(name, address)
    return tmp_path


def test_the_commands_take_a_key_from_the_same_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TENSORFLEET_API_KEY", raising=False)
    assert api_key("") == ""
    (tmp_path / "key").write_text(KEY)
    monkeypatch.setenv("TENSORFLEET_API_KEY_FILE", str(tmp_path / "key"))
    assert (api_key(""), api_key("of the command line")) == (KEY, "of the command line")
    monkeypatch.setenv("TENSORFLEET_API_KEY", KEY)
    with pytest.raises(SettingsInvalid, match="TENSORFLEET_API_KEY: Value error, is given twice"):
        api_key("")
    monkeypatch.delenv("TENSORFLEET_API_KEY_FILE")
    assert api_key("") == KEY


def complaint() -> str:
    with pytest.raises(SettingsInvalid) as error:
        load(AllSettings)
    return error.value.detail


def test_each_secret_may_come_from_a_file_and_is_never_shown(
    secret_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADMIN_API_KEY", "")  # as compose passes what is not set
    monkeypatch.setenv("ENABLE_AUTH", "true")
    settings = load(AllSettings)
    fields = {name: getattr(settings, name.lower()) for name in SECRETS}
    assert {name: one.get_secret_value() for name, one in fields.items()} == SECRETS
    declared = {name for name, field in AllSettings.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert declared == {name.lower() for name in SECRETS}
    assert [one for one in SECRETS.values() if one in repr(settings) or one in str(settings)] == []


def test_what_is_wrong_with_secret_files_is_told_at_once_and_without_what_is_in_them(
    secret_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIO_SECRET_KEY", "also in the environment")
    (secret_files / "MONGODB_URL").unlink()
    (secret_files / "MINIO_ACCESS_KEY").write_text("\n")
    (secret_files / "CURSOR_SECRET").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD_FILE", str(secret_files))
    told = complaint()
    for name, cause in {
        "MINIO_SECRET_KEY": "is given twice: MINIO_SECRET_KEY_FILE is set, too",
        "MONGODB_URL": f"{secret_files / 'MONGODB_URL'} (MONGODB_URL_FILE): No such file or directory",
        "MINIO_ACCESS_KEY": "it is empty",
        "CURSOR_SECRET": "it is not UTF-8",
        "KAFKA_SASL_PASSWORD": "Is a directory",
    }.items():
        assert [line for line in told.splitlines() if line.startswith(f"  {name}: ") and cause in line], (name, told)
    assert [one for one in (*SECRETS.values(), "also in the environment") if one in told] == []


def test_every_kafka_client_gets_the_settings_of_its_connection(
    secret_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("KAFKA_SSL_CA_LOCATION", "/etc/ca.pem")
    wanted = {
        "bootstrap.servers": "broker:9093",
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": "/etc/ca.pem",
        "sasl.password": "sasl password",
        "sasl.oauthbearer.client.secret": "client secret",
        "ssl.key.password": "key password",
        "ssl.key.pem": SECRETS["KAFKA_SSL_KEY_PEM"],
        "ssl.keystore.password": "keystore password",
    }
    kafka = load(Settings).kafka
    assert kafka == wanted
    made: list[dict[str, Any]] = [
        configuration.reader(kafka, "c"),
        configuration.member(kafka, "c", "g"),
        configuration.worker(kafka, "c", "g", "i"),
        configuration.producer(kafka, "c"),
        configuration.patient_producer(kafka, "c"),
        configuration.filling_producer(kafka, "c"),
        configuration.transactional_producer(kafka, "c", "t"),
        configuration.admin(kafka, "c"),
    ]
    assert [one for one in made if not wanted.items() <= one.items()] == []


def test_tls_is_asked_for_completely_or_not_at_all(
    secret_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, others = Certificates(tmp_path / "ours"), Certificates(tmp_path / "others")
    assert load(Settings).own_url == "http://127.0.0.1:8084"
    monkeypatch.setenv("TLS_CERTIFICATE_FILE", str(ours.certificate))
    assert "go together" in complaint()
    monkeypatch.setenv("TLS_KEY_FILE", str(others.key))
    assert "no certificate and its unencrypted key: KEY_VALUES_MISMATCH" in complaint()
    monkeypatch.setenv("TLS_KEY_FILE", str(ours.encrypted_key))
    assert "no certificate and its unencrypted key" in complaint()
    monkeypatch.setenv("TLS_KEY_FILE", str(ours.key))
    assert load(Settings).own_url == "https://127.0.0.1:8084"
    monkeypatch.setenv("TLS_CA_FILE", str(ours.key))
    assert "TLS_CA_FILE holds no certificate" in complaint()
    monkeypatch.setenv("TLS_CA_FILE", str(tmp_path / "missing"))
    assert "TLS_CA_FILE: Path does not point to a file" in complaint()
    monkeypatch.delenv("TLS_CA_FILE")
    monkeypatch.setenv("MINIO_CA_FILE", str(ours.ca))
    assert "MINIO_SECURE is not true" in complaint()
    monkeypatch.setenv("MINIO_SECURE", "true")
    assert load(Settings).minio_ca_file == ours.ca


def test_transfers_by_urls_take_a_place_and_a_key_of_their_own(
    secret_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(Settings).presign is False
    monkeypatch.setenv("PRESIGN", "true")
    assert "PRESIGN is true, and PRESIGN_ENDPOINT is missing" in complaint()
    for wrong in ("storage:9000", "ftp://storage", "https://storage/path", "https://", "https://user@storage"):
        monkeypatch.setenv("PRESIGN_ENDPOINT", wrong)
        assert "PRESIGN_ENDPOINT: Value error, is no address like https://" in complaint(), wrong
    given = {
        "https://Storage:443": "https://storage",
        "http://[::1]:80/": "http://[::1]",
        "http://s:443": "http://s:443",
    }
    for text, origin in given.items():
        monkeypatch.setenv("PRESIGN_ENDPOINT", text)
        assert load(Settings).presign_endpoint == origin
    (secret_files / "PRESIGN_ACCESS_KEY").write_text(SECRETS["MINIO_ACCESS_KEY"])
    assert "PRESIGN_ACCESS_KEY is MINIO_ACCESS_KEY" in complaint()
    monkeypatch.delenv("PRESIGN_ACCESS_KEY_FILE")
    assert "PRESIGN_ACCESS_KEY is missing" in complaint()
    monkeypatch.setenv("PRESIGN_ACCESS_KEY", "narrow")
    monkeypatch.setenv("ENABLE_AUTH", "true")
    (secret_files / "PRESIGN_SECRET_KEY").write_text("minioadmin")
    assert "PRESIGN_SECRET_KEY: Value error, is a default that everyone knows" in complaint()
