"""Who asks: the actor that the log names, its roles, and the model names that it is limited to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tensorfleet.access.roles import Role
from tensorfleet.domain import limits
from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.domain.texts import composed

PREFIX_CHARACTERS: Final = 100
SUBJECT: Final = "oidc:"
"""What actors begin with that an OIDC provider vouches for."""
_LAST: Final = "\U0010ffff"
_BEFORE_SURROGATES: Final = "\ud7ff"
_AFTER_SURROGATES: Final = "\ue000"


@dataclass(frozen=True, slots=True)
class NamePrefix:
    """All canonical names that begin with `text`, character for character."""

    text: str

    @classmethod
    def of(cls, text: str, field: str) -> NamePrefix:
        """NFC, as names are. InvalidCommand, naming `field`, for what no name can begin with."""
        normal = composed(text, PREFIX_CHARACTERS)
        problem = limits.text_problem(normal, PREFIX_CHARACTERS)
        if problem is None and (not normal or normal != normal.lstrip()):
            problem = "is empty or begins with a space"
        if problem:
            raise InvalidCommand.of(field, problem)
        return cls(normal)

    def covers(self, name: str) -> bool:
        return name.startswith(self.text)

    @property
    def after(self) -> str | None:
        """The least text that is greater than every name covered, by code points; None if there is none."""
        kept = self.text.rstrip(_LAST)
        if not kept:
            return None
        last = kept[-1]
        return kept[:-1] + (_AFTER_SURROGATES if last == _BEFORE_SURROGATES else chr(ord(last) + 1))


@dataclass(frozen=True, slots=True)
class Principal:
    """`roles` with all that they include. `names` None: every model.

    `space` keeps the idempotency keys of one principal apart from those of others. `key_id` is None without a key of
    ours. `expires_at` is in microseconds since 1970.
    """

    actor: str
    roles: frozenset[Role]
    names: NamePrefix | None = None
    space: str = ""
    key_id: str | None = None
    expires_at: int | None = None

    def sees(self, name: str) -> bool:
        return self.names is None or self.names.covers(name)


EVERYONE: Final = Principal("anonymous", frozenset(Role))
"""Whoever asks while authentication is off."""
NOBODY: Final = Principal("anonymous", frozenset())
"""Whoever asks, without a key, for what is open to all."""
