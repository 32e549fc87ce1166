"""A record of a model's history: what was done, and which record it follows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Action = Literal["register", "promote", "demote", "rollback"]


@dataclass(frozen=True)
class Record:
    """What was done to a version of a registered model.

    Attributes:
        number: Its place in the history, from 1.
        previous: The hash of the record before it; empty for the first.
        when: When, in UTC, as ISO 8601; never before the record that it follows.
        who: Who did it, as ``user@machine``.
        action: What was done.
        version: To which version.
        from_stage: The stage that the version stood in; empty where it stood in none.
        to_stage: The stage that it stands in since.
        replaced: The version that stood there until then.
        why: The reason that was given.
        forced: Whether a gate had refused it.
        evidence: What the gates found.
        hash: The SHA-256 of all of this, as it was written.
    """

    number: int
    previous: str
    when: str
    who: str
    action: Action
    version: int
    from_stage: str
    to_stage: str
    replaced: int | None = None
    why: str = ""
    forced: bool = False
    evidence: Mapping[str, Any] = field(default_factory=dict)
    hash: str = ""

    @property
    def digest(self) -> str:
        """The SHA-256 of what it says."""
        return hashlib.sha256(_canonical(self._body()).encode()).hexdigest()

    def text(self) -> str:
        """It as it is kept, with its hash."""
        return _canonical({**self._body(), "hash": self.digest})

    @classmethod
    def read(cls, text: str) -> Record:
        """Read it as it is kept.

        Raises:
            ValueError: It is no record.
        """
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError("no record")
        try:
            return cls(**{each.name: found[each.name] for each in fields(cls) if each.name in found})
        except TypeError as error:
            raise ValueError(str(error)) from error

    def _body(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "hash"}


def _canonical(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
