"""What a rank tells of itself, as plain values that go through a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """Something that all processes must do together.

    Attributes:
        name: ``all_reduce``, ``broadcast``.
        of: What it exchanges: shapes and kinds of numbers; empty where it does not matter.
        when: ``step 1``, ``validation``.
        where: File, line and function, or what part of the framework it is.
    """

    name: str
    of: str
    when: str
    where: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.name, self.of and f"of {self.of}", self.where) if part)


@dataclass(frozen=True)
class Trouble:
    """An error that ended a rank.

    Attributes:
        what: What is wrong.
        possible: What would have been right.
        next_step: What to type next.
        where: File, line and function.
        request: Whether it is about what was asked for, and says so in words.
    """

    what: str
    possible: str = ""
    next_step: str = ""
    where: str = ""
    request: bool = False


@dataclass
class Told:
    """What a rank tells.

    Attributes:
        rank: Its number.
        strategy: How its model was wrapped.
        facts: Settings, data and versions that must be the same everywhere.
        parameters: Shape, kind and a digest of the content of each parameter and buffer, as the model was built.
        random: A digest of where its random numbers were when the model was built.
        samples: How many samples its training split has; ``None`` where it is a stream.
        batch: The batch that all ranks share; ``None`` where nobody shares one.
        batches: How many batches it has in an epoch, for each loader; ``None`` where they were not counted.
        ended: Whether they were counted to the end.
        first: A digest of the samples of its first batch.
        unused: Parameters without a gradient after the first step.
        calls: What it did together with the others, in order.
        trouble: What ended it.
    """

    rank: int
    strategy: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, tuple[str, str]] = field(default_factory=dict)
    random: str = ""
    samples: int | None = None
    batch: int | None = None
    batches: list[int] | None = None
    ended: bool = True
    first: str = ""
    unused: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    trouble: Trouble | None = None

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))


def told_in(text: str) -> Told:
    """What a rank has written.

    Args:
        text: Its JSON.
    """
    found: dict[str, Any] = json.loads(text)
    found["calls"] = [Call(**each) for each in found["calls"]]
    found["parameters"] = {name: (shape, digest) for name, (shape, digest) in found["parameters"].items()}
    found["trouble"] = Trouble(**found["trouble"]) if found["trouble"] else None
    return Told(**found)
