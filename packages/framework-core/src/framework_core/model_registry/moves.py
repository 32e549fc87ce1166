"""Moves of versions between stages, written into the history: all of a move, or nothing of it."""

from __future__ import annotations

import getpass
import os
import platform
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from framework_core.errors import RegistryError, StageTakenError
from framework_core.model_registry.chain import LONGEST, History
from framework_core.model_registry.record import Action, Record
from framework_core.model_registry.standing import Standing

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Moves:
    """Writes moves of a model's versions.

    Args:
        client: The store.
        name: The model.
    """

    def __init__(self, client: MlflowClient, name: str) -> None:
        self._history = History(client, name)
        self._name = name
        self._read()

    def records(self) -> list[Record]:
        """The history, as it was read last."""
        return self._records

    def register(self, version: int, stage: str, *, why: str) -> Record:
        """Write that a version was registered."""
        while not self._add("register", version, stage, why=why):
            self._read()
        self._read()
        return next(each for each in reversed(self._records) if (each.action, each.version) == ("register", version))

    def move(
        self,
        action: Action,
        version: int,
        stage: str,
        *,
        why: str,
        changes: str,
        forced: bool = False,
        evidence: Mapping[str, Any] | None = None,
    ) -> Record:
        """Write that a version was moved.

        Args:
            action: What is done.
            version: The version.
            stage: Where it stands afterwards.
            why: The reason that was given.
            changes: The stage that is changed: it has to hold what it held when this object was made.
            forced: Whether a gate had refused it.
            evidence: What the gates found.

        Raises:
            StageTakenError: Somebody else changed the stage, or moved the version, meanwhile.
        """
        held, stood = self.standing.in_stage(changes), self.standing.stage_of(version)
        while not self._add(action, version, stage, why=why, forced=forced, evidence=evidence or {}):
            self._read()
            if (self.standing.in_stage(changes), self.standing.stage_of(version)) != (held, stood):
                by = self._records[-1]
                holds = self.standing.in_stage(changes)
                raise StageTakenError(self._name, changes, holds=holds, expected=held, who=f"{by.who}, {by.when[:19]}")
        self._read()
        return self._records[-1]

    def _read(self) -> None:
        # Before the records, so that it is never ahead of them, unless some were taken out.
        self._head = self._history.head()
        self._records = self._history.records()
        self.standing = Standing.after(self._records)

    def _add(self, action: Action, version: int, stage: str, **more: Any) -> bool:
        newest = self._records[-1] if self._records else None
        now = datetime.now(timezone.utc).isoformat(timespec="microseconds")
        last = max(self._history.last, self._head[0])
        hashed = newest.hash if newest else ""
        record = Record(
            number=last + 1,
            # The hash that the last record had when it was written: what was tampered with stays to be found.
            previous=self._head[1] if self._head[0] == last else hashed,
            # Clocks of two machines differ; the history's own goes forward.
            when=max(now, newest.when) if newest else now,
            who=_who(),
            action=action,
            version=version,
            from_stage=self.standing.stage_of(version),
            to_stage=stage,
            replaced=None if action in ("register", "demote") else self.standing.stages.get(stage),
            **more,
        )
        return self._history.add(_short_enough(record))


def _short_enough(record: Record) -> Record:
    """A record that a store keeps whole: without what gates said in words, where there are many.

    Raises:
        RegistryError: The reason is too long.
    """
    if len(record.text()) <= LONGEST:
        return record
    gates = [{key: each[key] for key in ("gate", "passed")} for each in record.evidence.get("gates", [])]
    shorter = replace(record, evidence={**record.evidence, "gates": gates})
    if len(shorter.text()) > LONGEST:
        raise RegistryError(
            f"The reason has {len(record.why):,} characters, which is too long to be remembered.",
            possible="A record has 6,000 characters, with everything that is in it.",
            next_step="Say it in fewer words, and name a page that says more.",
        )
    return shorter


def _who() -> str:
    try:
        user = os.environ.get("MLFLOW_TRACKING_USERNAME") or getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    return f"{user}@{platform.node()}"
