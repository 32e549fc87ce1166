"""Which version stands in which stage, from the history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from framework_core.model_registry.record import Record


@dataclass(frozen=True)
class Standing:
    """Which version stands in which stage.

    Attributes:
        stages: The version in each stage that holds one version.
        earlier: Those that stood there before it, the last one last.
        registered: The stage that each version was registered in, where it stands when it stands in no other.
    """

    stages: dict[str, int] = field(default_factory=dict)
    earlier: dict[str, list[int]] = field(default_factory=dict)
    registered: dict[int, str] = field(default_factory=dict)

    @classmethod
    def after(cls, records: Iterable[Record]) -> Standing:
        """What stands after some records."""
        found = cls()
        for record in records:
            found._take(record)
        return found

    def _take(self, record: Record) -> None:
        stage, version = record.to_stage, record.version
        if record.action == "register":
            self.registered[version] = stage
            return
        left = self.stage_of(version)
        if self.stages.get(left) == version:
            del self.stages[left]
        if record.action == "demote":
            return
        earlier = self.earlier.setdefault(stage, [])
        if record.action == "rollback":
            while earlier and earlier.pop() != version:
                continue
        elif stage in self.stages:
            earlier.append(self.stages[stage])
        self.stages[stage] = version

    def stage_of(self, version: int) -> str:
        """The stage that a version stands in; empty where it stands in none."""
        held = next((stage for stage, held in self.stages.items() if held == version), "")
        return held or self.registered.get(version, "")

    def in_stage(self, stage: str) -> int | None:
        """The version in a stage: the newest, where versions are registered in it."""
        if stage in self.stages:
            return self.stages[stage]
        return next((each for each in reversed(self.registered) if self.stage_of(each) == stage), None)

    @property
    def known(self) -> list[str]:
        """Every stage that a version ever stood in."""
        return list(dict.fromkeys([*self.registered.values(), *self.stages, *self.earlier]))

    @property
    def now(self) -> dict[str, int]:
        """The version in each stage."""
        return {stage: version for stage in self.known if (version := self.in_stage(stage)) is not None}
