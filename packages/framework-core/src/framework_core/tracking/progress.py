"""How far a store has taken a journal: a small file beside it, replaced whole."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

SENT = "sent.json"


@dataclass
class Progress:
    """How far the store has come.

    Attributes:
        run_id: The run's id in the store; empty until it is there.
        number: The last record that the store has acknowledged.
        offset: Where the next one begins, in bytes.
        deferred: Where records begin that were passed over, and are tried again later.
        refused: What the store does not take, however often it is asked.
        points: How many points it has acknowledged.
    """

    run_id: str = ""
    number: int = 0
    offset: int = 0
    deferred: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    points: int = 0

    @classmethod
    def read(cls, folder: Path) -> Progress:
        """Read it; one that is not there or cannot be read has sent nothing."""
        try:
            return cls(**json.loads((folder / SENT).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return cls()

    def write(self, folder: Path) -> None:
        """Write it. Lost in a power cut, it is older than the store; what is sent again is then compared first."""
        new = folder / f"{SENT}.new"
        new.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")
        new.replace(folder / SENT)
