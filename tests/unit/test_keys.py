"""Keys, what they are limited to, and how what they are refused is counted."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query_api.settings import QuerySettings
from tensorfleet.access.audit import MOST_AT_ONCE, OTHERS, Access, AccessRecord, Tally
from tensorfleet.access.denials import Denied, Reason
from tensorfleet.access.key_table import BOOTSTRAP, HOUR, KeyTable
from tensorfleet.access.keys import KEY, AccessKey, KeyUse, hash_of, new_secret
from tensorfleet.access.principal import NamePrefix
from tensorfleet.access.roles import Role
from tensorfleet.domain.errors import InvalidCommand, SettingsInvalid
from tensorfleet.events.access import AccessCodec
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Undecodable
from tensorfleet.settings import load

ADMIN = "an-admin-key-of-40-characters-0123456789"
NOW = 1_795_262_400_000_000
CODEC = AccessCodec(Catalogue())


def issued(**fields: object) -> tuple[AccessKey, str]:
    key_id, text = new_secret()
    key = AccessKey(key_id, "ci", (Role.WRITER,), "team-a/", hash_of(text), NOW, "admin", NOW + HOUR)
    return replace(key, **fields), text  # type: ignore[arg-type]


def refusal(table: KeyTable, text: str, now: int = NOW) -> Reason:
    with pytest.raises(Denied) as denied:
        table.authenticate(text, now)
    return denied.value.reason


def test_a_key_counts_from_its_issue_to_its_end_and_never_again_once_revoked() -> None:
    uses: list[KeyUse] = []
    table, (key, text) = KeyTable(hash_of(ADMIN), uses.append), issued()
    assert refusal(table, text) == Reason.UNKNOWN
    table.apply(CODEC.decode_key(CODEC.encode_key(key)))
    principal = table.authenticate(text, NOW)
    assert (principal.actor, principal.roles) == (f"ci#{key.key_id}", {Role.WRITER, Role.READER})
    assert principal.sees("team-a/x") and not principal.sees("team-b/x")
    assert table.authenticate(text, NOW + 1) is principal and uses == [KeyUse(key.key_id, NOW - NOW % HOUR)]
    assert table.authenticate(ADMIN, NOW) is BOOTSTRAP
    assert refusal(table, text, NOW + HOUR) == Reason.EXPIRED and not table.still_counts(principal, NOW + HOUR)
    changed = text[:-1] + ("A" if text[-1] != "A" else "B")
    assert refusal(table, changed) == Reason.UNKNOWN
    assert [refusal(table, one) for one in ("", "x", text[:-1], text + "A", text.upper())] == [Reason.MALFORMED] * 5
    revoked = replace(key, revoked_at=NOW + 5, revoked_by="admin")
    table.apply(CODEC.decode_key(CODEC.encode_key(revoked)))
    table.apply(key)
    assert refusal(table, text) == Reason.REVOKED and not table.still_counts(principal, NOW)
    assert CODEC.decode_key(CODEC.encode_key(revoked)) == revoked and table.get(key.key_id) == revoked
    table.forget(key.key_id)
    assert refusal(table, text) == Reason.UNKNOWN and not table.still_counts(principal, NOW)


def test_no_text_is_the_key_of_an_admin_that_there_is_not() -> None:
    assert refusal(KeyTable(b"", lambda use: None), "") == Reason.MALFORMED


def test_keys_are_random_and_shown_in_one_shape() -> None:
    texts = {new_secret()[1] for _ in range(100)}
    assert len(texts) == 100 and all(KEY.fullmatch(one) for one in texts)


@pytest.mark.parametrize("value", [b"", b"\0\0\0\0\x0a", b"\0\0\0\0\x01" + bytes(50), bytes(99_999)])
def test_a_record_that_is_none_is_undecodable(value: bytes) -> None:
    with pytest.raises(Undecodable):
        CODEC.decode_key(value)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)


@given(texts, texts)
def test_the_range_of_a_prefix_holds_just_the_names_that_begin_with_it(prefix: str, name: str) -> None:
    names = NamePrefix(prefix)
    for one in (name, prefix, prefix + name, prefix[:-1] + chr(min(ord(prefix[-1]) + 1, sys.maxunicode))):
        within = one >= prefix and (names.after is None or one < names.after)
        assert within == names.covers(one)


def test_a_prefix_is_in_the_form_of_names() -> None:
    assert NamePrefix.of("te\u0301am/", "f").covers("téam/x")
    assert NamePrefix.of("a ", "f").text == "a "
    for wrong in ("", " a", "a\0", "a" * 101, "\ud800"):
        with pytest.raises(InvalidCommand):
            NamePrefix.of(wrong, "f")


def test_a_flood_of_denials_is_a_few_records_that_count_it() -> None:
    tally = Tally(lambda: NOW)
    for number in range(10_000):
        address = f"10.0.{number // 250}.{number % 250}"
        tally.add(Access("denied", "anonymous", None, "GET", "/r", address, Reason.UNKNOWN, 401))
        tally.add(Access("denied", "anonymous", None, "GET", "/r", "10.1.1.1", Reason.UNKNOWN, 401))
    by_themselves = [
        Access("denied", actor, key_id, "GET", "/r", "10.1.1.1", Reason.ROLE, 403)
        for actor, key_id in (("ann#1", "1"), (BOOTSTRAP.actor, None), ("oidc:ada", None), ("oidc:bob", None))
    ]
    for one in by_themselves:  # each of them floods as well, and hides nobody but itself
        tally.add(one)
        for number in range(2 * MOST_AT_ONCE):
            tally.add(replace(one, address=f"10.2.0.{number}"))
    records = tally.drain()
    assert sum(one.count for one in records) == 20_000 + 4 * (2 * MOST_AT_ONCE + 1)
    assert [one for one in records if one.access in by_themselves] == [
        AccessRecord(one, NOW, NOW, 1) for one in by_themselves
    ]
    folded = {one.access.actor: one.count for one in records if one.access.address == OTHERS}
    itself = dict.fromkeys([one.actor for one in by_themselves], MOST_AT_ONCE + 1)
    assert folded == {"anonymous": 10_000 - MOST_AT_ONCE + 1, **itself}
    assert len(records) == 5 * (MOST_AT_ONCE + 1) and tally.drain() == []
    flood = next(one for one in records if (one.access.actor, one.access.address) == ("anonymous", "10.1.1.1"))
    assert flood.count == 10_000
    assert CODEC.decode_access(CODEC.encode_access("id", records[0])) == ("id", records[0])


GOOD = {"KAFKA_BOOTSTRAP_SERVERS": "k", "MONGODB_URL": "m", "MINIO_ENDPOINT": "e", "MINIO_ACCESS_KEY": "a"}


RANDOM = "0123456789abcdefghijklmnopqrstuv"
"""Of 32 characters."""


STRONG = {"ADMIN_API_KEY": ADMIN, "MINIO_SECRET_KEY": RANDOM, "PRESIGN_SECRET_KEY": RANDOM, "CURSOR_SECRET": RANDOM}
WEAK = {
    "changeme": "a default that everyone knows",
    "tensorfleet-local-only": "a default that everyone knows",
    RANDOM[1:]: "has 31 characters; at least 32 are needed",
    "a" * 40: "is not random",
}


@pytest.mark.parametrize(
    ("name", "weak", "complaint"),
    [("ADMIN_API_KEY", "", "is missing"), *((name, *weak) for name in STRONG for weak in WEAK.items())],
)
def test_weak_secrets_stop_the_start_only_with_authentication(
    monkeypatch: pytest.MonkeyPatch, name: str, weak: str, complaint: str
) -> None:
    for variable, value in {**GOOD, **STRONG, "ENABLE_AUTH": "true"}.items():
        monkeypatch.setenv(variable, value)
    assert load(QuerySettings).warnings == ()
    monkeypatch.setenv(name, weak)
    with pytest.raises(SettingsInvalid, match=f"{name}: .*{complaint}.*token_urlsafe") as error:
        load(QuerySettings)
    assert len(error.value.detail.splitlines()) == 2, "the others are good"
    assert (weak or "no key") not in error.value.detail
    monkeypatch.setenv("ENABLE_AUTH", "false")
    settings = load(QuerySettings)
    assert settings.host == "127.0.0.1" and "authentication is off" in settings.warnings[0]
